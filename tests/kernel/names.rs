//! Names of upstreams, with a DNS server that says what the test wants.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use serde_json::Value;

use crate::harness::admin::Admin;
use crate::harness::backend::Backend;
use crate::harness::client::{connect, read_all};
use crate::harness::dns::{DnsServer, Says};
use crate::harness::sluice::{Builder, Sluice};
use crate::harness::{eventually, net};
use crate::relay::{FRONT, answered, await_answer};

const ADMIN: Admin = Admin("127.0.0.1:9915");
const TWO: Says = Says::Addresses(&["127.0.0.2"], 1);
const THREE: Says = Says::Addresses(&["127.0.0.3"], 1);

/// A mapping to `service`, with more fields.
fn mapping(service: &str, fields: &str) -> String {
    format!(
        "apiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {{name: m}}\n\
         spec: {{address: 127.0.0.1, port: 7000, service: \"{service}\"{fields}}}\n"
    )
}

/// A network with a DNS server and backends that say who they are.
fn network() -> DnsServer {
    net::private();
    Backend::named("127.0.0.2:7001", "two");
    Backend::named("127.0.0.3:7001", "three");
    Backend::named("[::1]:7001", "six");
    DnsServer::start("127.0.0.1:53")
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::write(&path, text).unwrap();
    path
}

/// Sluice that knows no more of names than this server.
fn start(service: &str, fields: &str) -> Sluice {
    start_with("options timeout:1 attempts:1\n", service, fields)
}

fn start_with(resolv_conf: &str, service: &str, fields: &str) -> Sluice {
    let options = file("resolv", resolv_conf);
    let options = options.to_str().unwrap();
    let flags = ["--dns-servers", "127.0.0.1", "--resolv-conf", options, "--hosts-file", "/dev/null"];
    Builder::new(&mapping(service, fields)).flags(&flags).admin(ADMIN).start()
}

/// What `/config` says of the only name.
fn resolution() -> Value {
    let config: Value = ADMIN.json("/config");
    assert_eq!(config["resolutions"].as_array().unwrap().len(), 1, "{}", config["resolutions"]);
    config["resolutions"][0].clone()
}

#[test]
fn a_changed_answer_is_taken_up_when_the_old_one_has_run_out() {
    let dns = network();
    dns.a("db.test.", TWO);
    let _sluice = start("db.test:7001", "");
    assert_eq!(answered(), "two");
    let resolution = resolution();
    assert_eq!((&resolution["name"], &resolution["endpoints"][0]), (&"db.test".into(), &"127.0.0.2".into()));
    assert_eq!((&resolution["source"], &resolution["error"]), (&"dns".into(), &Value::Null));
    assert!(resolution["age_ms"].as_u64().unwrap() < 10_000, "{resolution}");

    dns.a("db.test.", THREE);
    await_answer("three");
    // Whoever connects does not ask.
    dns.a("db.test.", Says::Addresses(&["127.0.0.3"], 600));
    dns.await_more("db.test.", 1);
    let before = dns.asked().len();
    for _ in 0..50 {
        assert_eq!(answered(), "three");
    }
    assert!(dns.asked().len() <= before + 1, "{:?}", dns.asked());
}

#[test]
fn nobody_waits_for_the_name_of_a_backup_that_is_not_needed() {
    let dns = network();
    dns.a("db.test.", TWO);
    dns.a("standby.test.", Says::Silence);
    let annotated = mapping("db.test:7001", "").replace(
        "{name: m}",
        "{name: m, annotations: {sluice.dev/backup-service: 'standby.test:7001', sluice.dev/connect-timeout-ms: '1000'}}",
    );
    let flags = ["--dns-servers", "127.0.0.1", "--hosts-file", "/dev/null"];
    let _sluice = Builder::new(&annotated).flags(&flags).start();
    assert_eq!(answered(), "two");
}

#[test]
fn the_last_good_answer_outlives_a_server_that_fails_or_says_nothing() {
    for broken in [Says::Fails, Says::Silence] {
        // Each in a network of its own, on a thread of its own.
        std::thread::spawn(move || {
            let dns = network();
            dns.a("db.test.", TWO);
            let mut sluice = start("db.test:7001", "");
            assert_eq!(answered(), "two");
            dns.a("db.test.", broken.clone());
            dns.await_more("db.test.", 1);
            for _ in 0..10 {
                let begun = Instant::now();
                assert_eq!(answered(), "two");
                assert!(begun.elapsed() < Duration::from_secs(1), "a connection waited for {broken:?}");
            }
            sluice.expect_log("its last addresses stay in use");
            let resolution = resolution();
            assert!(resolution["failures"].as_u64().unwrap() >= 1, "{resolution}");
            assert!(resolution["age_ms"].as_u64().unwrap() >= 1000, "{resolution}");
            assert!(resolution["error"].is_string(), "{resolution}");
            let metrics = ADMIN.get("/metrics");
            let line = |start: &str| {
                let line = metrics.lines().find(|line| line.starts_with(start));
                line.unwrap_or_else(|| panic!("{start} is not in\n{metrics}"))
                    .rsplit_once(' ')
                    .unwrap()
                    .1
                    .to_owned()
            };
            let labels = "{families=\"ipv6,ipv4\",name=\"db.test\"";
            assert_ne!(line(&format!("sluice_resolutions_total{labels},result=\"failure\"")), "0");
            assert!(line(&format!("sluice_resolution_age_seconds{labels}")).parse::<f64>().unwrap() >= 1.0);
            assert_eq!(line(&format!("sluice_resolved_endpoints{labels}")), "1");

            dns.a("db.test.", THREE);
            await_answer("three");
            sluice.expect_log("name resolves again");
        })
        .join()
        .unwrap();
    }
}

#[test]
fn a_name_that_is_not_there_is_not_asked_for_at_every_connection() {
    let dns = network();
    dns.a("db.test.", Says::NoName(2));
    dns.aaaa("db.test.", Says::NoName(2));
    let mut sluice = start("db.test:7001", "");
    assert_eq!(answered(), "");
    assert_eq!(sluice.closed()["reason"], "resolve_failed");
    let (before, begun) = (dns.times("db.test.", RecordType::A), Instant::now());
    for _ in 0..50 {
        assert_eq!(answered(), "");
    }
    let allowed = 1 + begun.elapsed().as_secs() as usize / 2;
    assert!(dns.times("db.test.", RecordType::A) <= before + allowed, "{:?}", dns.asked());

    dns.a("db.test.", TWO);
    await_answer("two");
    // A denial is an answer: what was good before is not kept.
    dns.a("db.test.", Says::NoName(2));
    await_answer("");
    assert_eq!(resolution()["endpoints"].as_array().unwrap().len(), 0);
}

#[test]
fn what_does_not_fit_into_a_datagram_comes_over_tcp() {
    let dns = network();
    dns.a("db.test.", Says::OverTcp(&["127.0.0.2"], 60));
    let _sluice = start("db.test:7001", "");
    assert_eq!(answered(), "two");
    assert!(dns.asked().iter().any(|asked| asked.tcp && asked.record_type == RecordType::A));
}

#[test]
fn a_family_that_gets_no_answer_does_not_hold_up_the_other() {
    let dns = network();
    dns.a("db.test.", TWO);
    dns.aaaa("db.test.", Says::Silence);
    let _sluice = start("db.test:7001", "");
    let begun = Instant::now();
    assert_eq!(answered(), "two");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn a_server_that_says_nothing_does_not_hold_up_the_next() {
    let dns = network();
    dns.a("db.test.", TWO);
    let silent = DnsServer::start("127.0.0.9:53");
    silent.a("db.test.", Says::Silence);
    silent.aaaa("db.test.", Says::Silence);
    let flags = [
        "--dns-servers",
        "127.0.0.9,127.0.0.1:53",
        "--resolv-conf",
        "/dev/null",
        "--hosts-file",
        "/dev/null",
    ];
    let _sluice = Builder::new(&mapping("db.test:7001", "")).flags(&flags).admin(ADMIN).start();
    let begun = Instant::now();
    assert_eq!(answered(), "two");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(silent.times("db.test.", RecordType::A) >= 1, "it comes first");
}

#[test]
fn a_server_that_fails_for_one_search_domain_is_asked_for_the_next_and_denies_nothing() {
    let dns = network();
    dns.a("db.one.test.", Says::Fails);
    dns.a("db.two.test.", TWO);
    let options = "search one.test two.test\noptions timeout:1 attempts:1\n";
    let _sluice = start_with(options, "db:7001", ", enable_ipv6: false");
    assert_eq!(answered(), "two");
    // Nobody has it, but one might: what was good stays.
    dns.a("db.two.test.", Says::NoName(1));
    dns.await_more("db.two.test.", 2);
    assert_eq!(answered(), "two");
    dns.a("db.one.test.", Says::NoName(1));
    await_answer("");
    // A server that says nothing may have it too, and the next domain's would be another.
    dns.a("db.one.test.", THREE);
    await_answer("three");
    dns.a("db.one.test.", Says::Silence);
    dns.a("db.two.test.", TWO);
    let before = dns.times("db.two.test.", RecordType::A);
    dns.await_more("db.one.test.", 2);
    assert_eq!((answered().as_str(), dns.times("db.two.test.", RecordType::A)), ("three", before));
}

#[test]
fn families_are_those_that_are_enabled_and_ipv6_comes_first() {
    let dns = network();
    dns.a("db.test.", TWO);
    dns.aaaa("db.test.", Says::Addresses(&["::1"], 1));
    let mut sluice = start("db.test:7001", "");
    assert_eq!(answered(), "six");
    assert_eq!(resolution()["endpoints"], serde_json::json!(["::1", "127.0.0.2"]));

    sluice.reload(&mapping("db.test:7001", ", enable_ipv6: false"));
    assert_eq!(answered(), "two");
    assert_eq!(resolution()["families"], serde_json::json!(["ipv4"]));

    let module = "---\napiVersion: getambassador.io/v3alpha1\nkind: Module\nmetadata: {name: ambassador}\n\
                  spec: {config: {enable_ipv4: false, enable_ipv6: true}}\n---\n";
    let before = dns.times("db.test.", RecordType::A);
    sluice.reload(&format!("{module}{}", mapping("db.test:7001", "")));
    assert_eq!(answered(), "six");
    assert_eq!(dns.times("db.test.", RecordType::A), before, "nobody wants IPv4 any longer");
    sluice.reload(&format!("{module}{}", mapping("db.test:7001", ", enable_ipv4: true, enable_ipv6: false")));
    assert_eq!(answered(), "two");
}

#[test]
fn search_domains_and_hosts_are_honoured_and_their_changes_taken_up() {
    let dns = network();
    dns.a("db.shop.test.", TWO);
    let resolv_conf = file("resolv", "search shop.test\nnameserver 127.0.0.1\noptions ndots:2\n");
    let hosts = file("hosts", "");
    let flags = ["--resolv-conf", resolv_conf.to_str().unwrap(), "--hosts-file", hosts.to_str().unwrap()];
    let mut sluice = Builder::new(&mapping("db:7001", "")).flags(&flags).admin(ADMIN).start();
    assert_eq!(answered(), "two");
    assert_eq!(dns.times("db.", RecordType::A), 0, "found before");

    fs::write(&hosts, "127.0.0.3 db\n").unwrap();
    await_answer("three");
    // What hosts has is asked of nobody.
    sluice.expect_log("has changed");
    let before = dns.asked().len();
    fs::write(&resolv_conf, "search other.test\nnameserver 127.0.0.1\n").unwrap();
    sluice.expect_log("has changed");
    assert_eq!((answered(), dns.asked().len()), ("three".to_owned(), before));

    dns.a("db.other.test.", TWO);
    fs::write(&hosts, "").unwrap();
    await_answer("two");
    assert!(dns.times("db.other.test.", RecordType::A) >= 1);
}

#[test]
fn what_no_mapping_wants_any_longer_is_not_asked_for() {
    let dns = network();
    dns.a("old.test.", TWO);
    dns.a("new.test.", THREE);
    let mut sluice = start("old.test:7001", "");
    assert_eq!(answered(), "two");
    sluice.reload(&mapping("new.test:7001", ""));
    assert_eq!(answered(), "three");
    assert_eq!(resolution()["name"], "new.test");
    let before = dns.times("old.test.", RecordType::A);
    dns.await_more("new.test.", 2);
    assert_eq!(dns.times("old.test.", RecordType::A), before);
    assert!(!ADMIN.get("/metrics").contains("old.test"), "its series are gone");
}

#[test]
fn a_connection_that_is_there_first_waits_for_the_answer() {
    let dns = network();
    dns.a("db.test.", Says::Silence);
    let _sluice = start_with("options timeout:1 attempts:3\n", "db.test:7001", ", enable_ipv6: false");
    let mut client = connect(FRONT);
    eventually("a question", || (dns.times("db.test.", RecordType::A) >= 1).then_some(()));
    // It is lost, and the next attempt is not.
    dns.a("db.test.", TWO);
    assert_eq!(read_all(&mut client), b"two");
}

#[test]
fn a_connection_that_waits_in_vain_says_so() {
    let dns = network();
    dns.a("db.test.", Says::Silence);
    let cases =
        [("options timeout:1 attempts:1\n", "resolve_failed"), ("options timeout:9\n", "connect_timeout")];
    for (options, reason) in cases {
        let mut sluice = start_with(options, "db.test:7001", ", enable_ipv6: false");
        assert_eq!(answered(), "");
        assert_eq!(sluice.closed()["reason"], reason, "{options}");
    }
}
