//! Ends by the clock, on time: ten per cent or 100 ms, whichever is more.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset};
use crate::harness::sluice::Builder;
use crate::relay::{BACK, FRONT, Relay, on_every_relay};

on_every_relay!(idle, activity_is_not_idle, half_closed, maximum_age);

fn ping(stream: &mut TcpStream) {
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
}

fn expect_reset_after(stream: &mut TcpStream, since: Instant, expected: Duration) {
    expect_reset(stream);
    let took = since.elapsed();
    let late = (expected / 10).max(Duration::from_millis(100));
    // A jiffy is the resolution of the kernel's own clock of last data.
    let early = Duration::from_millis(10);
    assert!(took + early >= expected && took <= expected + late, "{took:?} instead of {expected:?}");
}

fn idle(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = Builder::new(&relay.mapping_with("  idle_timeout_ms: \"700\"\n")).start();
    let mut stream = connect(FRONT);
    ping(&mut stream);
    expect_reset_after(&mut stream, Instant::now(), Duration::from_millis(700));
    let record = sluice.closed();
    relay.carried(&record);
    assert_eq!(record["reason"], "idle_timeout");
}

fn activity_is_not_idle(relay: Relay) {
    Backend::echo(BACK);
    let _sluice = Builder::new(&relay.mapping_with("  idle_timeout_ms: 400\n")).start();
    let mut stream = connect(FRONT);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1500) {
        ping(&mut stream);
        std::thread::sleep(Duration::from_millis(150)); // tidy: the traffic's own pace, not a wait
    }
    expect_reset_after(&mut stream, Instant::now() - Duration::from_millis(150), Duration::from_millis(400));
}

fn half_closed(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        // Only once it is asked: a FIN before the pair is joined keeps the kernel from taking it.
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(&asked).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read(&mut [0; 1]);
    });
    let mut sluice = relay.start_with(&["--half-closed-timeout", "600ms"]);
    let mut stream = connect(FRONT);
    ping(&mut stream);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    // The client's side is open but silent; writing is how it learns that the time is over.
    let record = sluice.closed();
    relay.carried(&record);
    assert_eq!(record["reason"], "half_closed_timeout");
    let took = record["duration_ms"].as_u64().unwrap();
    assert!((590..=760).contains(&took), "{took} ms instead of 600");
}

fn maximum_age(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = relay.start_with(&["--max-connection-age", "800ms"]);
    let mut stream = connect(FRONT);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(500) {
        ping(&mut stream);
    }
    expect_reset_after(&mut stream, started, Duration::from_millis(800));
    assert_eq!(sluice.closed()["reason"], "max_age");
}
