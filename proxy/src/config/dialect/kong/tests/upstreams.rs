//! Upstreams and targets: who gets connections, and who is left alone.

use std::time::Duration;

use super::{Outcome, lower};
use crate::config::model::{Balancing, Policy, Resolution};

/// A service of TCP whose host is an upstream with these fields.
fn with(fields: &str) -> Outcome {
    let text = format!(
        "
_format_version: '3.0'
services: [{{name: pay, url: 'tcp://Pay.Upstream:9', routes: [{{protocols: [tcp], destinations: [{{port: 9000}}]}}]}}]
upstreams:
- {{name: pay.upstream, targets: [{{target: 'a:1'}}, {{target: '10.0.0.1:2', weight: 3}}], {fields}}}
targets:
- {{upstream: pay.upstream, target: '[fd00::1]:3', weight: 0}}
- {{upstream: {{name: pay.upstream}}, target: b}}
"
    );
    lower(&text, "0.0.0.0:9000")
}

fn balancing(fields: &str) -> Balancing {
    let outcome = with(fields);
    assert_eq!(outcome.faults(), Vec::<String>::new(), "{fields}");
    outcome.only().balancing.clone()
}

#[test]
fn targets_serve_as_one() {
    let outcome = with("");
    assert_eq!(outcome.all(), Vec::<String>::new());
    let Resolution::Targets(targets) = &outcome.only().resolution else { panic!() };
    let targets: Vec<_> =
        targets.iter().map(|target| format!("{} {}", target.service, target.weight)).collect();
    assert_eq!(targets, ["a:1 100", "10.0.0.1:2 3", "[fd00::1]:3 0", "b:8000 100"]);
    assert_eq!(outcome.only().balancing.quorum, Some(0));
}

#[test]
fn algorithms_and_hashes_choose_a_policy() {
    let cases = [
        ("", Policy::RoundRobin, ""),
        ("algorithm: round-robin", Policy::RoundRobin, ""),
        ("algorithm: least-connections", Policy::LeastConnections, ""),
        ("algorithm: latency", Policy::Latency, ""),
        ("algorithm: consistent-hashing, hash_on: ip", Policy::SourceHash, ""),
        ("hash_on: ip, slots: 100", Policy::SourceHash, "slots"),
        (
            "hash_on: header, hash_on_header: x, hash_fallback: ip",
            Policy::SourceHash,
            "hash_fallback counts: ip",
        ),
        (
            "hash_on: consumer",
            Policy::RoundRobin,
            "is nothing that connections have, so they take turns; write ip",
        ),
        ("algorithm: consistent-hashing", Policy::RoundRobin, "is none, so there is nothing to hash"),
        ("algorithm: sticky-sessions", Policy::RoundRobin, "sticky-sessions needs cookies"),
    ];
    for (fields, policy, said) in cases {
        let outcome = with(fields);
        assert_eq!(outcome.only().balancing.policy, policy, "{fields}");
        assert_eq!(outcome.all().len(), usize::from(!said.is_empty()), "{:?}", outcome.all());
        assert!(outcome.all().iter().all(|line| line.contains(said)), "{:?}", outcome.all());
    }
}

#[test]
fn health_checks_of_connections_are_read() {
    let checks = "healthchecks: {threshold: 33.3, \
                  active: {type: tcp, timeout: 0.5, concurrency: 3, healthy: {interval: 5, successes: 2}, \
                  unhealthy: {interval: 1.5, tcp_failures: 3, timeouts: 4}}, \
                  passive: {type: tcp, unhealthy: {tcp_failures: 6, timeouts: 7}}}";
    let balancing = balancing(checks);
    assert_eq!(balancing.quorum, Some(34));
    let check = balancing.check.unwrap();
    assert_eq!(
        (check.interval, check.unhealthy_interval),
        (Duration::from_secs(5), Duration::from_millis(1500))
    );
    assert_eq!((check.timeout, check.healthy), (Duration::from_millis(500), 2));
    assert_eq!((check.unhealthy, check.unhealthy_timeouts), (3, Some(4)));
    let ejection = balancing.ejection;
    assert_eq!(
        (ejection.after, ejection.after_timeouts, ejection.base, ejection.share),
        (6, Some(7), None, 100)
    );
}

#[test]
fn what_is_zero_is_off_and_http_does_not_run() {
    for checks in [
        "",
        "healthchecks: {active: {type: tcp}, passive: {}}",
        "healthchecks: {active: {healthy: {interval: 0}}}",
    ] {
        let balancing = balancing(checks);
        assert_eq!((balancing.check, balancing.ejection.after), (None, 0), "{checks}");
    }
    let outcome = with("healthchecks: {active: {healthy: {interval: 5, successes: 1}}}");
    assert_eq!(outcome.only().balancing.check, None);
    let expected = "kong.yaml#1: upstream pay.upstream: upstreams[0].healthchecks.active.type: is of HTTP, and as in Kong such \
                    checks do not run for connections; write tcp";
    assert_eq!(outcome.all(), [expected]);
}

#[test]
fn what_breaks_a_rule_of_upstreams_is_said_at_its_field() {
    let cases = [
        (
            "algorithm: fastest",
            "algorithm: \"fastest\" is none of round-robin, consistent-hashing, least-connections, latency, sticky-sessions",
        ),
        ("slots: 9", "slots: 9 is not an integer from 10 to 65536"),
        ("hash_fallback: ip", "hash_fallback: must be none where hash_on is none or cookie; remove it"),
        (
            "hash_on: ip, hash_fallback: ip",
            "hash_fallback: must differ from hash_on, or nothing falls back; remove it",
        ),
        ("healthchecks: {threshold: 101}", "healthchecks.threshold: 101 is not a number from 0 to 100"),
        (
            "healthchecks: {active: {healthy: {successes: 256}}}",
            "healthchecks.active.healthy.successes: 256 is not an integer from 0 to 255",
        ),
        (
            "healthchecks: {active: {type: udp}}",
            "healthchecks.active.type: \"udp\" is none of tcp, http, https, grpc, grpcs",
        ),
        ("helthchecks: {}", "helthchecks: unknown field \"helthchecks\"; did you mean \"healthchecks\"?"),
        (
            "host_header: 1.2.3.4",
            "host_header: \"1.2.3.4\" is no DNS name, and nothing else can be asked for; write one",
        ),
        (
            "client_certificate: x",
            "client_certificate: invalid reference 'client_certificate: x' (no such entry in 'certificates'); declare it among the certificates",
        ),
    ];
    for (fields, expected) in cases {
        let outcome = with(fields);
        let expected =
            format!("kong.yaml#1: upstream pay.upstream: upstreams[0].{expected}; the upstream is discarded");
        assert!(outcome.faults().contains(&expected), "{:?}", outcome.faults());
        // Its name is not asked of DNS in its stead.
        assert_eq!(outcome.served(), ["0.0.0.0:9000: any goes on, refused"]);
    }
}

#[test]
fn what_is_wrong_with_a_target_costs_that_target() {
    let with = |target: &str| {
        let text = format!(
            "_format_version: '3.0'\nservices: [{{name: pay, url: 'tcp://u', routes: [{{protocols: [tcp], destinations: [{{port: 9000}}]}}]}}]\n\
             upstreams: [{{name: u, targets: [{{target: 'a:1'}}, {target}]}}]\n"
        );
        lower(&text, "0.0.0.0:9000")
    };
    let cases = [
        (
            "{target: 'b:0'}",
            "target: \"b:0\" is no host with a port; write 10.1.2.3:5432, [fd00::1]:5432 or db.internal:5432",
        ),
        ("{target: 'b', weight: 65536}", "weight: 65536 is not an integer from 0 to 65535"),
        ("{weight: 1}", "target: is missing; write host:port"),
        ("{target: b, prot: 1}", "prot: unknown field \"prot\"; remove it"),
        (
            "{target: 'a:1'}",
            "target: uniqueness violation: 'targets' entity with target a:1 of upstream u is already declared; remove one",
        ),
    ];
    for (target, expected) in cases {
        let outcome = with(target);
        let expected = format!("upstreams[0].targets[1].{expected}; the target is discarded");
        assert!(outcome.faults().iter().any(|line| line.ends_with(&expected)), "{:?}", outcome.faults());
        let Resolution::Targets(targets) = &outcome.only().resolution else { panic!() };
        assert_eq!(targets.len(), 1, "{target}");
    }
}

/// What of it has no effect on connections is said where connections go to it, and nowhere else.
#[test]
fn upstreams_of_http_are_left_in_peace() {
    let text = |url: &str| {
        format!(
            "_format_version: '3.0'
services: [{{name: a, url: '{url}', routes: [{{protocols: [tcp], destinations: [{{port: 9000}}]}}]}}]
upstreams:
- name: up
  hash_on: cookie
  hash_on_cookie: c
  slots: 1000
  healthchecks: {{active: {{type: http, healthy: {{interval: 5}}}}}}
  targets: [{{target: '10.0.0.1:1'}}]
- {{name: default, slots: 10000}}
"
        )
    };
    assert_eq!(lower(&text("tcp://10.0.0.1:1"), "0.0.0.0:9000").all(), Vec::<String>::new());
    assert_eq!(lower(&text("tcp://up:1"), "0.0.0.0:9000").all().len(), 3);
    let wrong = text("tcp://10.0.0.1:1").replace("slots: 1000\n", "slots: 1\n");
    assert_eq!(lower(&wrong, "0.0.0.0:9000").all().len(), 2, "errors are said all the same");
}

#[test]
fn an_upstream_without_weight_is_warned_of() {
    let text = "_format_version: '3.0'\nservices: [{name: pay, url: 'tcp://u', routes: [{protocols: [tcp], destinations: [{port: 9000}]}]}]\n\
                upstreams: [{name: u, targets: [{target: 'a:1', weight: 0}]}]\n";
    let expected = "kong.yaml#1: service pay: services[0].host: upstream u has no target with a weight, so connections are \
                    refused; add one";
    assert_eq!(lower(text, "0.0.0.0:9000").all(), [expected]);
}
