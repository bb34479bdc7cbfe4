//! Several services behind one mapping: Kong's upstreams and their targets.

use super::{ADMIN, MAPPING, answers, attempts, await_state, change, endpoint, mapping, shares, start};
use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::dns::{DnsServer, Says};
use crate::harness::sluice::Builder;
use crate::harness::tls::{self, Ca};
use crate::harness::{eventually, net};
use crate::relay::{FRONT, Relay, ready};

/// Connections to each of two in a full turn: Kong's tests have as many.
const SLOTS: usize = 10;

fn hosts(lines: &str) {
    net::hosts(&format!("127.0.0.1 localhost\n{lines}"));
}

/// Names are found one by one.
fn await_endpoints(count: usize) {
    eventually("all endpoints", || (ADMIN.json("/endpoints").as_array()?.len() == count).then_some(()));
}

#[test]
fn targets_share_connections_by_weight_with_the_whole_of_it_for_each_address() {
    if !ready("targets_share_connections_by_weight_with_the_whole_of_it_for_each_address") {
        return;
    }
    hosts("127.0.0.2 a\n127.0.0.3 b\n127.0.0.4 b\n");
    for (address, name) in [("127.0.0.2:7001", "a"), ("127.0.0.3:7001", "b"), ("127.0.0.4:7001", "c")] {
        Backend::named(address, name);
    }
    let idle = Backend::named("127.0.0.5:7002", "never");
    let mut sluice = start(
        "sluice.dev/targets: 'a:7001 weight 3, b:7001, 127.0.0.5:7002 weight 0', \
         sluice.dev/check-interval-ms: 20,",
    );
    await_endpoints(4);
    assert_eq!(answers(50), shares([("a", 30), ("b", 10), ("c", 10)]));
    assert_eq!(sluice.closed()["attempts"], 1);
    let shown = |address| {
        let endpoint = endpoint(address).unwrap();
        (endpoint["service"].as_str().unwrap().to_owned(), endpoint["weight"].as_u64().unwrap())
    };
    assert_eq!(shown("127.0.0.4:7001"), ("b:7001".to_owned(), 1));
    assert_eq!(shown("127.0.0.5:7002"), ("127.0.0.5:7002".to_owned(), 0));
    let config = ADMIN.json("/config");
    let resolution = &config["listeners"][0]["routes"][0]["mappings"][0]["resolution"];
    assert_eq!(resolution["targets"][0]["weight"], 3, "{resolution}");
    // Connections were served, and others checked meanwhile.
    let checks = format!("sluice_endpoint_checks_total{{mapping=\"{MAPPING}\",result=\"success\"}}");
    eventually("checks", || (ADMIN.metric(&checks) >= 6.0).then_some(()));
    assert_eq!(idle.accepted(), 0, "a target without weight is neither connected to nor checked");
}

#[test]
fn an_address_of_two_targets_has_the_weights_of_both() {
    if !ready("an_address_of_two_targets_has_the_weights_of_both") {
        return;
    }
    hosts("127.0.0.2 a\n127.0.0.2 b\n127.0.0.3 c\n");
    Backend::named("127.0.0.2:7001", "a");
    Backend::named("127.0.0.3:7001", "c");
    let _sluice = start("sluice.dev/targets: 'a:7001 weight 2, b:7001, c:7001',");
    eventually("both weights", || (endpoint("127.0.0.2:7001")?["weight"] == 3).then_some(()));
    await_endpoints(2);
    assert_eq!(answers(40), shares([("a", 30), ("c", 10)]));
}

#[test]
fn a_name_that_fails_leaves_the_other_targets_alone() {
    if !ready("a_name_that_fails_leaves_the_other_targets_alone") {
        return;
    }
    let dns = DnsServer::start("127.0.0.1:53");
    Backend::named("127.0.0.2:7001", "a");
    Backend::named("127.0.0.3:7001", "b");
    dns.a("a.test.", Says::Addresses(&["127.0.0.2"], 1));
    dns.a("b.test.", Says::Fails);
    dns.a("c.test.", Says::NoName(1));
    dns.a("d.test.", Says::Silence);
    let yaml = mapping(
        "sluice.dev/targets: 'a.test:7001, b.test:7001, c.test:7001 weight 9, d.test:7001 weight 9',",
    );
    let flags = ["--dns-servers", "127.0.0.1", "--resolv-conf", "/dev/null", "--hosts-file", "/dev/null"];
    let mut sluice = Builder::new(&yaml).flags(&flags).admin(ADMIN).start();
    assert_eq!(answers(4), shares([("a", 4)]), "nobody waits for the others");
    assert_eq!(sluice.closed()["attempts"], 1);
    // One that resolves after all joins the first.
    dns.a("b.test.", Says::Addresses(&["127.0.0.3"], 1));
    await_endpoints(2);
    assert_eq!(answers(4), shares([("a", 2), ("b", 2)]));
    // One that is denied goes, and is not missed.
    dns.a("a.test.", Says::NoName(1));
    await_endpoints(1);
    assert_eq!(answers(4), shares([("b", 4)]));
}

#[test]
fn all_connections_succeed_on_the_one_of_three_that_lives() {
    if !ready("all_connections_succeed_on_the_one_of_three_that_lives") {
        return;
    }
    hosts("");
    Backend::named("127.0.0.3:7001", "b");
    for policy in ["round-robin", "least-connections", "source-hash", "latency"] {
        let mut sluice = start(&format!(
            "sluice.dev/load-balancer: {policy}, sluice.dev/eject-after: 1, sluice.dev/eject-max-percent: 100, \
             sluice.dev/targets: '127.0.0.2:7001 weight 100, 127.0.0.3:7001 weight 100, 127.0.0.4:7001 weight 50',"
        ));
        assert_eq!(answers(20), shares([("b", 20)]), "{policy}");
        let tries: u64 = (0..20).map(|_| sluice.closed()["attempts"].as_u64().unwrap()).sum();
        assert!(tries <= 22, "{policy}: {tries} attempts");
    }
}

#[test]
fn one_that_dies_is_left_alone_until_an_operator_enables_it() {
    if !ready("one_that_dies_is_left_alone_until_an_operator_enables_it") {
        return;
    }
    hosts("");
    Backend::named("127.0.0.2:7001", "a");
    let other = Backend::named("127.0.0.3:7001", "b");
    let mut sluice = start(
        "sluice.dev/targets: '127.0.0.2:7001 weight 100, 127.0.0.3:7001 weight 100', sluice.dev/eject-after: 1, \
         sluice.dev/eject-ms: 0, sluice.dev/eject-max-percent: 100,",
    );
    assert_eq!(answers(SLOTS), shares([("a", SLOTS / 2), ("b", SLOTS / 2)]));
    other.stop();
    assert_eq!(answers(2 * SLOTS), shares([("a", 2 * SLOTS)]), "no client notices");
    assert_eq!(attempts("refused"), 1.0);
    assert!(sluice.expect_log("endpoint ejected").contains("until a check succeeds"));
    let shown = endpoint("127.0.0.3:7001").unwrap();
    assert_eq!((&shown["state"], &shown["ejected_ms"]), (&"ejected".into(), &serde_json::Value::Null));

    Backend::named("127.0.0.3:7001", "b");
    assert_eq!(answers(SLOTS), shares([("a", SLOTS)]));
    change("127.0.0.3:7001&state=enabled");
    await_state("127.0.0.3:7001", "up");
    assert_eq!(answers(SLOTS), shares([("a", SLOTS / 2), ("b", SLOTS / 2)]));
}

#[test]
fn a_check_brings_back_what_was_ejected_without_an_end() {
    if !ready("a_check_brings_back_what_was_ejected_without_an_end") {
        return;
    }
    hosts("");
    Backend::named("127.0.0.2:7001", "a");
    let sluice = start(
        "sluice.dev/targets: '127.0.0.2:7001, 127.0.0.3:7001', sluice.dev/eject-after: 1, sluice.dev/eject-ms: 0, \
         sluice.dev/check-interval-ms: 50, sluice.dev/check-unhealthy: 1000, sluice.dev/check-healthy: 3,",
    );
    assert_eq!(answers(4), shares([("a", 4)]));
    assert_eq!(endpoint("127.0.0.3:7001").unwrap()["state"], "ejected");
    Backend::named("127.0.0.3:7001", "b");
    await_state("127.0.0.3:7001", "up");
    assert_eq!(answers(4), shares([("a", 2), ("b", 2)]));
    drop(sluice);
}

#[test]
fn checks_move_all_connections_to_the_other_and_back_exactly() {
    if !ready("checks_move_all_connections_to_the_other_and_back_exactly") {
        return;
    }
    hosts("");
    Backend::named("127.0.0.2:7001", "a");
    let other = Backend::named("127.0.0.3:7001", "b");
    let _sluice = start(
        "sluice.dev/targets: '127.0.0.2:7001 weight 100, 127.0.0.3:7001 weight 100', sluice.dev/eject-after: 0, \
         sluice.dev/check-interval-ms: 50, sluice.dev/check-healthy: 1, sluice.dev/check-unhealthy: 1,",
    );
    assert_eq!(answers(2 * SLOTS), shares([("a", SLOTS), ("b", SLOTS)]));
    other.stop();
    await_state("127.0.0.3:7001", "down");
    assert_eq!(answers(2 * SLOTS), shares([("a", 2 * SLOTS)]));
    Backend::named("127.0.0.3:7001", "b");
    await_state("127.0.0.3:7001", "up");
    assert_eq!(answers(2 * SLOTS), shares([("a", SLOTS), ("b", SLOTS)]));
}

#[test]
fn connections_that_stay_are_shared_by_the_targets_weights() {
    if !ready("connections_that_stay_are_shared_by_the_targets_weights") {
        return;
    }
    hosts("");
    Backend::echo("127.0.0.2:7001");
    Backend::echo("127.0.0.3:7001");
    let _sluice = start(
        "sluice.dev/targets: '127.0.0.2:7001 weight 100, 127.0.0.3:7001 weight 50', \
         sluice.dev/load-balancer: least-connections,",
    );
    let active = |address| endpoint(address).unwrap()["active"].as_u64().unwrap();
    let mut held = Vec::new();
    for n in 1..=4 {
        held.extend((0..3).map(|_| connect(FRONT)));
        // In any order among three: the one to come counts.
        eventually("all of them", || {
            let [heavy, light] = ["127.0.0.2:7001", "127.0.0.3:7001"].map(active);
            (heavy + light == 3 * n).then(|| assert_eq!((heavy, light), (2 * n, n)))
        });
    }
}

#[test]
fn an_ipv6_target_leaves_an_ipv4_one_its_share() {
    if !ready("an_ipv6_target_leaves_an_ipv4_one_its_share") {
        return;
    }
    hosts("127.0.0.3 both\n::1 both\n");
    Backend::named("127.0.0.2:7001", "four");
    Backend::named("127.0.0.3:7001", "never");
    Backend::named("[::1]:7001", "six");
    let _sluice = start("sluice.dev/targets: '127.0.0.2:7001, both:7001',");
    await_endpoints(3);
    // Families of one name are two ways to it; those of two are two.
    assert_eq!(answers(20), shares([("four", 10), ("six", 10)]));
}

#[test]
fn tls_is_begun_with_each_targets_own_name() {
    if !ready("tls_is_begun_with_each_targets_own_name") {
        return;
    }
    hosts("127.0.0.2 a.test\n127.0.0.3 b.test\n");
    let ca = Ca::new();
    for (address, name) in [("127.0.0.2:7001", "one"), ("127.0.0.3:7001", "two"), ("127.0.0.4:7001", "three")]
    {
        tls::backend(address, name, ca.leaf(&["test"]).server());
    }
    let targets = "sluice.dev/targets: 'a.test:7001, b.test:7001, 127.0.0.4:7001',";
    let yaml = Relay::Kernel.annotated("echo", targets, 7000, "svc:7001", "  tls: true\n");
    let _sluice = Builder::new(&yaml).admin(ADMIN).start();
    await_endpoints(3);
    let mut greetings: Vec<_> = (0..3).map(|_| tls::greeting(&mut connect(FRONT))).collect();
    greetings.sort();
    // An address is never sent.
    assert_eq!(greetings, ["one a.test unknown", "three - unknown", "two b.test unknown"]);
}
