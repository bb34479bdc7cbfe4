//! Sockets that the kernel does not take: each lane falls back by itself, and whatever came before,
//! a server's first words included, arrives once and in order.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::net::{Port, State, await_state, run};
use crate::harness::payload::Payload;
use crate::harness::sluice::{Builder, Sluice};
use crate::harness::sockmap::{CookieMap, Owner, Taken};
use crate::harness::{bpf, eventually};
use crate::relay::{BACK, FRONT, Relay, on_both_relays, ready};

on_both_relays!(the_client_ended_before, the_server_ended_before, both_ended_before);

/// What each side says before sluice has both sockets.
const QUESTION: Payload = Payload { seed: 1, len: 40_000 };
const GREETING: Payload = Payload { seed: 2, len: 30_000 };
/// What follows, where a side has not ended.
const UP: Payload = Payload { seed: 3, len: 2_000_000 };
const DOWN: Payload = Payload { seed: 4, len: 3_000_000 };

/// Which sides ended with their first words.
#[derive(Debug, Clone, Copy)]
struct Ended {
    client: bool,
    server: bool,
}

const NEITHER: Ended = Ended { client: false, server: false };

/// The rest of one side's stream, at the same time as the other's. Only after the other's first
/// words: until these are through, nothing new arrives while the kernel is being asked.
fn converse(stream: &TcpStream, ended: bool, rest: Payload, first: Payload, other: Option<Payload>) {
    let (mut out, mut into) = (stream, stream);
    first.expect(&mut into);
    thread::scope(|scope| {
        scope.spawn(move || {
            if !ended {
                rest.send(&mut out).unwrap();
                out.shutdown(Shutdown::Write).unwrap();
            }
        });
        other.unwrap_or(Payload { seed: 0, len: 0 }).expect_to_end(&mut into);
    });
}

/// A connection whose two sockets hold bytes, or their end, before sluice gets to see them: it is
/// stopped while its own connection to the server is on its way.
fn connection(sluice: &mut Sluice, ended: Ended, greeted: &Receiver<()>) -> Value {
    let syn = |change| {
        run("iptables-legacy", &[change, "INPUT", "-p", "tcp", "--dport", "7001", "--syn", "-j", "DROP"])
    };
    syn("-A");
    let mut stream = connect(FRONT);
    await_state(Port::Remote(7001), State::SynSent);
    sluice.freeze();
    syn("-D");
    QUESTION.send(&mut stream).unwrap();
    if ended.client {
        stream.shutdown(Shutdown::Write).unwrap();
        await_state(Port::Local(7000), State::CloseWait);
    }
    greeted.recv().unwrap();
    if ended.server {
        await_state(Port::Remote(7001), State::CloseWait);
    }
    sluice.signal(Signal::CONT);
    converse(&stream, ended.client, UP, GREETING, (!ended.server).then_some(DOWN));
    let record = sluice.closed();
    assert_eq!(record["reason"], "finished", "{record}");
    record
}

fn backend(ended: Ended) -> Receiver<()> {
    let (greeted, seen) = channel();
    Backend::serve(BACK, move |mut stream| {
        GREETING.send(&mut stream).unwrap();
        if ended.server {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        eventually("acknowledgement", || {
            (sluice::relay::socket::unacked(std::os::fd::AsFd::as_fd(&stream)).unwrap() == 0).then_some(())
        });
        greeted.send(()).unwrap();
        converse(&stream, ended.server, DOWN, QUESTION, (!ended.client).then_some(UP));
    });
    seen
}

fn ended_before(relay: Relay, ended: Ended) {
    let greeted = backend(ended);
    let record = connection(&mut relay.start(), ended, &greeted);
    let fallback = if relay == Relay::Kernel { "not_established" } else { "configured" };
    // A socket whose peer has ended can be neither source nor destination. The client's is asked
    // for first: where it was taken, what it sends is the agent's, for want of a destination.
    let word = if relay == Relay::Kernel && !ended.client { "kernel" } else { "splice" };
    assert_eq!((&record["relay"], &record["fallback"]), (&word.into(), &fallback.into()), "{record}");
    assert_eq!(
        (&record["received_in_kernel"], &record["sent_in_kernel"]),
        (&0.into(), &0.into()),
        "{record}"
    );
}

fn the_client_ended_before(relay: Relay) {
    ended_before(relay, Ended { client: true, server: false });
}

fn the_server_ended_before(relay: Relay) {
    ended_before(relay, Ended { client: false, server: true });
}

fn both_ended_before(relay: Relay) {
    ended_before(relay, Ended { client: true, server: true });
}

/// Expects a reason for a connection not to be the kernel's, and no byte in the kernel then.
fn expect_carried(record: &Value, relay: &str, fallback: Option<&str>) {
    let reason = fallback.map_or(Value::Null, Value::from);
    assert_eq!((&record["relay"], &record["fallback"]), (&relay.into(), &reason), "{record}");
    for way in ["received_in_kernel", "sent_in_kernel"] {
        assert_eq!(record[way].as_u64().is_some_and(|bytes| bytes > 0), fallback.is_none(), "{record}");
    }
}

/// Another program's sockmap owns the client's socket, the server's, or both: splice(2) does not see
/// what its verdict has taken.
fn owned(relay: Relay, taken: &[Taken]) {
    let mut owner = Owner::new();
    let greeted = backend(NEITHER);
    let mut sluice = Builder::new(&relay.mapping()).within(owner.door()).start();
    // Now, so that the self-test's sockets were nobody's.
    for which in taken {
        owner.take(*which);
    }
    let reason = if relay == Relay::Kernel { "busy" } else { "configured" };
    expect_carried(&connection(&mut sluice, NEITHER, &greeted), relay.word(), Some(reason));
}

#[test]
fn the_clients_socket_is_anothers() {
    if ready("the_clients_socket_is_anothers") {
        owned(Relay::Kernel, &[Taken::Accepted]);
    }
}

#[test]
fn the_servers_socket_is_anothers() {
    if ready("the_servers_socket_is_anothers") {
        owned(Relay::Kernel, &[Taken::Connected]);
    }
}

#[test]
fn both_sockets_are_anothers() {
    if ready("both_sockets_are_anothers") {
        owned(Relay::Kernel, &[Taken::Accepted, Taken::Connected]);
    }
}

#[test]
fn both_spliced_sockets_are_anothers() {
    if ready("both_spliced_sockets_are_anothers") {
        owned(Relay::Splice, &[Taken::Accepted, Taken::Connected]);
    }
}

/// Sockets of the test's own in a map of sluice's that was made for one connection: two sockets, and
/// sixteen more for the self-test.
struct Fillers {
    map: CookieMap,
    listener: TcpListener,
    own: Vec<TcpStream>,
}

impl Fillers {
    /// Leaves room for one socket.
    fn all_but_one(sluice: &Sluice) -> Self {
        let map = bpf::map_of(sluice.pid(), "SOCKETS").cookies();
        eventually("a map without the self-test's sockets", || map.is_empty().then_some(()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut fillers = Self { map, listener, own: Vec::new() };
        (0..17).for_each(|_| fillers.one_more().unwrap());
        fillers
    }

    fn one_more(&mut self) -> std::io::Result<()> {
        let socket = connect(&self.listener.local_addr().unwrap().to_string());
        self.map.insert(self.own.len() as u32, &socket)?;
        self.own.push(socket);
        Ok(())
    }
}

/// A map with room for one more socket, then for none, then for all.
#[test]
fn no_room() {
    if !ready("no_room") {
        return;
    }
    let greeted = backend(NEITHER);
    let mut sluice = Relay::Kernel.start_with(&["--max-connections", "1"]);
    let mut fillers = Fillers::all_but_one(&sluice);
    expect_carried(&connection(&mut sluice, NEITHER, &greeted), "kernel", Some("map_full"));
    fillers.one_more().expect("the connection left its place");
    expect_carried(&connection(&mut sluice, NEITHER, &greeted), "kernel", Some("map_full"));
    drop(fillers);
    expect_carried(&connection(&mut sluice, NEITHER, &greeted), "kernel", None);
}

/// The server's socket finds no room, but is in another's map already, one without a verdict: there the
/// refused socket keeps ours, which has the client's socket for a destination and is to send nothing on.
#[test]
fn no_room_for_a_socket_that_keeps_the_verdict() {
    if !ready("no_room_for_a_socket_that_keeps_the_verdict") {
        return;
    }
    let mut owner = Owner::without_verdict();
    let greeted = backend(NEITHER);
    let mut sluice = Builder::new(&Relay::Kernel.mapping())
        .flags(&["--max-connections", "1"])
        .within(owner.door())
        .start();
    owner.take(Taken::Connected);
    let _fillers = Fillers::all_but_one(&sluice);
    expect_carried(&connection(&mut sluice, NEITHER, &greeted), "kernel", Some("map_full"));
}
