//! A changed configuration is taken up; live connections and listeners that stay do not notice.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::harness::backend::Backend;
use crate::harness::client::{connect, read_all, try_connect};
use crate::harness::payload::Payload;
use crate::harness::sluice::Builder;
use crate::relay::{BACK, FRONT, Relay, on_both_relays};

on_both_relays!(under_traffic, live_connections_stay, weights_are_exact, signal_and_added_listener);

/// Every answer is checked while the configuration changes forty times, and none is refused.
fn under_traffic(relay: Relay) {
    Backend::echo(BACK);
    Backend::echo("127.0.0.1:7011");
    let mut sluice = relay.start();
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|i| {
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            thread::spawn(move || {
                let payload = Payload { seed: i, len: 3000 };
                while !stop.load(Ordering::SeqCst) {
                    let mut stream = connect(FRONT);
                    payload.send(&mut stream).unwrap();
                    payload.expect(&mut stream);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 0..40 {
        let other = if round % 2 == 0 { "127.0.0.1:7011" } else { BACK };
        sluice.reload(
            &(relay.named("echo", 7000, other, "") + &relay.named(&format!("m{round}"), 7002, BACK, "")),
        );
    }
    stop.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|c| c.join().unwrap());
    assert!(served.load(Ordering::SeqCst) > 40, "traffic flowed all the time");
}

fn live_connections_stay(relay: Relay) {
    Backend::echo(BACK);
    let other = Backend::named("127.0.0.1:7011", "other");
    let mut sluice = relay.start();
    let mut live = connect(FRONT);
    let payload = Payload { seed: 1, len: 2_000_000 };
    let mut writer = live.try_clone().unwrap();
    let writing = thread::spawn(move || payload.send(&mut writer).unwrap());
    sluice.reload(&relay.named("moved", 7002, "127.0.0.1:7011", ""));
    payload.expect(&mut live);
    writing.join().unwrap();
    assert_eq!(try_connect(FRONT).map_err(|e| e.kind()).unwrap_err(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(read_all(&mut connect("127.0.0.1:7002")), b"other");
    live.write_all(b"still").unwrap();
    live.read_exact(&mut [0; 5]).unwrap();
    assert_eq!(other.accepted(), 1);
}

fn weights_are_exact(relay: Relay) {
    Backend::named("127.0.0.1:7011", "a");
    Backend::named("127.0.0.1:7012", "b");
    let _sluice = Builder::new(
        &(relay.named("a", 7000, "127.0.0.1:7011", "  weight: 70\n")
            + &relay.named("b", 7000, "127.0.0.1:7012", "  weight: 30\n")),
    )
    .start();
    for _ in 0..2 {
        let mut shares = HashMap::new();
        for _ in 0..100 {
            *shares.entry(read_all(&mut connect(FRONT))).or_insert(0) += 1;
        }
        assert_eq!(shares, HashMap::from([(b"a".to_vec(), 70), (b"b".to_vec(), 30)]));
    }
}

fn signal_and_added_listener(relay: Relay) {
    Backend::named(BACK, "here");
    let mut sluice = relay.start();
    sluice.reload(&(relay.mapping() + &relay.named("second", 7002, BACK, "")));
    assert_eq!(read_all(&mut connect("127.0.0.1:7002")), b"here");
    sluice.signal(Signal::HUP);
    assert!(sluice.expect_log("reloaded").contains("SIGHUP"));
    assert_eq!(read_all(&mut connect(FRONT)), b"here");
}
