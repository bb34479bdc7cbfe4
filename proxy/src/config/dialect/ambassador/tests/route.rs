//! Whom a route takes connections from, and who is told of them.

use super::{Outcome, lower, with_annotation, with_spec};
use crate::config::model::Route;

const PATH: &str = "test.yaml#1: TCPMapping default/m: metadata.annotations.sluice.dev/";

fn route(outcome: &Outcome) -> &Route {
    assert_eq!(outcome.faults(), [""; 0]);
    &outcome.config.listeners[0].routes[0]
}

#[test]
fn networks_are_admitted_and_denied() {
    let networks =
        "sluice.dev/allow-from: '10.1.2.3/8, 2001:db8::/32', sluice.dev/deny-from: [10.0.0.9, 10.0.0.9]";
    let outcome = lower(&with_annotation(networks));
    let access = &route(&outcome).access;
    let shown = |networks: &[ipnet::IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&access.allow), ["10.0.0.0/8", "2001:db8::/32"]);
    assert_eq!(shown(&access.deny), ["10.0.0.9/32"]);
    for name in ["allow-from", "deny-from"] {
        for (value, message) in [
            (
                "10.0.0.0/33",
                "\"10.0.0.0/33\" is no network; write one such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1",
            ),
            ("''", "names nobody; give networks such as 10.0.0.0/8, or leave it out to admit everybody"),
        ] {
            let outcome = lower(&with_annotation(&format!("sluice.dev/{name}: {value}")));
            assert_eq!(outcome.served(), [""; 0], "{name}: {value}");
            assert_eq!(outcome.faults(), [format!("{PATH}{name}: {message}; the mapping is discarded")]);
        }
    }
}

#[test]
fn sinks_are_told_once_each() {
    let outcome =
        lower(&with_annotation("sluice.dev/log-to: 'tcp://logs:9000, file:///a.log,tcp://logs:9000'"));
    let logs = &route(&outcome).logs;
    let shown: Vec<_> = logs.sinks.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["file:///a.log", "tcp://logs:9000"]);
    for (value, message) in [
        (
            "udp://logs:9000",
            "\"udp://logs:9000\" is none of tcp://HOST:PORT, tls://HOST:PORT, file:///PATH, http://HOST/PATH and \
             https://HOST/PATH",
        ),
        ("''", "names no sink; give tcp://HOST:PORT, or leave it out"),
    ] {
        let outcome = lower(&with_annotation(&format!("sluice.dev/log-to: {value}")));
        assert_eq!(outcome.served(), [""; 0], "{value}");
        assert_eq!(outcome.faults(), [format!("{PATH}log-to: {message}; the mapping is discarded")]);
    }
}

#[test]
fn mappings_of_a_route_agree_and_never_admit_more_than_one_of_them_says() {
    let second = |text: String| text.replace("name: m", "name: n").replace("svc:1", "svc:2");
    let allow = |networks: &str| with_annotation(&format!("sluice.dev/allow-from: {networks}"));
    let log = |to: &str| with_annotation(&format!("sluice.dev/log-to: {to}"));
    let open = || with_spec(&[]);
    for (first, other, served, annotation) in [
        (allow("10.0.0.0/8"), allow("10.0.0.0/8"), &["m", "n"][..], None),
        (allow("10.0.0.0/8"), allow("10.0.0.0/9"), &["m"], Some(("n", 2, "allow-from", "m", 1))),
        (allow("10.0.0.0/8"), open(), &["m"], Some(("n", 2, "allow-from", "m", 1))),
        // The one that says nothing goes, though it stands first.
        (open(), allow("10.0.0.0/8"), &["n"], Some(("m", 1, "allow-from", "n", 2))),
        (log("tcp://a:1"), log("tcp://a:1"), &["m", "n"], None),
        (log("tcp://a:1"), open(), &["m"], Some(("n", 2, "log-to", "m", 1))),
    ] {
        let outcome = lower(&format!("{first}---\n{}", second(other)));
        let names: Vec<_> = outcome
            .config
            .mappings()
            .map(|mapping| mapping.name.0.replace("TCPMapping default/", ""))
            .collect();
        assert_eq!(names, served, "{:?}", outcome.all());
        let expected = annotation.map(|(name, place, annotation, other, others)| {
            format!(
                "test.yaml#{place}: TCPMapping default/{name}: metadata.annotations.sluice.dev/{annotation}: is not \
                 the same here as in TCPMapping default/{other} (test.yaml#{others}), with which it shares connections \
                 on 0.0.0.0:7000; make them the same; the mapping is discarded"
            )
        });
        assert_eq!(outcome.faults(), expected.into_iter().collect::<Vec<_>>());
    }
}
