//! `GatewayClass` and `Gateway`.

use super::*;
use crate::config::material::fixtures;

const TCP: &str = "{name: tcp, port: 7000, protocol: TCP}";

#[test]
fn only_classes_of_accepted_controllers_are_served() {
    let route = tcp_route("{name: r}", EDGE, "{name: b1, port: 8080}");
    let text = around() + &gateway(&[TCP]) + &route;
    let outcome = lower(&text);
    assert_eq!(outcome.says("GatewayClass sluice", "", "Accepted"), "True Accepted");
    assert_eq!((outcome.served().len(), outcome.faults()), (1, Vec::new()));

    let other = text.replace("sluice.dev/gateway", "example.com/other");
    let outcome = lower(&other);
    assert!(
        outcome
            .statuses
            .iter()
            .all(|status| status.resource.starts_with("TCPRoute") && status.parts.is_empty())
    );
    assert_eq!(outcome.served(), [""; 0]);
    assert!(
        outcome.all()[0].contains(
            "\"example.com/other\" is another controller, so Gateways of this class are passed over"
        )
    );
    let settings =
        Settings { gateway_controllers: vec!["example.com/other".to_owned()], ..Settings::default() };
    assert_eq!(lower_with(&other, &settings).served().len(), 1);

    let outcome = lower(&text.replace("metadata: {name: sluice}", "metadata: {name: other}"));
    let expected =
        "Gateway default/edge: spec.gatewayClassName: there is no GatewayClass sluice in the configuration";
    assert!(outcome.faults()[0].contains(expected), "{:?}", outcome.faults());
}

#[test]
fn parameters_that_nobody_can_read_are_not_accepted() {
    let text = around() + &gateway(&[TCP]);
    let parameters = "parametersRef: {group: example.com, kind: Settings, name: s}";
    let of_class = text.replace(
        "controllerName: sluice.dev/gateway",
        &format!("controllerName: sluice.dev/gateway, {parameters}"),
    );
    let outcome = lower(&of_class);
    assert_eq!(outcome.says("GatewayClass sluice", "", "Accepted"), "False InvalidParameters");
    let told = "Gateway default/edge: spec.gatewayClassName: GatewayClass sluice is in error";
    assert!(outcome.faults().iter().any(|fault| fault.contains(told)), "{:?}", outcome.faults());
    let unread = text.replace("{controllerName: sluice.dev/gateway}", "{}");
    let faults = lower(&unread).faults();
    assert!(faults.iter().any(|fault| fault.contains(told)), "{faults:?}");
    let own = text.replace(
        "gatewayClassName: sluice\n",
        &format!("gatewayClassName: sluice\n  infrastructure: {{{parameters}}}\n"),
    );
    let outcome = lower(&own);
    assert_eq!(outcome.says("Gateway default/edge", "", "Accepted"), "False InvalidParameters");
    assert_eq!(outcome.says("Gateway default/edge", "listener tcp", "Programmed"), "False Invalid");
}

#[test]
fn a_good_gateway_says_so() {
    let text = around() + &gateway(&[TCP]) + &tcp_route("{name: r}", EDGE, "{name: b1, port: 8080}");
    let outcome = lower(&text.replace("metadata: {name: edge}", "metadata: {name: edge, generation: 7}"));
    assert_eq!(outcome.status("Gateway default/edge").generation, Some(7));
    for (kind, says) in [
        ("Accepted", "True Accepted"),
        ("Programmed", "True Programmed"),
        ("ResolvedRefs", "True ResolvedRefs"),
    ] {
        assert_eq!(outcome.says("Gateway default/edge", "", kind), says);
        assert_eq!(outcome.says("Gateway default/edge", "listener tcp", kind), says);
    }
    assert_eq!(outcome.says("Gateway default/edge", "listener tcp", "Conflicted"), "False NoConflicts");
    assert_eq!(outcome.part("Gateway default/edge", "listener tcp").kinds, Some(vec!["TCPRoute"]));
}

/// GatewayInvalidRouteKind, TLSRouteListenerPassthroughSupportedKinds, TLSRouteListenerTerminateSupportedKinds.
#[test]
fn kinds_that_cannot_attach_are_told_and_the_others_kept() {
    let secret = secret("cert", fixtures::any());
    let cases: [(&str, &str, &str, &[&str]); 6] = [
        ("TCP", "", "{kind: TCPRoute}", &["TCPRoute"]),
        ("TCP", "", "{kind: TCPRoute}, {kind: InvalidRoute}", &["TCPRoute"]),
        ("TCP", "", "{kind: InvalidRoute}", &[]),
        ("TCP", "", "{group: example.com, kind: TCPRoute}", &[]),
        ("TLS", ", tls: {mode: Passthrough}", "{kind: TCPRoute}, {kind: TLSRoute}", &["TLSRoute"]),
        (
            "TLS",
            ", tls: {mode: Terminate, certificateRefs: [{name: cert}]}",
            "{kind: TLSRoute}",
            &["TLSRoute"],
        ),
    ];
    for (protocol, tls, kinds, supported) in cases {
        let listener = format!(
            "{{name: l, port: 7000, protocol: {protocol}{tls}, allowedRoutes: {{kinds: [{kinds}]}}}}"
        );
        let outcome = lower(&(around() + &secret + &gateway(&[&listener])));
        assert_eq!(
            outcome.part("Gateway default/edge", "listener l").kinds.as_deref(),
            Some(supported),
            "{kinds}"
        );
        let wrong = kinds.matches("kind").count() > supported.len();
        let says = if wrong { "False InvalidRouteKinds" } else { "True ResolvedRefs" };
        assert_eq!(outcome.says("Gateway default/edge", "listener l", "ResolvedRefs"), says, "{kinds}");
        assert_eq!(
            outcome.says("Gateway default/edge", "listener l", "Accepted"),
            "True Accepted",
            "{kinds}"
        );
    }
}

/// GatewayListenerUnsupportedProtocol.
#[test]
fn a_protocol_that_is_not_served_is_unsupported() {
    for protocol in ["HTTP", "UDP", "example.com/custom"] {
        let listener = format!("{{name: l, port: 7001, protocol: {protocol}}}");
        let outcome = lower(&(around() + &gateway(&[&listener])));
        assert_eq!(
            outcome.says("Gateway default/edge", "listener l", "Accepted"),
            "False UnsupportedProtocol"
        );
        assert_eq!(outcome.says("Gateway default/edge", "", "Accepted"), "False ListenersNotValid");
        assert_eq!(outcome.says("Gateway default/edge", "", "Programmed"), "False Invalid");
        assert_eq!(outcome.faults(), [""; 0], "worth an info line");
        let outcome = lower(&(around() + &gateway(&[&listener, TCP])));
        assert_eq!(outcome.says("Gateway default/edge", "", "Accepted"), "True ListenersNotValid");
        assert_eq!(outcome.says("Gateway default/edge", "listener tcp", "Accepted"), "True Accepted");
    }
    let outcome = lower(&(around() + &gateway(&["{name: l, port: 7001, protocol: tcp}"])));
    assert_eq!(outcome.says("Gateway default/edge", "listener l", "Accepted"), "False UnsupportedProtocol");
    assert!(outcome.faults()[0].ends_with("did you mean TCP?"), "{:?}", outcome.faults());
}

/// The API's own rule has it so.
#[test]
fn an_empty_hostname_is_as_good_as_none() {
    let outcome = lower(&(around() + &gateway(&[&TCP.replace("protocol", "hostname: '', protocol")])));
    assert_eq!(outcome.faults(), [""; 0]);
    assert_eq!(outcome.says("Gateway default/edge", "listener tcp", "Accepted"), "True Accepted");
}

#[test]
fn listeners_that_nothing_tells_apart_conflict_and_none_wins() {
    let tls = |name: &str, port: u16, hostname: &str| {
        format!("{{name: {name}, port: {port}, protocol: TLS, tls: {{mode: Passthrough}}{hostname}}}")
    };
    let plain = |name: &str, protocol: &str| format!("{{name: {name}, port: 7000, protocol: {protocol}}}");
    let (a, other) = (", hostname: a.example.com", ", hostname: b.example.com");
    let cases = [
        (plain("a", "TCP"), plain("b", "TCP"), Some("ProtocolConflict")),
        (plain("a", "TCP"), plain("b", "HTTP"), Some("ProtocolConflict")),
        (plain("a", "TCP"), tls("b", 7000, ""), Some("ProtocolConflict")),
        (plain("a", "HTTP"), tls("b", 7000, ""), Some("ProtocolConflict")),
        (plain("a", "UDP"), plain("b", "TCP"), None),
        (tls("a", 7000, a), tls("b", 7000, a), Some("HostnameConflict")),
        (tls("a", 7000, ""), tls("b", 7000, ""), Some("HostnameConflict")),
        (tls("a", 7000, a), tls("b", 7000, other), None),
        (tls("a", 7000, a), tls("b", 7000, ""), None),
        (tls("a", 7000, a), tls("b", 7001, a), None),
    ];
    for (first, second, reason) in cases {
        let outcome = lower(&(around() + &gateway(&[&first, &second])));
        for listener in ["listener a", "listener b"] {
            let conflicted = outcome.says("Gateway default/edge", listener, "Conflicted");
            let accepted = outcome.says("Gateway default/edge", listener, "Accepted");
            match reason {
                Some(reason) => {
                    assert_eq!(
                        (conflicted, accepted),
                        (format!("True {reason}"), format!("False {reason}")),
                        "{first} {second}"
                    );
                }
                None => assert_eq!(conflicted, "False NoConflicts", "{first} {second}"),
            }
        }
        let says = if reason.is_some() { "False ListenersNotValid" } else { "True " };
        assert!(outcome.says("Gateway default/edge", "", "Accepted").starts_with(says), "{first} {second}");
    }
}

#[test]
fn of_two_gateways_the_older_has_the_port() {
    let younger = gateway_with("{name: young, creationTimestamp: \"2025-01-01T00:00:00Z\"}", &[TCP], "");
    let older = gateway_with("{name: old, creationTimestamp: \"2024-01-01T00:00:00Z\"}", &[TCP], "");
    let outcome = lower(&(around() + &younger + &older));
    assert_eq!(outcome.says("Gateway default/old", "listener tcp", "Accepted"), "True Accepted");
    assert_eq!(outcome.says("Gateway default/young", "listener tcp", "Accepted"), "False PortUnavailable");
    assert!(
        outcome.faults()[0]
            .contains("0.0.0.0:7000 is taken by the listener \"tcp\" of Gateway default/old (test.yaml#11)")
    );

    // At addresses of their own both have theirs.
    let at = |text: &str, address: &str| {
        text.replace("  listeners", &format!("  addresses: [{{value: {address}}}]\n  listeners"))
    };
    let outcome = lower(&(around() + &at(&younger, "127.0.0.2") + &at(&older, "127.0.0.3")));
    assert_eq!(outcome.says("Gateway default/young", "listener tcp", "Accepted"), "True Accepted");

    let admin = Settings { admin: Some("127.0.0.1:7000".parse().unwrap()), ..Settings::default() };
    let outcome = lower_with(&(around() + &older), &admin);
    assert_eq!(outcome.says("Gateway default/old", "listener tcp", "Accepted"), "False PortUnavailable");
}

#[test]
fn addresses_are_what_is_bound() {
    let spec = "  addresses: [{type: IPAddress, value: 127.0.0.9}, {value: \"::1\"}]\n";
    let route = tcp_route("{name: r}", EDGE, "{name: b1, port: 8080}");
    let outcome = lower(&(around() + &gateway_with(EDGE, &[TCP], spec) + &route));
    let binds: Vec<_> = outcome.config.listeners.iter().map(|listener| listener.bind.to_string()).collect();
    assert_eq!(binds, ["127.0.0.9:7000", "[::1]:7000"]);
    let spec = "  addresses: [{type: Hostname, value: lb.example.com}]\n";
    let outcome = lower(&(around() + &gateway_with(EDGE, &[TCP], spec) + &route));
    assert_eq!(outcome.says("Gateway default/edge", "", "Accepted"), "False UnsupportedAddress");
    assert_eq!(outcome.served(), [""; 0]);
}

#[test]
fn namespaces_are_let_in_as_the_listener_says() {
    let with = |from: &str| {
        format!("{{name: tcp, port: 7000, protocol: TCP, allowedRoutes: {{namespaces: {{{from}}}}}}}")
    };
    let namespace =
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: web, labels: {team: shop, tier: front}}\n";
    let cases = [
        ("from: Same", false),
        ("from: All", true),
        ("from: Selector, selector: {matchLabels: {team: shop}}", true),
        ("from: Selector, selector: {matchLabels: {team: other}}", false),
        ("from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: web}}", true),
        (
            "from: Selector, selector: {matchExpressions: [{key: tier, operator: In, values: [front, back]}]}",
            true,
        ),
        (
            "from: Selector, selector: {matchExpressions: [{key: tier, operator: NotIn, values: [front]}]}",
            false,
        ),
        ("from: Selector, selector: {matchExpressions: [{key: team, operator: Exists}]}", true),
        ("from: Selector, selector: {matchExpressions: [{key: team, operator: DoesNotExist}]}", false),
        (
            "from: Selector, selector: {matchLabels: {team: shop}, matchExpressions: [{key: x, operator: Exists}]}",
            false,
        ),
    ];
    let route =
        tcp_route("{name: r, namespace: web}", "{name: edge, namespace: default}", "{name: b1, port: 8080}");
    for (from, is_let_in) in cases {
        let outcome = lower(&(around() + namespace + &gateway(&[&with(from)]) + &route));
        let says = if is_let_in { "True Accepted" } else { "False NotAllowedByListeners" };
        assert_eq!(outcome.says("TCPRoute web/r", "parent Gateway default/edge", "Accepted"), says, "{from}");
        assert_eq!(outcome.attached("Gateway default/edge", "tcp"), usize::from(is_let_in), "{from}");
    }
    // Without what is misspelt or no text, the selector would let everybody in.
    for (selector, expected) in [
        ("matchLabel: {team: shop}", "selector.matchLabel: unknown field \"matchLabel\"; did you mean"),
        ("matchLabels: team=shop", "selector.matchLabels: is no mapping of labels"),
        ("matchLabels: {team: [shop]}", "selector.matchLabels: is no mapping of labels"),
    ] {
        let from = format!("from: Selector, selector: {{{selector}}}");
        let outcome = lower(&(around() + namespace + &gateway(&[&with(&from)]) + &route));
        assert!(outcome.faults()[0].contains(expected), "{selector}: {:?}", outcome.faults());
        assert_eq!(outcome.served(), [""; 0], "{selector}");
    }
}

#[test]
fn what_the_api_server_would_not_take_discards_the_gateway() {
    let tls = "{name: l, port: 1, protocol: TLS, tls: {mode: Passthrough}}";
    let cases = [
        ("{port: 1, protocol: TCP}", "spec.listeners[0].name: is missing"),
        ("{name: l, protocol: TCP}", "spec.listeners[0].port: is missing"),
        ("{name: l, port: 0, protocol: TCP}", "spec.listeners[0].port: 0 is not an integer from 1 to 65535"),
        ("{name: l, port: 1}", "spec.listeners[0].protocol: is missing"),
        (
            "{name: l, port: 1, protocol: TCP, hostname: x.y}",
            "spec.listeners[0].hostname: names nothing that TCP",
        ),
        (
            "{name: l, port: 1, protocol: TCP, tls: {mode: Passthrough}}",
            "spec.listeners[0].tls: is for protocols with TLS",
        ),
        ("{name: l, port: 1, protocol: TLS}", "spec.listeners[0].tls: is missing"),
        ("{name: l, port: 1, protocol: TLS, tls: {}}", "spec.listeners[0].tls.mode: is missing"),
        ("{name: l, port: 1, protocol: TLS, tls: {mode: Terminate}}", "tls.certificateRefs: is missing"),
        (
            "{name: l, port: 1, protocol: TLS, tls: {mode: Off}}",
            "tls.mode: \"Off\" is none of Terminate, Passthrough",
        ),
        (
            "{name: l, port: 1, protocol: HTTPS, tls: {mode: Passthrough}}",
            "has to be Terminate with protocol HTTPS",
        ),
        ("{name: l, port: 1, protocol: TLS, hostname: 10.0.0.1, tls: {mode: Passthrough}}", "is an address"),
        (
            "{name: l, port: 1, protocol: TLS, hostname: a.*.b, tls: {mode: Passthrough}}",
            "has its star in a place",
        ),
    ];
    for (listener, expected) in cases {
        let outcome = lower(&(around() + &gateway(&[listener])));
        assert!(outcome.faults()[0].contains(expected), "{listener}: {:?}", outcome.faults());
        assert!(outcome.faults()[0].ends_with("the Gateway is discarded"), "{listener}");
    }
    let outcome = lower(&(around() + &gateway(&[tls, &tls.replace("port: 1", "port: 2")])));
    assert!(outcome.faults()[0].contains("spec.listeners[1].name: \"l\" is another listener's name too"));
    let outcome = lower(
        &(around() + &gateway(&[&tls.replace("mode: Passthrough", "mode: Passthrough, certificateRef: x")])),
    );
    assert!(
        outcome.faults()[0]
            .contains("unknown field \"certificateRef\" is ignored; did you mean \"certificateRefs\"?")
    );
}

#[test]
fn of_the_same_name_the_last_stays() {
    let text = around() + &gateway(&[TCP]) + &gateway(&[&TCP.replace("7000", "7001")]);
    let outcome = lower(&(text + &tcp_route("{name: r}", EDGE, "{name: b1, port: 8080}")));
    assert_eq!(outcome.served(), ["7001 any: TCPRoute default/r backend b1:8080=1"]);
    let expected =
        "test.yaml#10: Gateway default/edge: the same kind, namespace and name stands again in test.yaml#11";
    assert!(outcome.faults()[0].starts_with(expected), "{:?}", outcome.faults());
}

#[test]
fn an_address_of_another_dialect_that_stands_first_is_not_available() {
    let mapping = "apiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {name: m}\n\
                   spec: {port: 7000, service: \"svc:1\"}\n";
    let text = gateway(&[TCP]) + &tcp_route("{name: r}", EDGE, "{name: b1, port: 8080}");
    let before = lower(&format!("{mapping}---\n{}{text}", around()));
    let accepted = before.says("Gateway default/edge", "listener tcp", "Accepted");
    assert_eq!(
        (accepted, before.served()),
        ("False PortUnavailable".into(), vec!["7000 any: TCPMapping default/m=100".into()])
    );
    let expected = "0.0.0.0:7000 is already TCPMapping default/m's (test.yaml#1), of another dialect";
    assert!(before.faults()[0].contains(expected), "{:?}", before.faults());

    let behind = lower(&format!("{}{text}---\n{mapping}", around()));
    assert_eq!(behind.says("Gateway default/edge", "listener tcp", "Accepted"), "True Accepted");
    assert_eq!(behind.served(), ["7000 any: TCPRoute default/r backend b1:8080=1"]);
    assert!(
        behind.faults()[0].contains("TCPMapping default/m: 0.0.0.0:7000 is already Gateway default/edge's")
    );
}
