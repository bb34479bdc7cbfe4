//! Ends that are not in order: a reset stays a reset, and says whose it was.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::channel;

use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset, reset};
use crate::harness::eventually;
use crate::harness::net::{Port, State, await_state, is_in_state, run};
use crate::harness::payload::Payload;
use crate::relay::{BACK, FRONT, Relay, on_every_relay};
use crate::stall::{handed_over, push_until_stuck};

on_every_relay!(
    a_clients_reset_reaches_the_server,
    a_servers_reset_reaches_the_client,
    what_came_before_a_reset_arrives,
    a_server_that_closes_with_unread_data,
    nobody_listens,
    an_end_that_is_lost_before_the_other_side_breaks,
);

const PART: Payload = Payload { seed: 1, len: 400_000 };

fn a_clients_reset_reaches_the_server(relay: Relay) {
    let (seen, outcome) = channel();
    Backend::serve(BACK, move |mut stream| {
        PART.expect(&mut stream);
        stream.write_all(b"got it").unwrap();
        seen.send(stream.read(&mut [0; 1]).map_err(|e| e.kind())).unwrap();
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    PART.send(&mut stream).unwrap();
    stream.read_exact(&mut [0; 6]).unwrap();
    reset(stream);
    assert_eq!(outcome.recv().unwrap(), Err(ErrorKind::ConnectionReset));
    let record = sluice.closed();
    relay.carried(&record);
    assert_eq!((&record["reason"], &record["side"]), (&"downstream_reset".into(), &"downstream".into()));
}

fn a_servers_reset_reaches_the_client(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        PART.expect(&mut stream);
        reset(stream);
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    PART.send(&mut stream).unwrap();
    expect_reset(&mut stream);
    let record = sluice.closed();
    relay.carried(&record);
    assert_eq!((&record["reason"], &record["side"]), (&"upstream_reset".into(), &"upstream".into()));
}

/// Bytes that the failing side had sent before still reach the other.
fn what_came_before_a_reset_arrives(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        PART.send(&mut stream).unwrap();
        // Acknowledged by sluice's kernel, so the reset cannot overtake it there.
        eventually("acknowledgement", || {
            (sluice::relay::socket::unacked(std::os::fd::AsFd::as_fd(&stream)).unwrap() == 0).then_some(())
        });
        reset(stream);
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    PART.expect(&mut stream);
    expect_reset(&mut stream);
    assert_eq!(sluice.closed()["reason"], "upstream_reset");
}

/// close(2) with bytes unread is a reset too.
fn a_server_that_closes_with_unread_data(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        stream.read_exact(&mut [0; 1]).unwrap();
        // Something is unread now, and stays so.
        stream.peek(&mut [0; 1]).unwrap();
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    // What is still on its way when the server closes is what makes it a reset; the first call
    // after it takes the error.
    let end = PART.send(&mut stream).and_then(|()| stream.read(&mut [0; 1]));
    assert!(matches!(&end, Err(e) if e.kind() == ErrorKind::ConnectionReset), "{end:?}");
    assert_eq!(sluice.closed()["reason"], "upstream_reset");
}

fn nobody_listens(relay: Relay) {
    let mut sluice = relay.start();
    expect_reset(&mut connect(FRONT));
    let record = sluice.closed();
    assert_eq!((&record["reason"], &record["side"]), (&"connect_failed".into(), &"upstream".into()));
}

/// A client that has ended waits for the server's end alone. That gets lost, and before it is repeated the server
/// breaks, over bytes of the client's that it never read.
fn an_end_that_is_lost_before_the_other_side_breaks(relay: Relay) {
    let accepted = handed_over();
    let mut sluice = relay.start();
    let mut client = connect(FRONT);
    let mut server = accepted.recv().unwrap();
    push_until_stuck(&client);
    client.shutdown(Shutdown::Write).unwrap();
    let mut some = vec![0; 64 << 10];
    eventually("the client's end", || {
        let come = is_in_state(Port::Local(7000), State::CloseWait);
        if !come {
            server.read_exact(&mut some).unwrap();
        }
        come.then_some(())
    });

    let ends = |change| {
        let ends = ["--tcp-flags", "FIN", "FIN", "-j", "DROP"];
        run("iptables-legacy", &[&[change, "INPUT", "-p", "tcp", "--sport", "7000"], &ends[..]].concat())
    };
    ends("-A");
    server.write_all(b"that is all").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    client.read_exact(&mut [0; 11]).unwrap();
    await_state(Port::Local(7000), State::LastAck);
    reset(server);
    assert_eq!(sluice.closed()["reason"], "upstream_reset");
    ends("-D");
    // A reset where sluice's socket held bytes that were not read: close(2) sees to that.
    let told = client.read(&mut [0; 1]).map_err(|e| e.kind());
    assert!(matches!(told, Ok(0) | Err(ErrorKind::ConnectionReset)), "{told:?}");
}
