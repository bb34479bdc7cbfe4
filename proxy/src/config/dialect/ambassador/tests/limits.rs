//! What bounds a mapping: circuit breakers, annotations, and the Module's defaults for both.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use super::*;
use crate::config::model::{Limits, Rate, SourceLimits};

const PREFIX: &str = "test.yaml#1: TCPMapping default/m: ";

fn module(annotations: &str, config: &str) -> String {
    format!(
        "apiVersion: getambassador.io/v3alpha1\nkind: Module\n\
         metadata: {{name: ambassador, annotations: {{{annotations}}}}}\nspec: {{config: {{{config}}}}}\n---\n"
    )
}

fn breakers(limits: &Limits) -> [Option<u32>; 3] {
    [limits.connections, limits.pending, limits.retries]
}

fn rate(interval: Duration, burst: u32) -> Option<Rate> {
    Some(Rate { interval, burst: NonZeroU32::new(burst).unwrap() })
}

fn limits_of(text: &str) -> Limits {
    let outcome = lower(text);
    assert_eq!(outcome.all(), [""; 0], "{text}");
    outcome.only().limits
}

#[test]
fn nothing_is_bounded_unless_somebody_says_so() {
    assert_eq!(limits_of(&with_spec(&[])), Limits::default());
    assert_eq!(limits_of(&with_spec(&["circuit_breakers: [{}]"])), Limits::default());
}

#[test]
fn circuit_breakers_bound_connections_dialling_and_retries() {
    let line = "circuit_breakers: [{max_connections: 5, max_pending_requests: '6', max_retries: 0}]";
    assert_eq!(breakers(&limits_of(&with_spec(&[line]))), [Some(5), Some(6), Some(0)]);
}

#[test]
fn of_the_breakers_those_of_priority_default_count_and_the_first_of_them() {
    let cases = [
        (
            "[{priority: high, max_connections: 1}, {priority: default, max_connections: 2}]",
            "spec.circuit_breakers[0]: has priority high, which no TCP connection has; write priority: default, \
             or leave it out",
        ),
        (
            "[{max_connections: 2}, {max_connections: 3}]",
            "spec.circuit_breakers[1]: another entry of priority default comes first and counts alone; put all \
             bounds into one",
        ),
        (
            "[{max_connections: 2, max_requests: 9}]",
            "spec.circuit_breakers[0].max_requests: bounds HTTP requests; for TCP it has no effect, in Envoy \
             too: use max_connections",
        ),
    ];
    for (list, message) in cases {
        let outcome = lower(&with_spec(&[&format!("circuit_breakers: {list}")]));
        assert_eq!(outcome.all(), [format!("{PREFIX}{message}")]);
        assert_eq!(breakers(&outcome.only().limits), [Some(2), None, None], "{list}");
    }
}

#[test]
fn a_breaker_of_zero_is_one_and_is_warned_of() {
    let outcome = lower(&with_spec(&["circuit_breakers: [{max_connections: 0}]"]));
    let message = "spec.circuit_breakers[0].max_connections: is 0, which lets no connection through; leave it out \
                   where none is to be bounded";
    assert_eq!(outcome.faults(), [format!("{PREFIX}{message}")]);
    assert_eq!(outcome.only().limits.connections, Some(0));
}

#[test]
fn the_modules_breakers_are_for_mappings_without_their_own() {
    let module = module("", "circuit_breakers: [{max_connections: 9, max_pending_requests: 8}]");
    let cases = [
        ("stats_name: a", [Some(9), Some(8), None]),
        ("circuit_breakers: [{max_connections: 5}]", [Some(5), None, None]),
        ("circuit_breakers: []", [None; 3]),
    ];
    for (line, expected) in cases {
        let text = module.clone() + &with_spec(&[line]);
        assert_eq!(breakers(&limits_of(&text)), expected, "{line}");
    }
}

#[test]
fn wrong_breakers_of_the_module_are_discarded_and_the_rest_of_it_counts() {
    let text =
        module("", "enable_ipv6: false, circuit_breakers: [{max_connections: many}]") + &with_spec(&[]);
    let outcome = lower(&text);
    let message = "test.yaml#1: Module default/ambassador: spec.config.circuit_breakers[0].max_connections: \
                   \"many\" is not an integer from 0 to 4294967295; the list is discarded";
    assert_eq!(outcome.all(), [message]);
    assert!(!outcome.only().families.ipv6);
    assert_eq!(outcome.only().limits, Limits::default());
}

#[test]
fn annotations_reach_the_model() {
    let second = Duration::from_secs(1);
    let rates = [
        ("'100'", rate(second / 100, 100)),
        ("100/s", rate(second / 100, 100)),
        ("30/m", rate(2 * second, 30)),
        ("7 / h", rate(3600 * second / 7, 7)),
        ("'0'", None),
    ];
    for (text, expected) in rates {
        let limits = limits_of(&with_annotation(&format!("sluice.dev/connection-rate: {text}")));
        assert_eq!(limits, Limits { rate: expected, ..Limits::default() }, "{text}");
        let limits = limits_of(&with_annotation(&format!("sluice.dev/connection-rate-per-source: {text}")));
        assert_eq!(limits.source, SourceLimits { connections: None, rate: expected }, "{text}");
    }
    let both = "sluice.dev/connection-rate: '10', sluice.dev/connection-burst: '3', \
                sluice.dev/connection-rate-per-source: 6/m, sluice.dev/connection-burst-per-source: '1', \
                sluice.dev/max-connections-per-source: '4'";
    let limits = limits_of(&with_annotation(both));
    assert_eq!(limits.rate, rate(second / 10, 3));
    let source = SourceLimits { connections: NonZeroU32::new(4), rate: rate(10 * second, 1) };
    assert_eq!(limits.source, source);
    for (text, bytes) in
        [("10MiB", 10 << 20), ("512KiB/s", 512 << 10), ("1MB", 1_000_000), ("'2048'", 2048), ("'0'", 0)]
    {
        let limits = limits_of(&with_annotation(&format!("sluice.dev/bandwidth: {text}")));
        assert_eq!(limits.bandwidth, NonZeroU64::new(bytes), "{text}");
    }
}

#[test]
fn wrong_annotations_discard_the_mapping() {
    let no_rate = |text: &str| {
        format!(
            "{text:?} is no rate; write a whole number up to 1000000 of connections per second, minute or hour, \
             such as 100, 100/s, 30/m or 6/h, or 0 for none"
        )
    };
    let no_bandwidth = |text: &str| {
        format!(
            "{text:?} is no number of bytes per second from 1KiB to 1TiB; write one such as 512KiB or 10MiB, or 0 \
             for none"
        )
    };
    let cases = [
        ("connection-rate", "10/d", no_rate("10/d")),
        ("connection-rate", "-1", no_rate("-1")),
        ("connection-rate", "+1/s", no_rate("+1/s")),
        ("connection-rate", "1.5", no_rate("1.5")),
        ("connection-rate", "1000001", no_rate("1000001")),
        ("connection-rate-per-source", "often", no_rate("often")),
        ("bandwidth", "1000", no_bandwidth("1000")),
        ("bandwidth", "2TiB", no_bandwidth("2TiB")),
        ("bandwidth", "10Mbit", no_bandwidth("10Mbit")),
        ("max-connections-per-source", "few", "\"few\" is not an integer from 0 to 4294967295".to_owned()),
        (
            "connection-burst",
            "5",
            "is how far a rate may be exceeded, and sluice.dev/connection-rate sets none; add it".to_owned(),
        ),
        ("connection-burst", "0", "\"0\" is not an integer from 1 to 4294967295".to_owned()),
    ];
    for (name, value, message) in cases {
        let outcome = lower(&with_annotation(&format!("sluice.dev/{name}: '{value}'")));
        assert_eq!(outcome.served(), [""; 0]);
        let path = format!("metadata.annotations.sluice.dev/{name}");
        assert_eq!(outcome.all(), [format!("{PREFIX}{path}: {message}; the mapping is discarded")]);
    }
}

#[test]
fn the_modules_annotations_are_defaults_that_a_mapping_changes_or_takes_away() {
    let module = module(
        "sluice.dev/idle-timeout-ms: '5000', sluice.dev/connect-timeout-ms: '700', \
         sluice.dev/half-closed-timeout-ms: '0', sluice.dev/max-connection-age-ms: '9000', \
         sluice.dev/connection-rate: '10', sluice.dev/connection-burst: '20', sluice.dev/bandwidth: 1MiB, \
         sluice.dev/max-connections-per-source: '3'",
        "",
    );
    let second = Duration::from_secs(1);
    let plain = lower(&(module.clone() + &with_spec(&[])));
    assert_eq!(plain.all(), [""; 0]);
    let (timeouts, limits) = (plain.only().timeouts, plain.only().limits);
    assert_eq!(timeouts.idle, Some(5 * second));
    assert_eq!(timeouts.connect, Duration::from_millis(700));
    assert_eq!(timeouts.half_closed, None, "0 says none, over the settings too");
    assert_eq!(timeouts.max_age, Some(9 * second));
    assert_eq!(limits.rate, rate(second / 10, 20));
    assert_eq!(limits.bandwidth, NonZeroU64::new(1 << 20));
    assert_eq!(limits.source.connections, NonZeroU32::new(3));

    let own = with_annotation(
        "sluice.dev/connect-timeout-ms: '100', sluice.dev/connection-rate: '50', sluice.dev/bandwidth: '0', \
         sluice.dev/max-connections-per-source: '0'",
    );
    let own = lower(&(module.clone() + &own.replace("spec:\n", "spec:\n  idle_timeout_ms: 0\n")));
    assert_eq!(own.all(), [""; 0]);
    let (timeouts, limits) = (own.only().timeouts, own.only().limits);
    assert_eq!((timeouts.idle, timeouts.connect), (None, Duration::from_millis(100)));
    assert_eq!(limits.rate, rate(second / 50, 50), "with a burst of its own");
    assert_eq!((limits.bandwidth, limits.source.connections), (None, None));

    let burst = lower(&(module + &with_annotation("sluice.dev/connection-burst: '1'")));
    assert_eq!(burst.only().limits.rate, rate(second / 10, 1), "of the Module's rate");
}

#[test]
fn wrong_annotations_of_the_module_leave_the_settings_defaults() {
    let prefix = "test.yaml#1: Module default/ambassador: metadata.annotations.sluice.dev/";
    let cases = [
        (
            "connect-timeout-ms: '0'",
            "connect-timeout-ms: \"0\" is not an integer from 1 to 315360000000; the list of annotations is discarded",
        ),
        (
            "relay: splice",
            "relay: the Module's annotation \"sluice.dev/relay\" is ignored; only a TCPMapping has it",
        ),
        (
            "idle-timeout-m: '5'",
            "idle-timeout-m: the Module's annotation \"sluice.dev/idle-timeout-m\" is ignored; did you mean \
             \"sluice.dev/idle-timeout-ms\"?",
        ),
    ];
    for (annotation, message) in cases {
        let outcome = lower(&(module(&format!("sluice.dev/{annotation}"), "") + &with_spec(&[])));
        assert_eq!(outcome.all(), [format!("{prefix}{message}")]);
        assert_eq!(outcome.only().timeouts, Settings::default().timeouts);
    }
}

#[test]
fn timeouts_of_the_module_that_are_https_say_what_tcp_has() {
    let cases = [
        (
            "cluster_idle_timeout_ms",
            "it is HTTP's; TCP has the Module's annotation sluice.dev/idle-timeout-ms",
        ),
        (
            "listener_idle_timeout_ms",
            "it is HTTP's; TCP has the Module's annotation sluice.dev/idle-timeout-ms",
        ),
        ("connect_timeout_ms", "no Module has it; use its annotation sluice.dev/connect-timeout-ms"),
    ];
    for (key, instead) in cases {
        let outcome = lower(&(module("", &format!("{key}: 5000")) + &with_spec(&[])));
        let message = format!(
            "test.yaml#1: Module default/ambassador: spec.config.{key}: is ignored by this version of sluice: {instead}"
        );
        assert_eq!(outcome.all(), [message]);
        assert_eq!(outcome.only().timeouts.idle, None);
    }
}
