//! `TLSRoute`.

use super::*;
use crate::config::material::fixtures;

const B1: &str = "{name: b1, port: 443}";

fn passthrough(name: &str, hostname: &str) -> String {
    let hostname = if hostname.is_empty() { String::new() } else { format!(", hostname: \"{hostname}\"") };
    format!("{{name: {name}, port: 7000, protocol: TLS{hostname}, tls: {{mode: Passthrough}}}}")
}

fn terminate(name: &str, hostname: &str) -> String {
    passthrough(name, hostname)
        .replace("mode: Passthrough", "mode: Terminate, certificateRefs: [{name: cert}]")
}

fn tls_route(name: &str, parent: &str, hostnames: &str, backends: &str) -> String {
    let hostnames = format!("  hostnames: [{hostnames}]\n");
    route("TLSRoute", &format!("{{name: {name}}}"), parent, backends, &hostnames)
}

fn with_cert(text: &str) -> Outcome {
    lower(&(around() + &secret("cert", fixtures::any()) + text))
}

const PARENT: &str = "parent Gateway default/edge";

/// TLSRouteSimpleSameNamespace, TLSRouteTerminateSimpleSameNamespace.
#[test]
fn a_route_is_passed_through_or_ended_as_its_listener_says() {
    let route = tls_route("r", EDGE, "abc.example.com", B1);
    for (listener, ended) in [(passthrough("l", ""), ""), (terminate("l", ""), " ended")] {
        let outcome = with_cert(&(gateway(&[&listener]) + &route));
        let expected = format!("7000 abc.example.com{ended}: TLSRoute default/r backend b1:443=1");
        assert_eq!((outcome.served(), outcome.faults()), (vec![expected], Vec::new()));
        assert_eq!(outcome.says("TLSRoute default/r", PARENT, "Accepted"), "True Accepted");
        assert_eq!(outcome.says("TLSRoute default/r", PARENT, "ResolvedRefs"), "True ResolvedRefs");
        assert_eq!(outcome.attached("Gateway default/edge", "l"), 1);
        assert_eq!(outcome.part("Gateway default/edge", "listener l").kinds, Some(vec!["TLSRoute"]));
    }
}

/// TLSRouteMixedTerminationSameNamespace.
#[test]
fn a_port_may_end_some_names_and_pass_others_through() {
    let listeners = [terminate("tls", "tls.example.com"), passthrough("abc", "abc.example.com")];
    let routes = tls_route("a", "{name: edge, sectionName: tls}", "tls.example.com", B1)
        + &tls_route("b", "{name: edge, sectionName: abc}", "abc.example.com", "{name: b2, port: 443}");
    let outcome = with_cert(&(gateway(&[&listeners[0], &listeners[1]]) + &routes));
    let expected = [
        "7000 tls.example.com ended: TLSRoute default/a backend b1:443=1",
        "7000 abc.example.com: TLSRoute default/b backend b2:443=1",
    ];
    assert_eq!((outcome.served(), outcome.faults()), (expected.map(str::to_owned).to_vec(), Vec::new()));
}

/// TLSRouteHostnameIntersection, as the reference tabulates it.
#[test]
fn a_route_takes_the_names_that_its_listener_has_too() {
    let b1 = "backend b1:443=1";
    let b2 = "backend b2:443=1";
    let cases: [(&str, &[&str], &[String]); 4] = [
        ("abc.example.com", &["*.example.com"], &[format!("7000 abc.example.com: TLSRoute default/r0 {b1}")]),
        (
            "*.example.com",
            &["abc.example.com", "*.com"],
            &[
                format!("7000 abc.example.com: TLSRoute default/r0 {b1}"),
                format!("7000 *.example.com: TLSRoute default/r1 {b2}"),
            ],
        ),
        (
            "*.com",
            &["abc.example.com", "*.example.com"],
            &[
                format!("7000 abc.example.com: TLSRoute default/r0 {b1}"),
                format!("7000 *.example.com: TLSRoute default/r1 {b2}"),
            ],
        ),
        (
            "",
            &["abc.example.com", "*.com"],
            &[
                format!("7000 abc.example.com: TLSRoute default/r0 {b1}"),
                format!("7000 *.com: TLSRoute default/r1 {b2}"),
            ],
        ),
    ];
    for (listener, hostnames, expected) in cases {
        let routes: String = hostnames
            .iter()
            .enumerate()
            .map(|(place, hostname)| {
                let backend = format!("{{name: b{}, port: 443}}", place + 1);
                tls_route(&format!("r{place}"), EDGE, &format!("\"{hostname}\""), &backend)
            })
            .collect();
        let outcome = with_cert(&(gateway(&[&passthrough("l", listener)]) + &routes));
        assert_eq!(outcome.served(), expected, "{listener}");
        assert_eq!(outcome.attached("Gateway default/edge", "l"), hostnames.len());
    }
}

/// TLSRouteInvalidNoMatchingListenerHostname.
#[test]
fn a_route_without_a_name_of_its_listener_is_not_accepted() {
    for hostnames in ["other.example.org", "\"*.example.org\"", "example.com"] {
        let outcome = with_cert(
            &(gateway(&[&passthrough("l", "*.example.com")]) + &tls_route("r", EDGE, hostnames, B1)),
        );
        let accepted = outcome.says("TLSRoute default/r", PARENT, "Accepted");
        assert_eq!(accepted, "False NoMatchingListenerHostname", "{hostnames}");
        assert_eq!(outcome.attached("Gateway default/edge", "l"), 0);
        assert!(outcome.diagnostics.iter().any(|found| found.discarded), "{hostnames}");
    }
    let text = gateway(&[&passthrough("l", "*.example.com")])
        + &tls_route("r", EDGE, "a.example.org, a.example.com", B1);
    assert_eq!(
        with_cert(&text).served(),
        ["7000 a.example.com: TLSRoute default/r backend b1:443=1"],
        "one will do"
    );
}

/// TLSRouteInvalidNoMatchingListener.
#[test]
fn a_route_without_a_listener_is_not_accepted() {
    let cases = [
        ("{name: l, port: 80, protocol: HTTP}", EDGE, PARENT, "False NotAllowedByListeners"),
        (
            "{name: l, port: 443, protocol: HTTPS, tls: {mode: Terminate, certificateRefs: [{name: cert}]}}",
            EDGE,
            PARENT,
            "False NotAllowedByListeners",
        ),
        ("{name: l, port: 80, protocol: TCP}", EDGE, PARENT, "False NotAllowedByListeners"),
        (
            "{name: l, port: 80, protocol: TCP}",
            "{name: edge, sectionName: x}",
            "parent Gateway default/edge section x",
            "False NoMatchingParent",
        ),
    ];
    for (listener, parent, part, expected) in cases {
        let outcome = with_cert(&(gateway(&[listener]) + &tls_route("r", parent, "a.example.com", B1)));
        assert_eq!(outcome.says("TLSRoute default/r", part, "Accepted"), expected, "{listener}");
        assert_eq!(outcome.attached("Gateway default/edge", "l"), 0);
        assert_eq!(outcome.served(), [""; 0]);
    }
}

/// TLSRouteInvalidBackendRefNonexistent, TLSRouteInvalidBackendRefUnknownKind, TLSRouteInvalidReferenceGrant.
#[test]
fn backends_that_cannot_be_used_refuse() {
    let cases = [
        ("{name: nobody, port: 443}", "False BackendNotFound"),
        ("{group: example.com, kind: Bucket, name: b}", "False InvalidKind"),
        ("{name: b1, namespace: web, port: 443}", "False RefNotPermitted"),
    ];
    let grant = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {name: g, namespace: web}\n\
                 spec: {from: [{group: gateway.networking.k8s.io, kind: TCPRoute, namespace: default}], to: [{group: '', kind: Service}]}\n";
    for (backend, expected) in cases {
        let text =
            gateway(&[&passthrough("l", "")]) + &tls_route("r", EDGE, "a.example.com", backend) + grant;
        let outcome = with_cert(&text);
        assert_eq!(outcome.says("TLSRoute default/r", PARENT, "Accepted"), "True Accepted", "{backend}");
        assert_eq!(outcome.says("TLSRoute default/r", PARENT, "ResolvedRefs"), expected, "{backend}");
        assert_eq!(outcome.served(), ["7000 a.example.com: refused=1"], "{backend}");
    }
}

#[test]
fn of_the_same_names_the_narrower_hostname_comes_first_and_then_the_older() {
    let b2 = "{name: b2, port: 443}";
    let text = gateway(&[&passthrough("l", "*.example.com")])
        + &tls_route("wide", EDGE, "\"*.com\"", B1)
        + &tls_route("narrow", EDGE, "\"*.example.com\"", b2);
    let outcome = with_cert(&text);
    assert_eq!(outcome.served(), ["7000 *.example.com: TLSRoute default/narrow backend b2:443=1"]);
    assert_eq!(outcome.faults(), [""; 0], "which is what hostnames are for");
    let text = gateway(&[&passthrough("l", "")])
        + &tls_route("older", EDGE, "a.example.com", B1)
        + &tls_route("younger", EDGE, "a.example.com, b.example.com", b2);
    let expected = [
        "7000 a.example.com: TLSRoute default/older backend b1:443=1",
        "7000 b.example.com: TLSRoute default/younger backend b2:443=1",
    ];
    let outcome = with_cert(&text);
    assert_eq!(outcome.served(), expected);
    let [fault] = outcome.faults().try_into().unwrap();
    assert!(
        fault.contains("TLSRoute default/younger: spec.hostnames: a.example.com is TLSRoute default/older"),
        "{fault}"
    );
}

#[test]
fn a_connection_is_its_narrowest_listeners_and_of_no_other() {
    let listeners =
        [passthrough("all", ""), passthrough("wide", "*.example.com"), passthrough("one", "a.example.com")];
    let routes = tls_route("w", "{name: edge, sectionName: wide}", "a.example.com, b.example.com", B1)
        + &tls_route("o", "{name: edge, sectionName: one}", "\"*.example.com\"", "{name: b2, port: 443}")
        + &tls_route(
            "all",
            "{name: edge, sectionName: all}",
            "c.example.com, c.example.org",
            "{name: b3, port: 443}",
        );
    let listeners = listeners.each_ref().map(String::as_str);
    let expected = [
        "7000 a.example.com: TLSRoute default/o backend b2:443=1",
        "7000 b.example.com: TLSRoute default/w backend b1:443=1",
        "7000 *.example.com: refused=0",
        "7000 c.example.com: TLSRoute default/all backend b3:443=1",
        "7000 c.example.org: TLSRoute default/all backend b3:443=1",
    ];
    assert_eq!(with_cert(&(gateway(&listeners) + &routes)).served(), expected);
}

#[test]
fn a_tls_route_says_its_hostnames_but_in_old_versions() {
    let text = gateway(&[&passthrough("l", "*.example.com")]) + &route("TLSRoute", "{name: r}", EDGE, B1, "");
    let outcome = with_cert(&text);
    assert!(outcome.faults()[0].contains("spec.hostnames: is missing"), "{:?}", outcome.faults());
    for version in ["v1alpha2", "v1alpha3"] {
        let text = text.replace("k8s.io/v1\nkind: TLSRoute", &format!("k8s.io/{version}\nkind: TLSRoute"));
        assert_eq!(with_cert(&text).served(), ["7000 *.example.com: TLSRoute default/r backend b1:443=1"]);
    }
    let outcome = with_cert(&(gateway(&[&passthrough("l", "")]) + &tls_route("r", EDGE, "10.0.0.1", B1)));
    assert!(
        outcome.faults()[0].contains("spec.hostnames[0]: \"10.0.0.1\" is an address"),
        "{:?}",
        outcome.faults()
    );
}

#[test]
fn amazons_class_lets_tcp_routes_attach_to_listeners_of_tls() {
    let text = gateway(&[&passthrough("l", "db.example.com")]) + &tcp_route("{name: r}", EDGE, B1);
    let outcome = with_cert(&text);
    assert_eq!(outcome.says("TCPRoute default/r", PARENT, "Accepted"), "False NotAllowedByListeners");
    let amazon = (around() + &text).replace("sluice.dev/gateway", "gateway.k8s.aws/nlb");
    let outcome = lower(&amazon);
    assert_eq!(outcome.says("TCPRoute default/r", PARENT, "Accepted"), "True Accepted");
    assert_eq!(outcome.part("Gateway default/edge", "listener l").kinds, Some(vec!["TCPRoute", "TLSRoute"]));
    assert_eq!(outcome.served(), ["7000 any: TCPRoute default/r backend b1:443=1"]);
}

/// Neither are those of a listener that is not taken up at all: it may have asked clients for certificates.
#[test]
fn the_names_of_a_listener_in_error_are_not_for_a_wider_one() {
    let asks = terminate("asks", "a.example.com").replace(
        "certificateRefs: [{name: cert}]",
        "certificateRefs: [{name: cert}], frontendValidation: {caCertificateRefs: [{name: nobody}]}",
    );
    let twice = [terminate("one", "a.example.com"), passthrough("two", "a.example.com")];
    let wide = terminate("wide", "*.example.com");
    let route = tls_route("r", EDGE, "\"*.example.com\"", B1);
    let expected =
        ["7000 a.example.com: refused=0", "7000 *.example.com ended: TLSRoute default/r backend b1:443=1"];
    for listeners in [vec![&*wide, &asks], vec![&*wide, &twice[0], &twice[1]]] {
        let outcome = with_cert(&(gateway(&listeners) + &route));
        assert_eq!(outcome.served(), expected, "{listeners:?}");
    }
    // Another Gateway's is served as ever.
    let other = gateway_with("{name: other}", &[&passthrough("good", "a.example.com")], "")
        + &tls_route("s", "{name: other}", "a.example.com", B1);
    let outcome = with_cert(&(gateway(&[&wide, &twice[0], &twice[1]]) + &route + &other));
    let expected = ["7000 a.example.com: TLSRoute default/s backend b1:443=1", expected[1]];
    assert_eq!(outcome.served(), expected);
}
