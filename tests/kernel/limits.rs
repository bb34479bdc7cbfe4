//! Limits refuse what is too much, and nothing else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_refusal};
use crate::harness::eventually;
use crate::harness::payload::Payload;
use crate::harness::sluice::Builder;
use crate::relay::{BACK, FRONT, Relay, on_both_relays};

on_both_relays!(connections_in_total, connections_per_listener, out_of_descriptors);

fn answers(stream: &mut TcpStream) -> bool {
    stream.write_all(b"?").is_ok() && stream.read(&mut [0; 1]).is_ok_and(|n| n == 1)
}

fn connections_in_total(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = relay.start_with(&["--max-connections", "3"]);
    let mut held: Vec<_> = (0..3).map(|_| connect(FRONT)).collect();
    for stream in &mut held {
        assert!(answers(stream));
    }
    expect_refusal(FRONT);
    for stream in &mut held {
        assert!(answers(stream), "those within the limit are untouched");
    }
    drop(held.pop());
    relay.carried(&sluice.closed());
    eventually("the freed place", || answers(&mut connect(FRONT)).then_some(()));
}

fn connections_per_listener(relay: Relay) {
    Backend::echo(BACK);
    let yaml = relay.mapping() + &relay.named("other", 7002, BACK, "");
    let _sluice = Builder::new(&yaml).flags(&["--max-connections-per-listener", "2"]).start();
    let mut held: Vec<_> = (0..2).map(|_| connect(FRONT)).collect();
    assert!(held.iter_mut().all(answers));
    expect_refusal(FRONT);
    assert!(answers(&mut connect("127.0.0.1:7002")), "the other listener has its own limit");
}

/// With every descriptor taken sluice waits and goes on; it neither ends nor loses a connection.
fn out_of_descriptors(relay: Relay) {
    Backend::echo(BACK);
    let sluice = relay.start();
    let pid = rustix::process::Pid::from_raw(i32::try_from(sluice.pid()).unwrap()).unwrap();
    let open = std::fs::read_dir(format!("/proc/{}/fd", sluice.pid())).unwrap().count() as u64;
    let few = rustix::process::Rlimit { current: Some(open + 8), maximum: Some(open + 8) };
    rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, few).unwrap();
    let payload = Payload { seed: 1, len: 10_000 };
    thread::scope(|scope| {
        // More at once than there are descriptors for; each that is let in is served whole.
        let workers: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(move || {
                    let mut served = 0;
                    for _ in 0..10 {
                        let mut stream = connect(FRONT);
                        if payload.send(&mut stream).is_ok() && stream.peek(&mut [0; 1]).is_ok_and(|n| n == 1)
                        {
                            payload.expect(&mut stream);
                            served += 1;
                        }
                    }
                    served
                })
            })
            .collect();
        let served: usize = workers.into_iter().map(|w| w.join().unwrap()).sum();
        assert!(served > 0, "some were served");
    });
    eventually("service as before", || answers(&mut connect(FRONT)).then_some(()));
}
