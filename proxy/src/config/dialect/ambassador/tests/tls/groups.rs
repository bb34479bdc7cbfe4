//! Several mappings on one port.

use super::*;

/// A certificate for everybody, in front of mappings.
fn lowered(mappings: &[String]) -> Outcome {
    lower(&(secret("s") + &host("h", "tlsSecret: {name: s}") + &mappings.concat()))
}

fn passed(name: &str, lines: &[&str]) -> String {
    let annotations = format!("{{name: {name}, annotations: {{sluice.dev/tls-mode: passthrough}}}}");
    named(name, lines).replace(&format!("{{name: {name}}}"), &annotations)
}

#[test]
fn hosts_on_one_port_are_routes_and_share_by_weight_within() {
    let outcome = lowered(&[
        named("a1", &["host: a.com", "weight: 10"]),
        named("b", &["host: b.com"]),
        named("a2", &["host: A.com"]),
        named("sub", &["host: '*.a.com'"]),
        named("all", &["host: '*'"]),
        named("other", &["host: a.com", "port: 7001"]),
    ]);
    let by = "Host default/h (Secret default/s)";
    let expected = [
        format!("0.0.0.0:7000 a.com {by} a1+a2"),
        format!("0.0.0.0:7000 b.com {by} b"),
        format!("0.0.0.0:7000 *.a.com {by} sub"),
        format!("0.0.0.0:7000 * {by} all"),
        format!("0.0.0.0:7001 a.com {by} other"),
    ];
    assert_eq!(outcome.routes(), expected);
    assert_eq!(outcome.all(), [""; 0]);
    let weights: Vec<_> = outcome.config.listeners[0].routes[0].mappings.iter().map(|m| m.weight.0).collect();
    assert_eq!(weights, [10, 90]);
}

#[test]
fn flawed_weights_name_port_and_host() {
    let outcome =
        lowered(&[named("a", &["host: a.com", "weight: 60"]), named("b", &["host: a.com", "weight: 60"])]);
    let expected = "spec.weight: the weights on 0.0.0.0:7000 for a.com sum to 120 (TCPMapping default/a: 60, \
                    TCPMapping default/b: 60); they are used in proportion: make them sum to 100";
    assert_eq!(outcome.about("TCPMapping default/b"), [expected]);
}

#[test]
fn a_mapping_without_host_has_no_place_beside_hosts() {
    for (mappings, document) in [
        ([named("with", &["host: a"]), named("without", &[])], 3),
        ([named("without", &[]), named("with", &["host: a"])], 4),
        ([named("without", &[]), passed("with", &["host: '*'"])], 4),
    ] {
        let why = format!(
            "spec.host: is missing, and TCPMapping default/with (test.yaml#{document}) on 0.0.0.0:7000 has one, so \
             clients are told apart by it; give this one a host, or a port of its own; the mapping is discarded"
        );
        let outcome = lowered(&mappings);
        assert_eq!(outcome.served(), ["0.0.0.0:7000 default/with 100 svc:1"]);
        assert_eq!(outcome.about("TCPMapping default/without"), [why]);
    }
    let outcome = lowered(&[named("without", &[]), named("with", &["host: a", "port: 7001"])]);
    assert_eq!(outcome.served().len(), 2, "another port is another matter");
}

#[test]
fn passthrough_and_termination_share_a_port_but_not_a_host() {
    let outcome = lowered(&[named("a", &["host: a"]), passed("b", &["host: b"])]);
    assert_eq!(
        outcome.routes(),
        ["0.0.0.0:7000 a Host default/h (Secret default/s) a", "0.0.0.0:7000 b raw b"]
    );

    let outcome = lowered(&[named("a", &["host: a"]), passed("b", &["host: a"])]);
    assert_eq!(outcome.served(), ["0.0.0.0:7000 default/a 100 svc:1"]);
    let expected = "spec.host: is passed through here and terminated by TCPMapping default/a (test.yaml#3) on \
                    0.0.0.0:7000; give them different hosts, or the same sluice.dev/tls-mode; the mapping is discarded";
    assert_eq!(outcome.about("TCPMapping default/b"), [expected]);

    let outcome = lowered(&[passed("b", &["host: a"]), named("a", &["host: a"])]);
    assert_eq!(outcome.served(), ["0.0.0.0:7000 default/b 100 svc:1"]);
}

#[test]
fn each_member_keeps_its_own_upstream() {
    let outcome = lowered(&[
        named("a", &["host: a", "service: https://one"]),
        named("b", &["host: a", "service: two", "idle_timeout_ms: 5"]),
    ]);
    let mappings = &outcome.config.listeners[0].routes[0].mappings;
    assert!(mappings[0].originate.is_some() && mappings[1].originate.is_none());
    assert_eq!(outcome.served().len(), 2);
}

#[test]
fn one_port_has_one_prelude() {
    let starttls = |name: &str, lines: &[&str]| {
        let annotations = format!("{{name: {name}, annotations: {{sluice.dev/starttls: postgres}}}}");
        named(name, lines).replace(&format!("{{name: {name}}}"), &annotations)
    };
    let outcome = lowered(&[starttls("a", &["host: a"]), named("b", &["host: b"])]);
    assert_eq!(outcome.served(), ["0.0.0.0:7000 default/a 100 svc:1"]);
    let expected = "metadata.annotations.sluice.dev/starttls: is unset here and postgres in TCPMapping default/a \
                    (test.yaml#3), and all of 0.0.0.0:7000 must agree; make them the same, or use another port; the mapping is discarded";
    assert_eq!(outcome.about("TCPMapping default/b"), [expected]);
    let outcome = lowered(&[starttls("a", &["host: a"]), starttls("b", &["host: b"])]);
    assert_eq!(outcome.served().len(), 2);
}

#[test]
fn protocols_part_a_host() {
    let with_alpn = |name: &str, alpn: &str| {
        passed(name, &["host: a"])
            .replace("passthrough}", &format!("passthrough, sluice.dev/tls-alpn: '{alpn}'}}"))
    };
    let outcome = lowered(&[
        with_alpn("x", "h2"),
        named("rest", &["host: a"]),
        with_alpn("y", "b, c"),
        with_alpn("z", "c,b"),
    ]);
    let expected = [
        "0.0.0.0:7000 a+h2 raw x",
        "0.0.0.0:7000 a+b+c raw y+z",
        "0.0.0.0:7000 a Host default/h (Secret default/s) rest",
    ];
    assert_eq!(outcome.routes(), expected);
    assert_eq!(outcome.all(), [""; 0]);

    let outcome = lowered(&[with_alpn("x", "h2,h3"), with_alpn("y", "h2")]);
    let expected = "metadata.annotations.sluice.dev/tls-alpn: \"h2\" is also asked for by TCPMapping default/x \
                    (test.yaml#3) for the same host; clients that offer it go there";
    assert_eq!((outcome.served().len(), outcome.all().len()), (2, 1));
    assert_eq!(outcome.about("TCPMapping default/y"), [expected]);
}
