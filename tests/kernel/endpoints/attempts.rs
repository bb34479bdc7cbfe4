//! Endpoints that refuse, say nothing, or reset, within one connection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use super::{answers, attempts, blackhole, hosts, mapping, shares, start};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset, read_all, try_connect};
use crate::harness::sluice::Builder;
use crate::harness::{eventually, net};
use crate::relay::{FRONT, Relay, ready};

#[test]
fn all_that_refuse_are_tried_within_the_budget() {
    if !ready("all_that_refuse_are_tried_within_the_budget") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]);
    for (annotations, tries) in
        [("", 3), ("sluice.dev/connect-attempts: 9,", 4), ("sluice.dev/connect-attempts: 1,", 1)]
    {
        let mut sluice = start(annotations);
        expect_reset(&mut connect(FRONT));
        let record = sluice.closed();
        assert_eq!((&record["reason"], &record["attempts"]), (&"connect_failed".into(), &tries.into()));
    }
}

#[test]
fn a_mappings_retries_are_bounded() {
    if !ready("a_mappings_retries_are_bounded") {
        return;
    }
    hosts(&["127.0.0.2"]);
    blackhole("127.0.0.3");
    for (most, attempts) in [(0, ["1", "1"]), (1, ["1", "2"]), (2, ["2", "2"])] {
        let breaker = format!("  circuit_breakers: [{{max_retries: {most}}}]\n");
        let annotations = "sluice.dev/backup-service: '127.0.0.3:7001', sluice.dev/connect-timeout-ms: 1500,";
        let yaml = Relay::Kernel.annotated("echo", annotations, 7000, "svc:7001", &breaker);
        let mut sluice = Builder::new(&yaml).start();
        // Refused at once, each then waits for the silent one, if it may.
        let mut clients: Vec<_> = (0..2).map(|_| connect(FRONT)).collect();
        clients.iter_mut().for_each(expect_reset);
        let mut made: Vec<_> = (0..2).map(|_| sluice.closed()["attempts"].to_string()).collect();
        made.sort();
        assert_eq!(made, attempts, "max_retries {most}");
    }
}

#[test]
fn one_that_accepts_and_resets_is_not_tried_elsewhere() {
    if !ready("one_that_accepts_and_resets_is_not_tried_elsewhere") {
        return;
    }
    hosts(&["127.0.0.2"]);
    // Only then: a reset that comes before sluice knows of the connection is an attempt that failed.
    Backend::serve("127.0.0.2:7001", |mut stream| {
        let _ = stream.read_exact(&mut [0]);
        crate::harness::client::reset(stream);
    });
    let other = Backend::named("127.0.0.3:7001", "b");
    let mut sluice = start("sluice.dev/backup-service: '127.0.0.3:7001',");
    let mut client = connect(FRONT);
    client.write_all(b"x").unwrap();
    expect_reset(&mut client);
    let record = sluice.closed();
    // Bytes were read: whether to try again is the client's to say.
    assert_eq!((&record["reason"], &record["attempts"]), (&"upstream_reset".into(), &1.into()));
    assert_eq!(other.accepted(), 0);
}

#[test]
fn a_silent_endpoint_leaves_the_next_its_share_of_the_time() {
    if !ready("a_silent_endpoint_leaves_the_next_its_share_of_the_time") {
        return;
    }
    hosts(&["127.0.0.2"]);
    blackhole("127.0.0.2");
    Backend::named("127.0.0.3:7001", "b");
    let mut sluice =
        start("sluice.dev/backup-service: '127.0.0.3:7001', sluice.dev/connect-timeout-ms: 1000,");
    assert_eq!(answers(1), shares([("b", 1)]));
    let record = sluice.closed();
    assert_eq!((&record["attempts"], &record["upstream"]), (&2.into(), &"127.0.0.3:7001".into()));
    let took = record["connect_us"].as_u64().unwrap() / 1000;
    assert!((490..=700).contains(&took), "{took} ms instead of 500");
}

#[test]
fn nobody_who_answers_is_a_timeout() {
    if !ready("nobody_who_answers_is_a_timeout") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    blackhole("127.0.0.2");
    blackhole("127.0.0.3");
    let mut sluice = start("sluice.dev/connect-timeout-ms: 600,");
    let begun = Instant::now();
    expect_reset(&mut connect(FRONT));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(590) && took <= Duration::from_millis(800), "{took:?}");
    let record = sluice.closed();
    assert_eq!((&record["reason"], &record["attempts"]), (&"connect_timeout".into(), &2.into()));
    assert_eq!(attempts("timeout"), 2.0);
}

#[test]
fn a_dead_family_costs_a_quarter_of_a_second_and_then_nothing() {
    if !ready("a_dead_family_costs_a_quarter_of_a_second_and_then_nothing") {
        return;
    }
    net::ip(&["address", "add", "fd00::1/128", "dev", "lo", "nodad"]);
    hosts(&["fd00::1", "127.0.0.2"]);
    blackhole("fd00::1");
    Backend::named("127.0.0.2:7001", "four");
    let mut sluice = start("");
    for _ in 0..5 {
        assert_eq!(answers(1), shares([("four", 1)]));
        let record = sluice.closed();
        let took = record["connect_us"].as_u64().unwrap() / 1000;
        assert!((245..=400).contains(&took), "{took} ms instead of 250");
        assert_eq!((&record["attempts"], &record["reason"]), (&2.into(), &"finished".into()));
    }
    assert_eq!(attempts("overtaken"), 5.0);
    assert!(sluice.expect_log("endpoint ejected").contains("[fd00::1]:7001"));
    assert_eq!(answers(1), shares([("four", 1)]));
    let record = sluice.closed();
    assert_eq!(record["attempts"], 1);
    // What lost is let go: nobody holds a half-open socket.
    assert!(!std::fs::read_to_string("/proc/thread-self/net/tcp6").unwrap().contains(" 02 "));
}

#[test]
fn a_family_that_answers_late_still_wins_where_the_other_is_worse() {
    if !ready("a_family_that_answers_late_still_wins_where_the_other_is_worse") {
        return;
    }
    net::ip(&["address", "add", "fd00::1/128", "dev", "lo", "nodad"]);
    hosts(&["fd00::1", "127.0.0.2"]);
    blackhole("fd00::1");
    blackhole("127.0.0.2");
    Backend::named("[fd00::1]:7001", "six");
    let mut sluice = start("sluice.dev/connect-timeout-ms: 10000,");
    let mut client = connect(FRONT);
    // Both are under way; then the first one's packets come through. The kernel asks again after a second.
    eventually("both attempts", || {
        let under_way = |file: &str| std::fs::read_to_string(file).unwrap().contains(" 02 ");
        (under_way("/proc/thread-self/net/tcp6") && under_way("/proc/thread-self/net/tcp")).then_some(())
    });
    net::run("nft", &["flush chain inet holes in"]);
    net::run("nft", &["add rule inet holes in ip daddr 127.0.0.2 tcp dport 7001 drop"]);
    assert_eq!(read_all(&mut client), b"six");
    drop(client);
    let record = sluice.closed();
    assert_eq!((&record["upstream"], &record["attempts"]), (&"[fd00::1]:7001".into(), &2.into()));
}

#[test]
fn connections_come_from_the_source_address() {
    if !ready("connections_come_from_the_source_address") {
        return;
    }
    hosts(&["127.0.0.2"]);
    let listener = TcpListener::bind("127.0.0.2:7001").unwrap();
    let mut sluice = start("sluice.dev/source-address: '127.0.7.7, fd00::7',");
    let mut client = connect(FRONT);
    let (upstream, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), Ipv4Addr::new(127, 0, 7, 7));
    drop((upstream, listener));
    assert_eq!(read_all(&mut client), b"");
    drop(client);
    sluice.closed();

    sluice.reload(&mapping("sluice.dev/source-address: 192.0.2.1,"));
    let refused = try_connect(FRONT).map(|mut stream| expect_reset(&mut stream));
    assert!(refused.is_ok());
    assert_eq!(sluice.closed()["reason"], "no_local_port");
    assert_eq!(attempts("not_made"), 1.0);
}
