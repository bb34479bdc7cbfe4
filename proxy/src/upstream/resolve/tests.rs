//! What is remembered of a name, answer by answer, and who is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::super::dns::{Answer, Answers};
use super::memory::Memory;
use super::{Families, Host, Mapping, Names, Resolution, Resolver};
use crate::config::model::{Balancing, Limits, MappingName, RelayChoice, Service, Target, Timeouts, Weight};

const NO: Answer = Answer::Unasked;

fn good(addresses: &[&str], ttl: u64) -> Answer {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Answer::Addresses { addresses, ttl: Duration::from_secs(ttl) }
}

fn none(ttl: u64) -> Answer {
    Answer::None { ttl: Duration::from_secs(ttl), message: "Non-Existent Domain".to_owned() }
}

fn failed() -> Answer {
    Answer::Failed { message: "timed out".to_owned(), silence: true }
}

/// Seconds until it is asked again, and the addresses then in use.
fn learn(memory: &mut Memory, ipv4: Answer, ipv6: Answer) -> (u64, String) {
    let again = memory.learn(&Answers { ipv4, ipv6 }, Instant::now());
    let addresses: Vec<_> = memory.addresses().map(|ip| ip.to_string()).collect();
    (again.as_secs(), addresses.join(" "))
}

#[test]
fn an_answer_holds_as_long_as_it_says() {
    let cases = [
        (good(&["10.0.0.1"], 30), NO, 30),
        (good(&["10.0.0.1"], 0), NO, 1),
        (good(&["10.0.0.1"], 999_999), NO, 86_400),
        (good(&["10.0.0.1"], 60), good(&["fd00::1"], 7), 7),
        (good(&["10.0.0.1"], 60), none(5), 60),
        (none(20), none(20), 20),
        (none(3600), none(3600), 30),
        (none(0), NO, 1),
    ];
    for (ipv4, ipv6, seconds) in cases {
        let told = format!("{ipv4:?} {ipv6:?}");
        assert_eq!(learn(&mut Memory::default(), ipv4, ipv6).0, seconds, "{told}");
    }
}

#[test]
fn the_last_good_answer_outlives_failures_and_not_a_denial() {
    let mut memory = Memory::default();
    assert_eq!(
        learn(&mut memory, good(&["10.0.0.1"], 5), good(&["fd00::1"], 5)),
        (5, "fd00::1 10.0.0.1".into())
    );
    let told = memory.told;
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(learn(&mut memory, failed(), failed()), (seconds, "fd00::1 10.0.0.1".into()));
    }
    assert_eq!((memory.told, memory.error.as_deref()), (told, Some("timed out")));
    assert_eq!(learn(&mut memory, good(&["10.0.0.2"], 5), failed()), (5, "fd00::1 10.0.0.2".into()));
    assert!(memory.told > told && memory.error.is_some());
    assert_eq!(learn(&mut memory, good(&["10.0.0.2"], 5), none(5)), (5, "10.0.0.2".into()));
    assert_eq!(memory.error, None);
    assert_eq!(learn(&mut memory, none(9), none(9)), (9, String::new()));
    assert_eq!((memory.answers, memory.negatives, memory.failures), (3, 1, 8));
}

#[test]
fn without_any_address_a_failure_is_asked_about_sooner() {
    let mut memory = Memory::default();
    for seconds in [1, 2, 4, 5, 5] {
        assert_eq!(learn(&mut memory, failed(), NO), (seconds, String::new()));
    }
}

#[test]
fn an_answer_turned_around_is_no_news() {
    let mut memory = Memory::default();
    learn(&mut memory, good(&["10.0.0.1", "10.0.0.2"], 5), NO);
    assert_eq!(learn(&mut memory, good(&["10.0.0.2", "10.0.0.1"], 5), NO).1, "10.0.0.1 10.0.0.2");
    assert_eq!(learn(&mut memory, good(&["10.0.0.2"], 5), NO).1, "10.0.0.2");
    assert_eq!(learn(&mut memory, good(&["10.0.0.2", "10.0.0.3"], 5), NO).1, "10.0.0.2 10.0.0.3");
}

fn mapping(host: &str, port: u16) -> Mapping {
    Mapping {
        name: MappingName("m".into()),
        stats_name: "m".into(),
        weight: Weight(100),
        service: Service { host: host.parse().map_or_else(|_| Host::Name(host.into()), Host::Ip), port },
        resolution: Resolution::Dns,
        originate: None,
        proxy_protocol: None,
        prelude: None,
        families: Families { ipv4: true, ipv6: true },
        balancing: Balancing::default(),
        relay: RelayChoice::Auto,
        timeouts: Timeouts { connect: Duration::from_secs(3), idle: None, half_closed: None, max_age: None },
        limits: Limits::default(),
    }
}

#[tokio::test]
async fn whoever_subscribed_is_told_of_a_change_and_of_the_end() {
    let hosts = std::env::temp_dir().join(format!("sluice-resolve-{}", std::process::id()));
    std::fs::write(&hosts, "10.0.0.1 db\n").unwrap();
    let settings = Names { servers: Vec::new(), resolv_conf: "/dev/null".into(), hosts: hosts.clone() };
    let resolver = Resolver::new(&settings);
    let (db, other_port, literal) = (mapping("db", 1), mapping("db", 2), mapping("10.0.0.9", 3));
    let all = [&db, &other_port, &literal];
    resolver.follow(all.into_iter());
    let first = resolver.resolve(&db).await.unwrap();
    assert!(
        Arc::ptr_eq(&first, &resolver.resolve(&db).await.unwrap()),
        "the same list while it does not change"
    );
    assert_eq!(resolver.resolve(&other_port).await.unwrap()[0].address.to_string(), "10.0.0.1:2");
    assert_eq!(resolver.resolve(&literal).await.unwrap()[0].address.to_string(), "10.0.0.9:3");
    assert_eq!(resolver.report().len(), 1, "a name is asked for once for all its ports");

    let mut latest = resolver.subscribe(&db);
    latest.mark_unchanged();
    std::fs::write(&hosts, "10.0.0.1 db\n10.0.0.2 db\n").unwrap();
    timeout(Duration::from_secs(20), latest.changed()).await.unwrap().unwrap();
    assert_eq!(latest.borrow().clone().unwrap().unwrap().len(), 2);

    resolver.follow([&other_port].into_iter());
    assert!(latest.changed().await.is_err(), "nobody keeps it fresh any longer");
    assert_eq!(latest.borrow().clone().unwrap().unwrap().len(), 2, "and what it said last stays");
    resolver.follow([&literal].into_iter());
    assert!(resolver.report().is_empty());
    assert!(resolver.subscribe(&literal).changed().await.is_err(), "it never changes");
    std::fs::remove_file(hosts).unwrap();
}

#[tokio::test]
async fn targets_are_followed_together_and_forgotten_together() {
    let hosts = std::env::temp_dir().join(format!("sluice-targets-{}", std::process::id()));
    std::fs::write(&hosts, "10.0.0.1 a\n").unwrap();
    let options = hosts.with_extension("conf");
    std::fs::write(&options, "options timeout:1 attempts:1\n").unwrap();
    // Nobody is there.
    let servers = vec!["127.0.0.1:1".parse().unwrap()];
    let settings = Names { servers, resolv_conf: options.clone(), hosts: hosts.clone() };
    let resolver = Resolver::new(&settings);
    let target = |host: &str, weight| Target { service: mapping(host, 5).service, weight };
    let targets = [target("a", 2), target("b", 4), target("10.0.0.9", 3), target("10.0.0.1", 1)];
    let whole = Mapping { resolution: Resolution::Targets(targets.into()), ..mapping("whole", 1) };
    let empty = Mapping { resolution: Resolution::Targets(Arc::default()), ..mapping("whole", 1) };
    let lost = Mapping { resolution: Resolution::Targets([target("b", 4)].into()), ..mapping("whole", 1) };
    resolver.follow([&whole, &lost].into_iter());
    let list = |endpoints: &[super::Endpoint]| {
        let shown = |e: &super::Endpoint| format!("{} {} {}", e.address, e.weight, e.target);
        endpoints.iter().map(shown).collect::<Vec<_>>()
    };
    let mut latest = resolver.subscribe(&whole);
    let wait = |expected: &'static [&'static str]| move |latest: &super::Latest| matches!(latest, Some(Ok(known)) if list(known) == expected);
    let both = &["10.0.0.1:5 3 0", "10.0.0.9:5 3 2"];
    timeout(Duration::from_secs(20), latest.wait_for(wait(both))).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(
        &resolver.resolve(&whole).await.unwrap(),
        &latest.borrow().clone().unwrap().unwrap()
    ));
    let error = resolver.resolve(&lost).await.unwrap_err().to_string();
    assert!(error.starts_with("none of its targets has an address: b has no address"), "{error}");
    assert_eq!(resolver.resolve(&empty).await.unwrap_err().to_string(), "no endpoint of whole:1 is ready");

    std::fs::write(&hosts, "10.0.0.2 a\n10.0.0.3 b\n").unwrap();
    let all = &["10.0.0.2:5 2 0", "10.0.0.3:5 4 1", "10.0.0.9:5 3 2", "10.0.0.1:5 1 3"];
    timeout(Duration::from_secs(20), latest.wait_for(wait(all))).await.unwrap().unwrap();

    assert_eq!(resolver.report().len(), 2, "each name is asked for once");
    resolver.follow([&mapping("10.0.0.9", 3)].into_iter());
    assert!(resolver.report().is_empty());
    assert!(latest.changed().await.is_err());
    std::fs::remove_file(hosts).unwrap();
    std::fs::remove_file(options).unwrap();
}
