//! Addresses beside each other, several sockets on each, and none given up with a connection in its queue.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::backend::Backend;
use crate::harness::client::{connect, read_all, try_connect};
use crate::harness::net;
use crate::harness::sluice::{Builder, Sluice};
use crate::relay::{BACK, FRONT, Relay, on_both_relays, ready};

on_both_relays!(
    drains_with_full_queues,
    drains_under_load,
    retires_an_address_under_load,
    moves_under_load,
    hands_over,
);

/// Where the admin endpoint listens, where a test wants one.
const ADMIN: &str = "127.0.0.1:9915";

/// Each listener and its sockets, as `GET /config` tells.
fn sockets() -> Vec<(String, u64)> {
    let mut admin = connect(ADMIN);
    admin.write_all(b"GET /config HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let answer = String::from_utf8(read_all(&mut admin)).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let config: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"));
    let shown = |listener: &Value| {
        (listener["bind"].as_str().unwrap().to_owned(), listener["sockets"].as_u64().unwrap())
    };
    config["listeners"].as_array().unwrap().iter().map(shown).collect()
}

/// A mapping of port 7000; an empty address is unset.
fn mapping(name: &str, address: &str, service: &str) -> String {
    let address = if address.is_empty() { String::new() } else { format!("  address: \"{address}\"\n") };
    format!(
        "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {{name: {name}}}\n\
         spec:\n  port: 7000\n  service: \"{service}\"\n{address}"
    )
}

#[test]
fn addresses_share_a_port_and_the_closest_serves() {
    if !ready("addresses_share_a_port_and_the_closest_serves") {
        return;
    }
    net::ip(&["address", "add", "fd00::1/128", "dev", "lo", "nodad"]);
    let names = ["one", "two", "any4", "six", "any6"];
    for (port, name) in (7011..).zip(names) {
        Backend::named(&format!("127.0.0.1:{port}"), name);
    }
    // The wildcards stand in the middle: order means nothing.
    let yaml = mapping("one", "127.0.0.1", "127.0.0.1:7011")
        + &mapping("any4", "", "127.0.0.1:7013")
        + &mapping("two", "127.0.0.2", "127.0.0.1:7012")
        + &mapping("any6", "::", "127.0.0.1:7015")
        + &mapping("six", "::1", "127.0.0.1:7014");
    let mut sluice = Builder::new(&yaml).start();
    let said = |front: &str| String::from_utf8(read_all(&mut connect(front))).unwrap();
    let fronts = ["127.0.0.1:7000", "127.0.0.2:7000", "127.0.0.3:7000", "[::1]:7000", "[fd00::1]:7000"];
    let listeners = ["127.0.0.1:7000", "127.0.0.2:7000", "0.0.0.0:7000", "[::1]:7000", "[::]:7000"];
    for ((front, name), listener) in fronts.into_iter().zip(names).zip(listeners) {
        assert_eq!(said(front), name);
        assert_eq!(sluice.closed()["listener"], listener);
    }

    // An address that goes leaves its port to the wildcard, and takes it back.
    sluice.reload(&(mapping("any4", "", "127.0.0.1:7013") + &mapping("two", "127.0.0.2", "127.0.0.1:7012")));
    assert_eq!(["127.0.0.1:7000", "127.0.0.2:7000"].map(said), ["any4", "two"]);
    assert_eq!(try_connect("[::1]:7000").unwrap_err().kind(), ErrorKind::ConnectionRefused);
    sluice.reload(&yaml);
    assert_eq!(fronts.map(said), names);
}

#[test]
fn an_unset_address_serves_both_families_where_asked_to() {
    if !ready("an_unset_address_serves_both_families_where_asked_to") {
        return;
    }
    Backend::named(BACK, "unset");
    Backend::named("127.0.0.1:7011", "four");
    let said = |front: &str| String::from_utf8(read_all(&mut connect(front))).unwrap();
    let refused = |front: &str| try_connect(front).unwrap_err().kind() == ErrorKind::ConnectionRefused;

    // As in Ambassador: IPv4 alone, or IPv6 alone.
    let one = mapping("unset", "", BACK);
    let sluice = Builder::new(&one).start();
    assert!(said(FRONT) == "unset" && refused("[::1]:7000"));
    drop(sluice);
    let sluice = Builder::new(&one).flags(&["--bind-address", "::"]).start();
    assert!(said("[::1]:7000") == "unset" && refused(FRONT));
    drop(sluice);

    let both = ["--bind-address", "0.0.0.0,::"];
    let mut sluice = Builder::new(&one).flags(&both).start();
    assert_eq!([FRONT, "127.0.0.2:7000", "[::1]:7000"].map(said), ["unset"; 3]);
    // Another one for IPv4 takes half of that family, and none of the other.
    sluice.reload(&(one + &mapping("four", "0.0.0.0", "127.0.0.1:7011")));
    let mut four: Vec<_> = (0..10).map(|_| said(FRONT)).collect();
    four.sort();
    assert_eq!(four, [["four"; 5], ["unset"; 5]].concat());
    assert_eq!([(); 10].map(|()| said("[::1]:7000")), ["unset"; 10]);
}

#[test]
fn every_worker_has_a_socket_or_as_many_as_asked_for() {
    if !ready("every_worker_has_a_socket_or_as_many_as_asked_for") {
        return;
    }
    Backend::named(BACK, "here");
    for (flags, sockets) in [(&["--workers", "3"][..], 3), (&["--workers", "3", "--shards", "5"], 5)] {
        let sluice = Builder::new(&Relay::Splice.mapping()).flags(flags).start();
        sluice.freeze();
        // Enough for each of them to have some.
        let mut waiting: Vec<_> = (0..100).map(|_| connect(FRONT)).collect();
        let queues = net::listening(7000);
        assert_eq!((queues.len(), queues.iter().sum()), (sockets, 100), "{flags:?}");
        assert!(queues.iter().all(|queue| *queue > 0), "{queues:?}");
        sluice.signal(Signal::CONT);
        for stream in &mut waiting {
            assert_eq!(read_all(stream), b"here");
        }
    }
}

#[test]
fn an_address_in_use_names_who_has_it_and_is_taken_when_free() {
    if !ready("an_address_in_use_names_who_has_it_and_is_taken_when_free") {
        return;
    }
    Backend::named(BACK, "here");
    let holder = TcpListener::bind("0.0.0.0:7000").unwrap();
    let yaml = Relay::Splice.mapping() + &Relay::Splice.named("other", 7002, BACK, "");
    // Confined it would not see what we, who have more privileges, have open.
    let flags = ["--admin", ADMIN, "--shards", "3", "--confine", "false"];
    let mut sluice = Builder::new(&yaml).flags(&flags).spawn();
    let told = sluice.expect_log("127.0.0.1:7000 cannot be bound");
    let us = format!("(pid {}) listens there; stop it, or give the mapping another port", std::process::id());
    assert!(told.contains(&us), "{told}");
    sluice.expect_log("serving");
    assert_eq!(read_all(&mut connect("127.0.0.1:7002")), b"here");
    assert_eq!(sockets(), [(FRONT.to_owned(), 0), ("127.0.0.1:7002".to_owned(), 3)]);
    drop(holder);
    sluice.expect_log("bound at last");
    assert_eq!(read_all(&mut connect(FRONT)), b"here");
    assert_eq!(sockets(), [(FRONT.to_owned(), 3), ("127.0.0.1:7002".to_owned(), 3)]);
}

#[test]
fn a_holder_with_more_privileges_than_sluice_has_left_is_not_named() {
    if !ready("a_holder_with_more_privileges_than_sluice_has_left_is_not_named") {
        return;
    }
    let _ours = TcpListener::bind("0.0.0.0:7000").unwrap();
    let yaml = Relay::Splice.mapping() + &Relay::Splice.named("other", 7002, BACK, "");
    let mut sluice = Builder::new(&yaml).spawn();
    let told = sluice.expect_log("127.0.0.1:7000 cannot be bound");
    assert!(told.contains("; stop what listens there (`ss -ltnp` names it), or"), "{told}");
}

#[test]
fn an_address_that_comes_later_is_listened_on_then_or_at_once_if_wished() {
    if !ready("an_address_that_comes_later_is_listened_on_then_or_at_once_if_wished") {
        return;
    }
    Backend::named(BACK, "here");
    let yaml = Relay::Splice.mapping() + &mapping("floating", "192.0.2.7", BACK);
    let floating = "192.0.2.7:7000";
    let mut sluice = Builder::new(&yaml).spawn();
    let told = sluice.expect_log("192.0.2.7:7000 cannot be bound");
    assert!(told.contains("no interface has it"), "{told}");
    sluice.expect_log("serving");
    net::ip(&["address", "add", "192.0.2.7/32", "dev", "lo"]);
    sluice.expect_log("bound at last");
    assert_eq!(read_all(&mut connect(floating)), b"here");
    drop(sluice);

    net::ip(&["address", "delete", "192.0.2.7/32", "dev", "lo"]);
    let _sluice = Builder::new(&mapping("floating", "192.0.2.7", BACK)).flags(&["--freebind"]).start();
    net::ip(&["address", "add", "192.0.2.7/32", "dev", "lo"]);
    assert_eq!(read_all(&mut connect(floating)), b"here");
}

#[test]
fn a_privileged_port_names_the_capability_and_leaves_the_others_alone() {
    if !ready("a_privileged_port_names_the_capability_and_leaves_the_others_alone") {
        return;
    }
    Backend::named(BACK, "here");
    let yaml = Relay::Splice.mapping() + &Relay::Splice.named("low", 80, BACK, "");
    let mut sluice = Builder::new(&yaml).without_capabilities().spawn();
    let told = sluice.expect_log("127.0.0.1:80 cannot be bound");
    let hint = "ports below 1024 need CAP_NET_BIND_SERVICE (sysctl net.ipv4.ip_unprivileged_port_start)";
    assert!(told.contains(hint), "{told}");
    sluice.expect_log("serving");
    assert_eq!(read_all(&mut connect(FRONT)), b"here");
}

/// Clients that the kernel has taken in while sluice stood still are served, though it is told to stop.
fn drains_with_full_queues(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = relay.start();
    sluice.freeze();
    let mut waiting: Vec<_> = (0..300).map(|_| connect(FRONT)).collect();
    for stream in &mut waiting {
        stream.write_all(b"queued").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    }
    sluice.signal(Signal::TERM);
    sluice.signal(Signal::CONT);
    for stream in &mut waiting {
        assert_eq!(read_all(stream), b"queued");
    }
    assert!(sluice.wait().success());
}

/// Whoever was connected is served; after that connecting is refused.
fn drains_under_load(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = relay.start();
    let load = Load::on(FRONT);
    load.await_served(500);
    sluice.signal(Signal::TERM);
    load.until_refused();
    assert!(sluice.wait().success());
}

/// The same where a reload gives up one address of two.
fn retires_an_address_under_load(relay: Relay) {
    Backend::echo(BACK);
    let stays = relay.named("stays", 7002, BACK, "");
    let both = relay.mapping() + &stays;
    let mut sluice = Builder::new(&both).start();
    let other = Load::on("127.0.0.1:7002");
    for _ in 0..5 {
        let load = Load::on(FRONT);
        load.await_served(200);
        sluice.reload(&stays);
        load.until_refused();
        sluice.reload(&both);
    }
    other.end();
}

/// An address that becomes the wildcard of its port, and back: nobody is refused, and nobody is lost.
fn moves_under_load(relay: Relay) {
    Backend::echo(BACK);
    let at = |address: &str| relay.mapping().replace("address: 127.0.0.1", &format!("address: {address}"));
    let mut sluice = relay.start();
    let load = Load::on(FRONT);
    for address in ["0.0.0.0", "127.0.0.1", "0.0.0.0"] {
        load.await_served(200);
        sluice.reload(&at(address));
    }
    load.await_served(200);
    load.end();
}

/// A second sluice listens beside the first, which then stops: nobody is refused, and nobody is lost.
fn hands_over(relay: Relay) {
    Backend::echo(BACK);
    let mut first = relay.start();
    let load = Load::on(FRONT);
    load.await_served(200);
    let mut second: Sluice = Builder::new(&relay.mapping()).spawn();
    let told = second.expect_log("listens there too");
    assert!(told.contains(&format!("sluice (pid {})", first.pid())), "{told}");
    second.expect_log("serving");
    first.signal(Signal::TERM);
    assert!(first.wait().success());
    load.await_served(200);
    load.end();
    drop(second);
}

/// Clients in many threads, each with one short exchange after the other. One that is reset after it was
/// connected fails the test.
struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<bool>>,
}

impl Load {
    fn on(front: &'static str) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    match try_connect(front) {
                        Ok(stream) => exchange(stream),
                        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return true,
                        Err(error) => panic!("neither connected nor refused: {error}"),
                    }
                    served.fetch_add(1, Ordering::SeqCst);
                }
                false
            })
        };
        let clients = (0..16).map(client).collect();
        Self { stop, served, clients }
    }

    /// Waits until so many more exchanges are done.
    fn await_served(&self, more: usize) {
        let enough = self.served.load(Ordering::SeqCst) + more;
        crate::harness::eventually("load", || (self.served.load(Ordering::SeqCst) >= enough).then_some(()));
    }

    /// Waits until every client was refused.
    fn until_refused(self) {
        assert!(self.clients.into_iter().all(|client| client.join().unwrap()));
    }

    /// Stops the clients, none of which was refused.
    fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        assert!(!self.clients.into_iter().any(|client| client.join().unwrap()));
    }
}

fn exchange(mut stream: TcpStream) {
    stream.write_all(b"hello").expect("a connection that was taken in is served");
    stream.shutdown(Shutdown::Write).expect("a connection that was taken in is served");
    let mut said = Vec::new();
    stream.read_to_end(&mut said).expect("a connection that was taken in is served");
    assert_eq!(said, b"hello");
}
