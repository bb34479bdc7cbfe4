//! Annotations and Module keys about the endpoints of a service.

use std::time::Duration;

use super::*;
use crate::config::model::{
    Balancing, Check, Ejection, Host, Policy, Question, Resolution, Service, SourceAddress, Target,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What a mapping with these annotations comes to; all are good.
fn balancing(annotations: &str) -> Balancing {
    let outcome = lower(&with_annotation(annotations));
    assert_eq!(outcome.all(), [""; 0], "{annotations}");
    outcome.only().balancing.clone()
}

fn prefixed(annotations: &[&str]) -> String {
    annotations.iter().map(|annotation| format!("sluice.dev/{annotation}")).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_is_not_said_is_the_default() {
    assert_eq!(balancing("sluice.dev/relay: auto"), Balancing::default());
}

#[test]
fn every_annotation_reaches_the_model() {
    let all = balancing(&prefixed(&[
        "load-balancer: source-hash",
        "connect-attempts: '7'",
        "source-address: '10.0.0.5, fd00::5'",
        "backup-service: 'Standby:99'",
        "slow-start-ms: 5000",
        "quorum: 40",
        "eject-after: 0",
        "eject-after-timeouts: 6",
        "eject-ms: 100",
        "eject-max-ms: 200",
        "eject-max-percent: 100",
        "check-interval-ms: 1000",
        "check-timeout-ms: 300",
        "check-healthy: 4",
        "check-unhealthy: 5",
        "check-unhealthy-interval-ms: 700",
        "check-unhealthy-timeouts: 6",
        "check-port: 90",
        r"check-send: '\x00\xfF\r\n\t\0\\'",
        "check-expect: PONG",
    ]));
    let expected = Balancing {
        policy: Policy::SourceHash,
        attempts: 7,
        backup: Some(Service { host: Host::Name("standby".into()), port: 99 }),
        source: SourceAddress {
            ipv4: Some("10.0.0.5".parse().unwrap()),
            ipv6: Some("fd00::5".parse().unwrap()),
        },
        ejection: Ejection {
            after: 0,
            after_timeouts: Some(6),
            base: Some(ms(100)),
            most: ms(200),
            share: 100,
        },
        check: Some(Check {
            interval: ms(1000),
            unhealthy_interval: ms(700),
            timeout: ms(300),
            healthy: 4,
            unhealthy: 5,
            unhealthy_timeouts: Some(6),
            port: Some(90),
            question: Question::Exchange {
                send: b"\x00\xff\r\n\t\0\\"[..].into(),
                expect: b"PONG"[..].into(),
            },
        }),
        slow_start: ms(5000),
        quorum: Some(40),
    };
    assert_eq!(all, expected);
}

#[test]
fn defaults_follow_what_they_go_with() {
    let check = balancing(&prefixed(&["check-interval-ms: 500"])).check.unwrap();
    assert_eq!((check.timeout, check.healthy, check.unhealthy), (ms(500), 2, 3));
    let check = balancing(&prefixed(&["check-interval-ms: 60000"])).check.unwrap();
    assert_eq!(check.timeout, ms(2000));
    let ejection = balancing(&prefixed(&["eject-ms: 600000"])).ejection;
    assert_eq!((ejection.base, ejection.most), (Some(ms(600_000)), ms(600_000)));
    let backup = balancing(&prefixed(&["backup-service: standby"])).backup.unwrap();
    assert_eq!(backup.port, 80);
}

#[test]
fn targets_stand_in_for_the_service() {
    let outcome = lower(&with_annotation("sluice.dev/targets: 'A:90 weight 3, b, 10.0.0.5:70 weight 0'"));
    let Resolution::Targets(targets) = &outcome.only().resolution else {
        panic!("{:?}", outcome.all());
    };
    let shown = |target: &Target| format!("{} {}", target.service, target.weight);
    assert_eq!(targets.iter().map(shown).collect::<Vec<_>>(), ["a:90 3", "b:80 1", "10.0.0.5:70 0"]);
    assert_eq!(outcome.only().balancing, Balancing::default());
}

#[test]
fn an_ejection_of_0_has_no_end() {
    let ejection = balancing(&prefixed(&["eject-ms: 0"])).ejection;
    assert_eq!((ejection.base, ejection.most), (None, ms(300_000)));
    let outcome = lower(&with_annotation(&prefixed(&["eject-ms: 0", "eject-max-ms: 5"])));
    let expected = "eject-max-ms: is an end, and sluice.dev/eject-ms: 0 has none; remove one of them; the mapping is discarded";
    assert!(outcome.all()[0].ends_with(expected), "{:?}", outcome.all());
}

#[test]
fn http_is_a_question_with_statuses() {
    for (annotation, tls, path, statuses) in [
        ("check-http: /", false, "/", vec![200..=399]),
        ("check-https: '/a?b=c 204,400-404'", true, "/a?b=c", vec![204..=204, 400..=404]),
    ] {
        let check = balancing(&prefixed(&["check-interval-ms: 500", annotation])).check.unwrap();
        assert_eq!(check.question, Question::Http { tls, path: path.into(), statuses });
    }
    let check =
        balancing(&prefixed(&["check-interval-ms: 0", "check-unhealthy-interval-ms: 300"])).check.unwrap();
    assert_eq!((check.interval, check.unhealthy_interval, check.timeout), (ms(0), ms(300), ms(300)));
}

#[test]
fn what_cannot_be_meant_discards_the_mapping_and_says_the_way_out() {
    let cases = [
        (
            "load-balancer: fastest",
            "load-balancer: \"fastest\" is none of round-robin, least-connections, random, source-hash, latency",
        ),
        ("connect-attempts: 0", "connect-attempts: 0 is not an integer from 1 to 100"),
        (
            "source-address: localhost",
            "source-address: \"localhost\" is no IP address; write one such as 10.0.0.5, or one of each family",
        ),
        (
            "source-address: '10.0.0.1,10.0.0.2'",
            "source-address: \"10.0.0.1,10.0.0.2\" has two addresses of one family; keep one of each",
        ),
        (
            "backup-service: 'a:b:c'",
            "backup-service: \"a:b:c\" has several colons; an IPv6 address is written [address]:port",
        ),
        (
            "backup-service: 'https://standby'",
            "backup-service: begins TLS where the mapping's own service does not; write both with https://, or neither",
        ),
        ("eject-max-ms: 5", "eject-max-ms: 5 ms is less than sluice.dev/eject-ms, which is 30000; raise it"),
        (
            "targets: 'a:80 weight x'",
            "targets: \"a:80 weight x\" is neither host:port nor host:port weight N, an integer from 0 to 65535",
        ),
        (
            "targets: 'a:80, b:80 weight 65536'",
            "targets: \"b:80 weight 65536\" is neither host:port nor host:port weight N, an integer from 0 to 65535",
        ),
        (
            "targets: 'a:80,'",
            "targets: \"\" is neither host:port nor host:port weight N, an integer from 0 to 65535",
        ),
        (
            "targets: 'a:0x50'",
            "targets: \"a:0x50\" has the port \"0x50\", which is no integer from 1 to 65535",
        ),
        (
            "targets: 'a:80, https://b'",
            "targets: begins TLS where the mapping's own service does not; write both with https://, or neither",
        ),
        ("quorum: 101", "quorum: 101 is not an integer from 0 to 100"),
        ("eject-max-percent: 101", "eject-max-percent: 101 is not an integer from 0 to 100"),
        (
            "check-expect: PONG",
            "check-expect: says how to check, but not how often; give sluice.dev/check-interval-ms",
        ),
        (
            "check-http: /",
            "check-http: says how to check, but not how often; give sluice.dev/check-interval-ms",
        ),
        (
            "check-interval-ms: 0",
            "check-interval-ms: is 0, which asks no healthy endpoint; give sluice.dev/check-unhealthy-interval-ms to ask the \
             others",
        ),
        ("check-interval-ms: -1", "check-interval-ms: -1 is not an integer from 0 to 315360000000"),
    ];
    for (annotation, message) in cases {
        let outcome = lower(&with_annotation(&prefixed(&[annotation])));
        assert_eq!(outcome.served(), [""; 0], "{annotation}");
        let prefix = "test.yaml#1: TCPMapping default/m: metadata.annotations.sluice.dev/";
        assert_eq!(outcome.all(), [format!("{prefix}{message}; the mapping is discarded")], "{annotation}");
    }
    let way_out = "is no path with statuses behind it; write one such as /healthz, or /healthz 200-299,404";
    for wrong in ["healthz", "/ 99", "/ 200-", "/ 300-200", "/ 600", "/ 200 404", "/<", "GET / 200"] {
        let annotations = prefixed(&["check-interval-ms: 1", &format!("check-http: '{wrong}'")]);
        let found = lower(&with_annotation(&annotations)).all();
        assert!(found.len() == 1 && found[0].contains(&format!("{wrong:?} {way_out}")), "{found:?}");
    }
    for other in ["check-send: x", "check-expect: x", "check-https: /"] {
        let annotations = prefixed(&["check-interval-ms: 1", "check-http: /", other]);
        let found = lower(&with_annotation(&annotations)).all();
        let expected = "asks something else than sluice.dev/check-http; remove one of them";
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
    for escape in [r"\x0", r"\xgg", r"\q", r"a\"] {
        let annotations = prefixed(&["check-interval-ms: 1", &format!("check-send: '{escape}'")]);
        let outcome = lower(&with_annotation(&annotations));
        let found = outcome.all();
        assert!(
            found.len() == 1 && found[0].contains(r"is none of \r, \n, \t, \0, \\ and \x00 to \xff"),
            "{found:?}"
        );
    }
}

#[test]
fn a_field_of_http_mappings_is_sent_to_its_annotation() {
    let outcome = lower(&with_spec(&["load_balancer: {policy: least_request}"]));
    let expected = "test.yaml#1: TCPMapping default/m: spec.load_balancer: unknown field \"load_balancer\" is ignored; \
                    use the annotation sluice.dev/load-balancer, or load_balancer of Module ambassador";
    assert_eq!(outcome.all(), [expected]);
}

#[test]
fn the_module_chooses_for_mappings_that_do_not() {
    let module = |load_balancer: &str| {
        format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: Module\nmetadata: {{name: ambassador}}\n\
             spec: {{config: {{load_balancer: {load_balancer}}}}}\n"
        )
    };
    for (written, policy) in [
        ("{policy: round_robin}", Policy::RoundRobin),
        ("{policy: least_request}", Policy::LeastConnections),
        ("{policy: maglev, source_ip: true}", Policy::SourceHash),
        ("{policy: ring_hash, source_ip: true}", Policy::SourceHash),
    ] {
        let outcome = lower(&(with_spec(&[]) + &module(written)));
        assert_eq!((outcome.only().balancing.policy, outcome.all()), (policy, Vec::new()), "{written}");
        let own = with_annotation("sluice.dev/load-balancer: random") + &module(written);
        assert_eq!(lower(&own).only().balancing.policy, Policy::Random);
    }
    let prefix = "test.yaml#2: Module default/ambassador: spec.config.load_balancer";
    for (written, policy, message) in [
        (
            "{policy: ring_hash, header: x}",
            Policy::Random,
            ": hashes what only HTTP has; for TCP endpoints are random, as in Ambassador: write source_ip: true to hash \
             the client's address",
        ),
        (
            "{policy: best}",
            Policy::RoundRobin,
            ".policy: \"best\" is none of round_robin, least_request, ring_hash, maglev; the key is ignored",
        ),
        ("least_request", Policy::RoundRobin, ": \"least_request\" names no policy; the key is ignored"),
    ] {
        let outcome = lower(&(with_spec(&[]) + &module(written)));
        assert_eq!(outcome.only().balancing.policy, policy, "{written}");
        assert_eq!(outcome.all(), [format!("{prefix}{message}")]);
    }
}
