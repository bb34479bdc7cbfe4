//! Counters that disagree end a connection by reset on both sides.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::channel;

use proxy_common::STARTED;

use crate::harness::admin::Admin;
use crate::harness::backend::Backend;
use crate::harness::bpf;
use crate::harness::client::{connect, expect_reset};
use crate::harness::sluice::Builder;
use crate::relay::{BACK, FRONT, Relay, ready};

const ADMIN: Admin = Admin("127.0.0.1:9915");

/// Fields of `KernelLane`.
mod field {
    pub(super) const REDIRECTED: usize = 0;
    pub(super) const NEXT: usize = 3;
}

/// An exchange, then `tamper` with the lane from the client, then `more`, of which `arrives` does, and
/// the end: neither side takes it for one.
fn tampered(tamper: impl FnOnce(&mut [u64]), more: &[u8], arrives: &'static [u8]) {
    let (seen, outcome) = channel();
    Backend::serve(BACK, move |mut stream| {
        stream.read_exact(&mut [0; 4]).unwrap();
        stream.write_all(b"pong").unwrap();
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest).map(drop).map_err(|e| e.kind());
        assert_eq!(rest, arrives);
        seen.send(end).unwrap();
    });
    let mut sluice = Builder::new(&Relay::Kernel.mapping()).admin(ADMIN).start();
    let mut stream = connect(FRONT);
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    // The only connection has the first slot: its lane from the client is element 0.
    let lanes = bpf::map_of(sluice.pid(), "KERNEL_LANES");
    let mut words = lanes.words(0);
    assert_eq!(words[field::REDIRECTED], 4, "four bytes were redirected");
    tamper(&mut words);
    lanes.set_element(0, &words.into_iter().flat_map(u64::to_ne_bytes).collect::<Vec<_>>());

    stream.write_all(more).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    expect_reset(&mut stream);
    assert_eq!(outcome.recv().unwrap(), Err(ErrorKind::ConnectionReset), "no clean end");
    let record = sluice.closed();
    assert_eq!((&record["reason"], &record["side"]), (&"integrity".into(), &"proxy".into()), "{record}");
    assert!((ADMIN.metric("sluice_kernel_integrity_failures_total") - 1.0).abs() < f64::EPSILON);
}

/// The destination has taken more than was sent on: the drain barrier tells.
#[test]
fn a_tampered_counter_resets_both_sides() {
    if ready("a_tampered_counter_resets_both_sides") {
        tampered(|lane| lane[field::REDIRECTED] = 3, b"", b"");
    }
}

/// The verdict takes new bytes for repeated ones and cuts them off: the destination has taken all that was
/// sent on, and only the source knows that it received more.
#[test]
fn bytes_lost_between_the_sockets_reset_both_sides() {
    if ready("bytes_lost_between_the_sockets_reset_both_sides") {
        // A sequence number, and the bit that says so.
        let further = |next: u64| STARTED | u64::from((next as u32).wrapping_add(2));
        tampered(|lane| lane[field::NEXT] = further(lane[field::NEXT]), b"more", b"re");
    }
}
