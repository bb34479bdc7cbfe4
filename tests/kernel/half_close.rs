//! One direction ends, the other goes on: the end is told when every byte before it is there.

use std::io::Read;
use std::net::Shutdown;
use std::sync::mpsc::channel;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::payload::Payload;
use crate::relay::{BACK, FRONT, Relay, on_every_relay};

on_every_relay!(client_ends_first, server_ends_first, ends_with_megabytes_queued, a_bare_fin);

const UP: Payload = Payload { seed: 1, len: 3_000_000 };
const DOWN: Payload = Payload { seed: 2, len: 3_000_000 };
const NOTHING: Payload = Payload { seed: 0, len: 0 };

fn client_ends_first(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        UP.expect_to_end(&mut stream);
        DOWN.send(&mut stream).unwrap();
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    UP.send(&mut stream).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    DOWN.expect_to_end(&mut stream);
    relay.carried(&sluice.closed());
}

fn server_ends_first(relay: Relay) {
    let (done, ended) = channel();
    Backend::serve(BACK, move |mut stream| {
        DOWN.send(&mut stream).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        UP.expect_to_end(&mut stream);
        done.send(()).unwrap();
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    DOWN.expect_to_end(&mut stream);
    UP.send(&mut stream).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    ended.recv().unwrap();
    relay.carried(&sluice.closed());
}

/// The reader starts only once the writer has put everything it can and its FIN on the way.
fn ends_with_megabytes_queued(relay: Relay) {
    let (written, may_read) = channel();
    let (verified, read) = channel();
    let may_read = std::sync::Mutex::new(may_read);
    Backend::serve(BACK, move |mut stream| {
        may_read.lock().unwrap().recv().unwrap();
        UP.expect_to_end(&mut stream);
        verified.send(()).unwrap();
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    let writer = stream.try_clone().unwrap();
    let thread = std::thread::spawn(move || {
        let mut writer = writer;
        UP.send(&mut writer).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    // Whether or not all of it fits into the buffers on the way, some of it waits there now.
    crate::harness::eventually("bytes stuck on the way", || {
        let queued = sluice::relay::socket::unacked(std::os::fd::AsFd::as_fd(&stream)).unwrap();
        (queued > 0 || thread.is_finished()).then_some(())
    });
    written.send(()).unwrap();
    read.recv().unwrap();
    thread.join().unwrap();
    NOTHING.expect_to_end(&mut stream);
    relay.carried(&sluice.closed());
}

/// A FIN without data must neither end nor fail the other direction.
fn a_bare_fin(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        DOWN.send(&mut stream).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        Payload { seed: 3, len: 100_000 }.send(&mut stream).unwrap();
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    DOWN.expect(&mut stream);
    stream.shutdown(Shutdown::Write).unwrap();
    Payload { seed: 3, len: 100_000 }.expect_to_end(&mut stream);
    let record = sluice.closed();
    relay.carried(&record);
    assert_eq!(record["received"], 0, "{record}");
}
