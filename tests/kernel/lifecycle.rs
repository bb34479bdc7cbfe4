//! Stopping: in order, by force, and by a crash that leaves nothing behind.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Instant;

use rustix::process::Signal;

use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset, try_connect};
use crate::harness::payload::Payload;
use crate::harness::{bpf, eventually};
use crate::relay::{BACK, FRONT, Relay, on_both_relays};

on_both_relays!(drains, drain_time_is_over, a_second_signal, killed);

fn drains(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = relay.start();
    let mut live = connect(FRONT);
    live.write_all(b"one").unwrap();
    live.read_exact(&mut [0; 3]).unwrap();
    sluice.signal(Signal::TERM);
    sluice.expect_log("draining");
    eventually("the closed listener", || try_connect(FRONT).is_err().then_some(()));
    let payload = Payload { seed: 1, len: 2_000_000 };
    let mut writer = live.try_clone().unwrap();
    std::thread::spawn(move || {
        payload.send(&mut writer).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    payload.expect_to_end(&mut live);
    assert_eq!(sluice.closed()["reason"], "finished");
    assert!(sluice.wait().success());
}

fn drain_time_is_over(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = relay.start_with(&["--drain-time", "300ms"]);
    let mut live = connect(FRONT);
    live.write_all(b"one").unwrap();
    live.read_exact(&mut [0; 3]).unwrap();
    sluice.signal(Signal::TERM);
    expect_reset(&mut live);
    assert_eq!(sluice.closed()["reason"], "drained");
    assert!(sluice.wait().success());
}

fn a_second_signal(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = relay.start();
    let mut live = connect(FRONT);
    live.write_all(b"one").unwrap();
    live.read_exact(&mut [0; 3]).unwrap();
    sluice.signal(Signal::INT);
    sluice.expect_log("draining");
    let asked = Instant::now();
    sluice.signal(Signal::INT);
    expect_reset(&mut live);
    assert!(sluice.wait().success());
    assert!(asked.elapsed().as_secs() < 5, "at once, not after the drain time");
}

/// After kill -9 under load the peers see resets, never a clean end, and the kernel keeps nothing.
fn killed(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        let mut chunk = vec![0; 64 << 10];
        let end = loop {
            match stream.read(&mut chunk) {
                Ok(0) => break "a clean end",
                Ok(_) => {}
                Err(_) => break "a reset",
            }
        };
        assert_eq!(end, "a reset");
    });
    let mut sluice = relay.start();
    let ids = bpf::objects_of(sluice.pid());
    assert!(!ids.is_empty(), "the kernel relay is loaded");
    let writers: Vec<_> = (0..4)
        .map(|seed| {
            let mut stream = connect(FRONT);
            std::thread::spawn(move || {
                Payload { seed, len: usize::MAX / 2 }.send(&mut stream).unwrap_err().kind()
            })
        })
        .collect();
    std::thread::sleep(std::time::Duration::from_millis(200)); // tidy: lets the load run for a while
    sluice.signal(Signal::KILL);
    sluice.wait();
    for writer in writers {
        let kind = writer.join().unwrap();
        assert!(
            matches!(kind, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe),
            "{kind:?}"
        );
    }
    eventually("everything of ours gone from the kernel", || {
        ids.iter().all(|(kind, id)| !bpf::exists(kind, id)).then_some(())
    });
}
