//! How often new connections may come, and what one client may have.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::harness::admin::Admin;
use crate::harness::backend::Backend;
use crate::harness::net;
use crate::harness::patience;
use crate::harness::sluice::Builder;
use crate::relay::{BACK, FRONT, Relay, on_both_relays, ready};

const ADMIN: Admin = Admin("127.0.0.1:9915");

on_both_relays!(
    new_connections_have_a_rate,
    each_client_has_its_own_connections,
    each_client_has_its_own_rate
);

/// A client at another address, if it is served; what is over a limit is reset, however far it has come.
fn served(client: &str, to: &str) -> Option<TcpStream> {
    let (client, to): (IpAddr, SocketAddr) = (client.parse().unwrap(), to.parse().unwrap());
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    socket.set_read_timeout(Some(patience())).unwrap();
    socket.bind(&SocketAddr::new(client, 0).into()).unwrap();
    let answer = || {
        socket.connect(&to.into())?;
        (&socket).write_all(b"?")?;
        (&socket).read(&mut [0; 1])
    };
    match answer() {
        Ok(1) => Some(socket.into()),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => None,
        other => panic!("neither served nor reset: {other:?}"),
    }
}

fn is_served(client: &str, to: &str) -> bool {
    served(client, to).is_some()
}

/// Over two seconds at 40 a second after a burst of 10, and not one more.
fn new_connections_have_a_rate(relay: Relay) {
    Backend::echo(BACK);
    let annotations = "sluice.dev/connection-rate: 40/s, sluice.dev/connection-burst: \"10\",";
    let mut sluice = Builder::new(&relay.annotated("echo", annotations, 7000, BACK, "")).start();
    let begun = Instant::now();
    let (mut served, mut refused) = (0, 0);
    while begun.elapsed() < Duration::from_secs(2) {
        let count = if is_served("127.0.0.1", FRONT) { &mut served } else { &mut refused };
        *count += 1;
    }
    // Tokens come with time alone: what took longer than two seconds, this loop's last turn, is in it.
    let most = 10 + (begun.elapsed().as_secs_f64() * 40.0) as u32;
    assert!(served <= most, "{served} served, {most} allowed");
    assert!(served >= 80, "{served} served of {most} allowed; {refused} refused");
    assert!(refused > 0);
    let mut reasons = (0..served + refused).map(|_| sluice.closed()["reason"].clone());
    let over = reasons.by_ref().filter(|reason| reason == "connection_rate").count();
    assert_eq!(over, refused as usize);
}

fn each_client_has_its_own_connections(relay: Relay) {
    Backend::echo(BACK);
    let annotations = "sluice.dev/max-connections-per-source: \"2\",";
    let yaml = relay.annotated("echo", annotations, 7000, BACK, "");
    let mut sluice = Builder::new(&yaml).admin(ADMIN).start();
    for client in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        let mut held: Vec<_> = (0..2).filter_map(|_| served(client, FRONT)).collect();
        assert_eq!(held.len(), 2, "{client} has its own");
        assert!(!is_served(client, FRONT));
        let record = sluice.closed();
        assert_eq!((&record["reason"], &record["side"]), (&"source_connections".into(), &"proxy".into()));
        drop(held.pop());
        relay.carried(&sluice.closed());
        held.push(served(client, FRONT).expect("given back"));
        sluice.reload(&yaml);
        assert!(!is_served(client, FRONT), "a reload forgets nobody");
        sluice.closed();
        let known = "sluice_mapping_sources{mapping=\"TCPMapping default/echo\"}";
        assert_eq!(ADMIN.metric(known), 1.0);
        drop(held);
        sluice.closed();
        sluice.closed();
        assert_eq!(ADMIN.metric(known), 0.0);
    }
}

fn each_client_has_its_own_rate(relay: Relay) {
    Backend::echo(BACK);
    let annotations = "sluice.dev/connection-rate-per-source: 3/h,";
    let mut sluice = Builder::new(&relay.annotated("echo", annotations, 7000, BACK, "")).start();
    for client in ["127.0.0.2", "127.0.0.3"] {
        let served: Vec<_> = (0..5).map(|_| is_served(client, FRONT)).collect();
        assert_eq!(served, [true, true, true, false, false], "{client}");
    }
    let reasons: Vec<_> = (0..10).map(|_| sluice.closed()["reason"].clone()).collect();
    assert_eq!(reasons.iter().filter(|reason| *reason == "source_rate").count(), 4);
}

/// The setting counts over all listeners, before a mapping is chosen.
#[test]
fn a_client_has_its_connections_over_all_listeners() {
    if !ready("a_client_has_its_connections_over_all_listeners") {
        return;
    }
    Backend::echo(BACK);
    let yaml = Relay::Kernel.mapping() + &Relay::Kernel.named("other", 7002, BACK, "");
    let mut sluice = Builder::new(&yaml).flags(&["--max-connections-per-source", "2"]).admin(ADMIN).start();
    let held = [served("127.0.0.2", FRONT).unwrap(), served("127.0.0.2", "127.0.0.1:7002").unwrap()];
    assert!(!is_served("127.0.0.2", FRONT));
    assert_eq!(ADMIN.metric("sluice_refused_total{limit=\"source\"}"), 1.0);
    assert!(is_served("127.0.0.3", FRONT), "another client is not concerned");
    sluice.closed();
    drop(held);
    sluice.closed();
    sluice.closed();
    assert!(is_served("127.0.0.2", FRONT));
}

/// A host has a /64 to itself, and picks addresses from it as it likes.
#[test]
fn of_ipv6_a_client_is_a_64() {
    if !ready("of_ipv6_a_client_is_a_64") {
        return;
    }
    for address in ["2001:db8:0:1::1/128", "2001:db8:0:1::2/128", "2001:db8:0:2::1/128"] {
        net::ip(&["address", "add", address, "dev", "lo", "nodad"]);
    }
    Backend::echo(BACK);
    let annotations = "sluice.dev/max-connections-per-source: \"1\",";
    let yaml = Relay::Kernel.annotated("echo", annotations, 7000, BACK, "");
    let mut sluice = Builder::new(&yaml.replace("address: 127.0.0.1", "address: '::1'")).start();
    let _held = served("2001:db8:0:1::1", "[::1]:7000").unwrap();
    assert!(!is_served("2001:db8:0:1::2", "[::1]:7000"), "the same /64");
    assert_eq!(sluice.closed()["reason"], "source_connections");
    assert!(is_served("2001:db8:0:2::1", "[::1]:7000"), "the next one");
}
