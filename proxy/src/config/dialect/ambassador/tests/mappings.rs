//! The fields of a `TCPMapping`, and what becomes of several.

use std::time::Duration;

use super::*;
use crate::config::model::{Families, RelayChoice};

/// A line of `spec` that discards the mapping, and the message behind `TCPMapping default/m: `.
const DISCARDED: [(&str, &str); 19] = [
    ("port: 0", "spec.port: 0 is not an integer from 1 to 65535"),
    ("port: 70000", "spec.port: 70000 is not an integer from 1 to 65535"),
    (
        "port: 99999999999999999999999",
        "spec.port: \"99999999999999999999999\" is not an integer from 1 to 65535",
    ),
    ("port: http", "spec.port: \"http\" is not an integer from 1 to 65535"),
    ("port: null", "spec.port: is missing; give the port to listen on"),
    ("service: null", "spec.service: is missing; give the upstream as host:port"),
    (
        "address: localhost",
        "spec.address: \"localhost\" is no IP address; write one such as 127.0.0.1 or ::1, or leave address out",
    ),
    (
        "address: '[::1]'",
        "spec.address: \"[::1]\" is no IP address; write one such as 127.0.0.1 or ::1, or leave address out",
    ),
    ("enable_ipv4: maybe", "spec.enable_ipv4: \"maybe\" is not true or false"),
    ("idle_timeout_ms: soon", "spec.idle_timeout_ms: \"soon\" is not an integer from 0 to 315360000000"),
    ("idle_timeout_ms: -5", "spec.idle_timeout_ms: -5 is not an integer from 0 to 315360000000"),
    ("tls: [a]", "spec.tls: a list of 1 is not true, false or the name of a TLSContext"),
    ("ambassador_id: {a: b}", "spec.ambassador_id: a mapping is not a string or a list of strings"),
    ("circuit_breakers: 5", "spec.circuit_breakers: 5 is not a list"),
    ("host: [a, b]", "spec.host: a list of 2 is not a string"),
    (
        "tls: 5",
        "spec.tls: there is no TLSContext \"5\"; declare it, or write service: https://… for TLS without a client \
         certificate",
    ),
    (
        "resolver: nonsense",
        "spec.resolver: the resolver \"nonsense\" is unknown; write one of consul, consul-endpoint, endpoint, \
         kubernetes-endpoint, kubernetes-service",
    ),
    ("cluster_tag: [a]", "spec.cluster_tag: a list of 1 is not a string"),
    ("stats_name: {a: b}", "spec.stats_name: a mapping is not a string"),
];

#[test]
fn bad_fields_discard_the_mapping() {
    for (line, message) in DISCARDED {
        let outcome = lower(&with_spec(&[line]));
        assert_eq!(outcome.served(), [""; 0], "{line}");
        let expected = format!("test.yaml#1: TCPMapping default/m: {message}; the mapping is discarded");
        assert_eq!(outcome.all(), [expected], "{line}");
    }
}

#[test]
fn everything_wrong_with_a_resource_is_said_at_once() {
    let outcome = lower(&with_spec(&[
        "port: x",
        "weight: y",
        "circuit_breakers: [{priority: low, max_connections: many}, 7]",
    ]));
    let prefix = "test.yaml#1: TCPMapping default/m: spec.";
    let expected = [
        "port: \"x\" is not an integer from 1 to 65535; the mapping is discarded",
        "circuit_breakers[1]: 7 is not a mapping of fields; the mapping is discarded",
        "circuit_breakers[0].priority: \"low\" is none of default, high; the mapping is discarded",
        "circuit_breakers[0].max_connections: \"many\" is not an integer from 0 to 4294967295; the mapping is discarded",
        "weight: \"y\" is not an integer from 0 to 65535; the mapping is discarded",
    ];
    assert_eq!(outcome.all(), expected.map(|line| format!("{prefix}{line}")));
}

#[test]
fn fields_reach_the_model() {
    let outcome = lower(&with_spec(&[
        "port: '7000'",
        "address: 127.0.0.1",
        "idle_timeout_ms: '1500'",
        "enable_ipv4: false",
        "enable_ipv6: 'true'",
        "stats_name: pay",
        "resolver: kubernetes-service",
        "circuit_breakers: []",
    ]));
    assert_eq!(outcome.all(), [""; 0]);
    let mapping = outcome.only();
    assert_eq!(outcome.config.listeners[0].bind, "127.0.0.1:7000".parse().unwrap());
    assert_eq!(mapping.timeouts.idle, Some(Duration::from_millis(1500)));
    assert_eq!(mapping.families, Families { ipv4: false, ipv6: true });
    assert_eq!(&*mapping.stats_name, "pay");
    assert_eq!(mapping.timeouts.connect, Settings::default().timeouts.connect);
}

#[test]
fn idle_timeout_zero_is_none_and_absence_is_the_settings() {
    let mut settings = Settings::default();
    settings.timeouts.idle = Some(Duration::from_secs(9));
    for (line, expected) in [("", Some(9)), ("idle_timeout_ms: 0", None), ("idle_timeout_ms: 2000", Some(2))]
    {
        let outcome = lower_with(&with_spec(&[line]), &settings);
        assert_eq!(outcome.only().timeouts.idle, expected.map(Duration::from_secs), "{line}");
    }
}

#[test]
fn annotations_of_sluice_reach_the_model() {
    let outcome = lower(&with_annotation(
        "sluice.dev/relay: splice, sluice.dev/connect-timeout-ms: '250', sluice.dev/half-closed-timeout-ms: 0, \
         sluice.dev/max-connection-age-ms: 5000, other.dev/x: y",
    ));
    assert_eq!(outcome.all(), [""; 0]);
    let mapping = outcome.only();
    assert_eq!(mapping.relay, RelayChoice::Splice);
    assert_eq!(mapping.timeouts.connect, Duration::from_millis(250));
    assert_eq!(mapping.timeouts.half_closed, None);
    assert_eq!(mapping.timeouts.max_age, Some(Duration::from_secs(5)));
}

#[test]
fn bad_annotations_are_named() {
    let prefix = "test.yaml#1: TCPMapping default/m: metadata.annotations.sluice.dev/";
    let discarded = [
        ("relay: kernel", "relay: \"kernel\" is none of auto, splice"),
        ("connect-timeout-ms: 0", "connect-timeout-ms: 0 is not an integer from 1 to 315360000000"),
        (
            "max-connection-age-ms: 1h",
            "max-connection-age-ms: \"1h\" is not an integer from 0 to 315360000000",
        ),
        (
            "proxy-protocol-from: 10.0.0.0/8",
            "proxy-protocol-from: is for the Listener of this mapping's port, which has PROXY in its protocolStack; \
             write it there",
        ),
        ("proxy-protocol: v3", "proxy-protocol: \"v3\" is none of v1, v2, v2-crc32c"),
    ];
    for (line, message) in discarded {
        let outcome = lower(&with_annotation(&format!("sluice.dev/{line}")));
        assert_eq!(outcome.served(), [""; 0]);
        assert_eq!(outcome.all(), [format!("{prefix}{message}; the mapping is discarded")]);
    }
    let warned = [
        (
            "relai: auto",
            "relai: unknown annotation \"sluice.dev/relai\" is ignored; did you mean \"sluice.dev/relay\"?",
        ),
        (
            "idle-timeout-ms: 5",
            "idle-timeout-ms: unknown annotation \"sluice.dev/idle-timeout-ms\" is ignored; use spec.idle_timeout_ms",
        ),
    ];
    for (line, message) in warned {
        let outcome = lower(&with_annotation(&format!("sluice.dev/{line}")));
        assert_eq!((outcome.served().len(), outcome.all()), (1, vec![format!("{prefix}{message}")]));
    }
}

#[test]
fn unknown_fields_are_warned_about_with_the_nearest_name() {
    let cases = [
        ("weigth: 5", "weigth: unknown field \"weigth\" is ignored; did you mean \"weight\"?"),
        (
            "idleTimeoutMs: 5",
            "idleTimeoutMs: unknown field \"idleTimeoutMs\" is ignored; did you mean \"idle_timeout_ms\"?",
        ),
        (
            "connect_timeout_ms: 5",
            "connect_timeout_ms: unknown field \"connect_timeout_ms\" is ignored; use the annotation sluice.dev/connect-timeout-ms",
        ),
        ("zebra: 5", "zebra: unknown field \"zebra\" is ignored"),
    ];
    for (line, message) in cases {
        let outcome = lower(&with_spec(&[line]));
        let expected = format!("test.yaml#1: TCPMapping default/m: spec.{message}");
        assert_eq!((outcome.served().len(), outcome.all()), (1, vec![expected]));
    }
    let outcome = lower(&with_spec(&[]).replace("{name: m}", "{name: m, namspace: x}"));
    let expected = "test.yaml#1: TCPMapping default/m: metadata.namspace: unknown field \"namspace\" is ignored; \
                    did you mean \"namespace\"?";
    assert_eq!(outcome.all(), [expected]);
}

#[test]
fn an_unset_address_groups_with_the_bind_address_it_stands_for() {
    let named = |name: &str, line: &str| with_spec(&[line]).replace("name: m", &format!("name: {name}"));
    let text = [
        named("a", ""),
        named("b", "address: 0.0.0.0"),
        named("c", "address: 10.0.0.1"),
        named("d", "address: '::'"),
    ];
    let outcome = lower(&text.join("---\n"));
    let expected = [
        "0.0.0.0:7000 default/a 50 svc:1",
        "0.0.0.0:7000 default/b 50 svc:1",
        "10.0.0.1:7000 default/c 100 svc:1",
        "[::]:7000 default/d 100 svc:1",
    ];
    assert_eq!(outcome.served(), expected);

    let mut settings = Settings::default();
    settings.ambassador.bind_address = vec!["127.0.0.1".parse().unwrap()];
    let outcome = lower_with(&text[..2].join("---\n"), &settings);
    assert_eq!(outcome.served(), ["0.0.0.0:7000 default/b 100 svc:1", "127.0.0.1:7000 default/a 100 svc:1"]);
}

#[test]
fn the_later_of_two_with_one_name_stays() {
    let text = [with_spec(&["service: one:1"]), with_spec(&["service: two:2"])].join("---\n");
    let outcome = lower(&text);
    assert_eq!(outcome.served(), ["0.0.0.0:7000 default/m 100 two:2"]);
    let expected = "test.yaml#1: TCPMapping default/m: the same kind, namespace and name stands again in \
                    test.yaml#2, which replaces this one; rename one of them; the mapping is discarded";
    assert_eq!(outcome.all(), [expected]);

    // A broken one replaces nobody.
    let text = [with_spec(&["service: one:1"]), with_spec(&["port: x"])].join("---\n");
    assert_eq!(lower(&text).served(), ["0.0.0.0:7000 default/m 100 one:1"]);
}

#[test]
fn versions_and_spellings_of_the_document() {
    let flat = "apiVersion: ambassador/v1\nkind: TCPMapping\nname: m\nport: 7000\nservice: svc:1\n";
    let v3 = with_spec(&[]);
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: getambassador.io/v2, kind: TCPMapping, \
                metadata: {name: m}, spec: {port: 7000, service: 'svc:1'}}\n";
    let typed = "apiVersion: getambassador.io/v2\nkind: TCPMappingList\nitems:\n- {metadata: {name: m}, \
                 spec: {port: 7000, service: 'svc:1'}}\n";
    let mut texts = vec![flat.to_owned(), list.to_owned(), typed.to_owned(), v3.replace('\n', "\r\n")];
    texts.push(format!("\u{feff}{v3}"));
    texts.push(
        "{\n\t\"apiVersion\": \"getambassador.io\\/v2\",\n\t\"kind\": \"TCPMapping\",\n\t\"metadata\": {\"name\": \"m\"},\n\t\
         \"spec\": {\n\t\t\"port\": 7000,\n\t\t\"service\": \"svc:1\"\n\t}\n}\n"
            .to_owned(),
    );
    for version in ["getambassador.io/v2", "getambassador.io/v1", "x.getambassador.io/v3alpha1"] {
        texts.push(v3.replace("getambassador.io/v3alpha1", version));
        texts.push(flat.replace("ambassador/v1", version));
    }
    for text in texts {
        let outcome = lower(&text);
        assert_eq!(outcome.served(), ["0.0.0.0:7000 default/m 100 svc:1"], "{text}");
        assert_eq!(outcome.all(), [""; 0], "{text}");
    }
}

#[test]
fn documents_that_cannot_be_a_mapping() {
    let cases = [
        (
            "apiVersion: ambassador/v0\nkind: TCPMapping\nname: m\n",
            "TCPMapping default/m: apiVersion: \"ambassador/v0\" has no TCPMapping; write getambassador.io/v3alpha1; \
             the mapping is discarded",
        ),
        (
            "apiVersion: getambassador.io/v2\nkind: TcpMaping\nmetadata: {name: m}\n",
            "TcpMaping default/m: kind: \"TcpMaping\" is unknown; did you mean \"TCPMapping\"?; the resource is discarded",
        ),
        (
            "apiVersion: getambassador.io/v2\nkind: TCPMapping\nmetadata: {name: m}\n",
            "TCPMapping default/m: spec: is missing; give it the resource's fields; the mapping is discarded",
        ),
        (
            "apiVersion: getambassador.io/v2\nkind: TCPMapping\nspec: {port: 1, service: s}\n",
            "TCPMapping: metadata.name: is missing; give the mapping a name; the mapping is discarded",
        ),
        ("port: 1\n", "no dialect has such a document: it has no apiVersion and kind; it is discarded"),
        ("- a\n", "a list of 1 is no resource; write a mapping with apiVersion and kind"),
    ];
    for (text, message) in cases {
        let outcome = lower(&format!("{text}---\n{}", with_spec(&[])));
        assert_eq!(outcome.served().len(), 1, "the other document is served");
        assert_eq!(outcome.all(), [format!("test.yaml#1: {message}")], "{text}");
    }
}
