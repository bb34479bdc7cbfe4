//! Random bytes of random sizes arrive as they were sent, in both directions at once.

use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::payload::Payload;
use crate::relay::{BACK, FRONT, Relay, on_every_relay};

on_every_relay!(both_ways_at_once, client_first, server_first, many_small_ones, sent_before_accept);

/// Sizes around everything that has a boundary: nothing, a byte, a segment, a chunk, a window.
const SIZES: [usize; 12] =
    [0, 1, 100, 1460, 4096, 65_535, 65_537, 262_144, 300_000, 1 << 20, 5_000_000, 20_000_000];

fn up(seed: u64, len: usize) -> Payload {
    Payload { seed, len }
}

fn down(seed: u64, len: usize) -> Payload {
    Payload { seed: seed + 1_000_000, len }
}

/// Sends one payload and expects another, both to the end of the stream, at the same time.
fn exchange(stream: &TcpStream, send: Payload, expect: Payload) {
    let (mut out, mut into) = (stream, stream);
    thread::scope(|scope| {
        scope.spawn(move || {
            send.send(&mut out).expect("sent");
            out.shutdown(Shutdown::Write).expect("finished");
        });
        expect.expect_to_end(&mut into);
    });
}

fn both_ways_at_once(relay: Relay) {
    let pairs: Vec<(usize, usize)> =
        SIZES.iter().flat_map(|a| SIZES.iter().rev().step_by(3).map(|b| (*a, *b))).collect();
    let plan = pairs.clone();
    let turn = std::sync::Mutex::new(0..pairs.len());
    // One connection at a time, so that both ends know which pair it is.
    Backend::serve(BACK, move |stream| {
        let i = turn.lock().unwrap().next().expect("as many connections as pairs");
        let (a, b) = plan[i];
        exchange(&stream, down(i as u64, b), up(i as u64, a));
    });
    let mut sluice = relay.start();
    for (i, (a, b)) in pairs.into_iter().enumerate() {
        let stream = connect(FRONT);
        exchange(&stream, up(i as u64, a), down(i as u64, b));
        drop(stream);
        let record = sluice.closed();
        relay_unless_too_short(relay, &record, a.min(b));
        assert_eq!((record["received"].as_u64(), record["sent"].as_u64()), (Some(a as u64), Some(b as u64)));
        assert_eq!(record["reason"], "finished", "{record}");
    }
}

/// A side that sends little and ends at once may be gone before the kernel could take its socket;
/// everything longer must be on the relay asked for.
fn relay_unless_too_short(relay: Relay, record: &serde_json::Value, sent: usize) {
    if sent > 300_000 || record["fallback"] != "not_established" {
        relay.carried(record);
    }
}

fn client_first(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        up(1, 700_000).expect(&mut stream);
        down(1, 900_000).send(&mut stream).unwrap();
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    up(1, 700_000).send(&mut stream).unwrap();
    down(1, 900_000).expect_to_end(&mut stream);
    drop(stream);
    relay.carried(&sluice.closed());
}

fn server_first(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        down(2, 80).send(&mut stream).unwrap();
        up(2, 10).expect(&mut stream);
        down(3, 2_000_000).send(&mut stream).unwrap();
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    down(2, 80).expect(&mut stream);
    up(2, 10).send(&mut stream).unwrap();
    down(3, 2_000_000).expect_to_end(&mut stream);
    drop(stream);
    relay.carried(&sluice.closed());
}

fn many_small_ones(relay: Relay) {
    Backend::echo(BACK);
    let _sluice = relay.start();
    thread::scope(|scope| {
        for worker in 0..8u64 {
            scope.spawn(move || {
                for i in 0..100 {
                    let stream = connect(FRONT);
                    let payload = up(worker * 1000 + i, (i as usize * 37) % 3000);
                    exchange(&stream, payload, payload);
                }
            });
        }
    });
}

/// What arrives while sluice is stopped sits in the socket before anybody accepts it.
fn sent_before_accept(relay: Relay) {
    use rustix::process::Signal;
    Backend::echo(BACK);
    let mut sluice = relay.start();
    for len in [1, 50_000] {
        sluice.freeze();
        let mut stream = connect(FRONT);
        up(4, len).send(&mut stream).unwrap();
        sluice.signal(Signal::CONT);
        up(4, len).expect(&mut stream);
        stream.shutdown(Shutdown::Write).unwrap();
        Payload { seed: 0, len: 0 }.expect_to_end(&mut stream);
        relay.carried(&sluice.closed());
    }
    // With its FIN already there, no kernel takes the socket: userspace carries it.
    sluice.freeze();
    let mut stream = connect(FRONT);
    up(5, 40_000).send(&mut stream).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    sluice.signal(Signal::CONT);
    up(5, 40_000).expect_to_end(&mut stream);
    let record = sluice.closed();
    assert_eq!(record["received_in_kernel"], 0, "{record}");
}
