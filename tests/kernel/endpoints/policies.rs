//! Which endpoint is taken while all are well.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::{ADMIN, answers, attempts, blackhole, endpoint, hosts, shares, start};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, read_all};
use crate::relay::{FRONT, ready};

#[test]
fn addresses_of_a_name_take_turns() {
    if !ready("addresses_of_a_name_take_turns") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    for (address, name) in [("127.0.0.2:7001", "a"), ("127.0.0.3:7001", "b"), ("127.0.0.4:7001", "c")] {
        Backend::named(address, name);
    }
    let mut sluice = start("");
    assert_eq!(answers(30), shares([("a", 10), ("b", 10), ("c", 10)]));
    let record = sluice.closed();
    assert_eq!((&record["attempts"], &record["relay"]), (&1.into(), &"kernel".into()));
    assert_eq!(attempts("connected"), 30.0);
}

#[test]
fn the_fewest_connections_are_filled_up() {
    if !ready("the_fewest_connections_are_filled_up") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    for address in ["127.0.0.2:7001", "127.0.0.3:7001", "127.0.0.4:7001"] {
        // Says who it is, and ends when its client does.
        Backend::serve(address, |mut stream| {
            let _ = write!(stream, "{:>15}", stream.local_addr().unwrap().ip());
            let _ = stream.read(&mut [0; 1]);
        });
    }
    let mut sluice = start("sluice.dev/load-balancer: least-connections,");
    let shown = ADMIN.json("/config")["listeners"][0]["routes"][0]["mappings"][0]["balancing"].clone();
    assert_eq!((&shown["policy"], &shown["connect_attempts"]), (&"least-connections".into(), &3.into()));
    let open = || {
        let mut stream = connect(FRONT);
        let mut name = [0; 15];
        stream.read_exact(&mut name).unwrap();
        (String::from_utf8(name.into()).unwrap().trim().to_owned(), stream)
    };
    let mut held: Vec<(String, TcpStream)> = (0..9).map(|_| open()).collect();
    let count = |held: &[(String, TcpStream)], name| held.iter().filter(|(n, _)| n == name).count();
    for name in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        assert_eq!(count(&held, name), 3, "{name}");
        assert_eq!(endpoint(&format!("{name}:7001")).unwrap()["active"], 3);
    }
    held.retain(|(name, _)| name != "127.0.0.3");
    for _ in 0..3 {
        sluice.closed();
    }
    assert_eq!(endpoint("127.0.0.3:7001").unwrap()["active"], 0);
    held.extend((0..3).map(|_| open()));
    assert_eq!(count(&held, "127.0.0.3"), 3);
}

#[test]
fn one_that_was_slow_to_answer_is_avoided() {
    if !ready("one_that_was_slow_to_answer_is_avoided") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    Backend::named("127.0.0.2:7001", "a");
    blackhole("127.0.0.3");
    let mut sluice = start(
        "sluice.dev/load-balancer: latency, sluice.dev/connect-timeout-ms: 600, sluice.dev/eject-after: 0,",
    );
    assert_eq!(answers(30), shares([("a", 30)]));
    let tries: Vec<u64> = (0..30).map(|_| sluice.closed()["attempts"].as_u64().unwrap()).collect();
    assert_eq!(tries.iter().filter(|tries| **tries == 2).count(), 1, "{tries:?}");
    // Which took half of the time that there was.
    let slow = endpoint("127.0.0.3:7001").unwrap()["connect_us"].as_u64().unwrap();
    assert!((100_000..=600_000).contains(&slow), "{slow} µs");
    assert_eq!(endpoint("127.0.0.3:7001").unwrap()["state"], "up");
}

#[test]
fn a_client_stays_with_its_endpoint() {
    if !ready("a_client_stays_with_its_endpoint") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    for (address, name) in [("127.0.0.2:7001", "a"), ("127.0.0.3:7001", "b"), ("127.0.0.4:7001", "c")] {
        Backend::named(address, name);
    }
    let mut sluice = start("sluice.dev/load-balancer: source-hash,");
    let ask = |n: u8| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 9, n), 0)).into()).unwrap();
        socket.connect(&FRONT.parse::<SocketAddr>().unwrap().into()).unwrap();
        String::from_utf8(read_all(&mut socket.into())).unwrap()
    };
    let first: Vec<_> = (1..30).map(ask).collect();
    assert!(["a", "b", "c"].iter().all(|name| first.iter().any(|f| f == name)), "{first:?}");
    assert_eq!((1..30).map(ask).collect::<Vec<_>>(), first);
    // The same after a restart, which takes the listeners' addresses when the first is gone.
    sluice.signal(rustix::process::Signal::TERM);
    sluice.wait();
    let _sluice = start("sluice.dev/load-balancer: source-hash,");
    assert_eq!((1..30).map(ask).collect::<Vec<_>>(), first);
}
