//! The end-to-end check: counters that disagree end a connection by reset on both sides.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::channel;

use crate::harness::backend::Backend;
use crate::harness::bpf;
use crate::harness::client::{connect, expect_reset};
use crate::relay::{BACK, FRONT, Relay, ready};

#[test]
fn a_tampered_counter_resets_both_sides() {
    if !ready("a_tampered_counter_resets_both_sides") {
        return;
    }
    let (seen, outcome) = channel();
    Backend::serve(BACK, move |mut stream| {
        stream.read_exact(&mut [0; 4]).unwrap();
        stream.write_all(b"pong").unwrap();
        seen.send(stream.read(&mut [0; 1]).map_err(|e| e.kind())).unwrap();
    });
    let mut sluice = Relay::Kernel.start();
    let mut stream = connect(FRONT);
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    // The only connection has the first slot: its lane from the client is element 0, and
    // `redirected` its first field.
    let lanes = bpf::map_of(sluice.pid(), "KERNEL_LANES");
    let mut lane = lanes.element(0);
    assert_eq!(lane[..8], 4u64.to_ne_bytes(), "four bytes were redirected");
    lane[..8].copy_from_slice(&3u64.to_ne_bytes());
    lanes.set_element(0, &lane);

    stream.shutdown(Shutdown::Write).unwrap();
    expect_reset(&mut stream);
    assert_eq!(outcome.recv().unwrap(), Err(std::io::ErrorKind::ConnectionReset), "no clean end");
    let record = sluice.closed();
    assert_eq!((&record["reason"], &record["side"]), (&"integrity".into(), &"proxy".into()));
}
