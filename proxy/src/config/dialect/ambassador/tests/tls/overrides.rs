//! Annotations about TLS.

use super::*;
use crate::config::material::fixtures::Authority;
use crate::config::model::Prelude;
use crate::config::settings::{Settings, UpstreamTlsVerify};

/// A mapping with annotations and more lines of `spec`, behind a Host and a context `mutual`.
fn with(annotations: &str, lines: &[&str]) -> Outcome {
    let authority = Authority::new("ca");
    let mapping =
        with_spec(lines).replace("{name: m}", &format!("{{name: m, annotations: {{{annotations}}}}}"));
    let before = secret("s")
        + &secret_of("ca", "Opaque", &[("ca.crt", &authority.pem)])
        + &host("h", "tlsSecret: {name: s}")
        + &context("mutual", "secret: s, ca_secret: ca")
        + &context("client", "secret: s");
    lower(&(before + &mapping))
}

#[test]
fn passthrough_by_name_needs_no_certificate() {
    let mapping = with_spec(&["host: '*.a.com'"]).replace(
        "{name: m}",
        "{name: m, annotations: {sluice.dev/tls-mode: passthrough, sluice.dev/tls-alpn: 'h2,http/1.1'}}",
    );
    let outcome = lower(&mapping);
    assert_eq!(
        (outcome.routes(), outcome.all()),
        (vec!["0.0.0.0:7000 *.a.com+h2+http/1.1 raw m".to_owned()], vec![])
    );
    let outcome = with("sluice.dev/tls-mode: terminate", &["host: a"]);
    assert_eq!(outcome.routes(), ["0.0.0.0:7000 a Host default/h (Secret default/s) m"]);
}

#[test]
fn preludes_go_where_tls_begins() {
    let pg = Some(Prelude::Postgres);
    // (spec, passthrough, of clients and of the upstream)
    let cases: [(&[&str], bool, _); 5] = [
        (&["host: a"], false, (pg, None)),
        (&["host: a", "service: https://svc"], false, (pg, pg)),
        (&["host: a"], true, (pg, pg)),
        (&["service: https://svc"], false, (None, pg)),
        (&["tls: client"], false, (None, pg)),
    ];
    for (lines, through, expected) in cases {
        let mode = if through { ", sluice.dev/tls-mode: passthrough" } else { "" };
        let outcome = with(&format!("sluice.dev/starttls: postgres{mode}"), lines);
        assert_eq!((outcome.config.listeners[0].prelude, outcome.only().prelude), expected, "{lines:?}");
    }
}

#[test]
fn names_of_upstreams_are_read_as_a_list_or_as_its_text() {
    let expected =
        "by Secret default/ca dns:a.example.com spiffe://cluster.local/ns/x/sa/y urn:x:y ip:10.0.0.1 ip:::1";
    let list =
        "dns:A.example.com, 'spiffe://cluster.local/ns/x/sa/y', 'uri:urn:x:y', 'ip:10.0.0.1', 'ip:::1'";
    let text = "dns:a.example.com, spiffe:spiffe://cluster.local/ns/x/sa/y, uri:urn:x:y, ip:10.0.0.1, ip:::1";
    for value in
        [format!("[{list}]"), quoted(text), quoted(&format!("[{text}]")), quoted(&text.replace(", ", "\n"))]
    {
        let outcome = with(&format!("sluice.dev/upstream-sans: {value}"), &["tls: mutual"]);
        assert!(shown(outcome.origination()).ends_with(expected), "{value}: {:?}", outcome.all());
    }
}

#[test]
fn the_name_sent_and_the_depth_are_what_is_asked_for() {
    for (annotations, lines, expected) in [
        (
            "upstream-sni: host",
            &["host: a", "tls: mutual"][..],
            "(host), Secret default/s, by Secret default/ca",
        ),
        (
            "upstream-sni: client",
            &["host: a", "tls: mutual"],
            "(client), Secret default/s, by Secret default/ca",
        ),
        ("upstream-sni: none", &["tls: mutual"], "-, Secret default/s, by Secret default/ca"),
        (
            "upstream-sni: Pay.Example.COM.",
            &["tls: mutual"],
            "pay.example.com, Secret default/s, by Secret default/ca",
        ),
        (
            "upstream-verify-depth: 0",
            &["tls: mutual"],
            "svc, Secret default/s, by Secret default/ca within 0",
        ),
        (
            "upstream-verify-depth: '3', sluice.dev/upstream-sans: 'dns:a'",
            &["tls: mutual"],
            "svc, Secret default/s, by Secret default/ca dns:a within 3",
        ),
    ] {
        let outcome = with(&format!("sluice.dev/{annotations}"), lines);
        let shown = shown(outcome.origination());
        assert_eq!(shown.split_once(", ").unwrap().1, expected, "{annotations}: {:?}", outcome.all());
    }
    let settings = Settings { upstream_tls_verify: UpstreamTlsVerify::System, ..Settings::default() };
    let annotations = "sluice.dev/upstream-sans: 'dns:a', sluice.dev/upstream-verify-depth: 1";
    let mapping = with_spec(&["service: https://svc"])
        .replace("{name: m}", &format!("{{name: m, annotations: {{{annotations}}}}}"));
    let outcome = lower_with(&mapping, &settings);
    assert_eq!(shown(outcome.origination()), "TCPMapping default/m, svc, -, system dns:a within 1");
}

#[test]
fn annotations_that_cannot_be_discard_the_mapping() {
    let cases: [(&str, &[&str], &str); 22] = [
        ("tls-mode: through", &["host: a"], "tls-mode: \"through\" is none of terminate, passthrough"),
        (
            "tls-mode: passthrough",
            &[],
            "tls-mode: needs a host to go by; give one, \"*\" for any, or leave the annotation out: a mapping without \
             host passes every byte on, TLS included",
        ),
        (
            "tls-mode: passthrough",
            &["host: a", "service: https://svc"],
            "tls-mode: passes the clients' own TLS on, so none can begin here; leave out tls and https://, or the \
             annotation",
        ),
        (
            "tls-mode: passthrough",
            &["host: a", "tls: client"],
            "tls-mode: passes the clients' own TLS on, so none can begin here; leave out tls and https://, or the \
             annotation",
        ),
        (
            "tls-alpn: h2",
            &["host: a"],
            "tls-alpn: chooses among clients whose TLS is passed through; give sluice.dev/tls-mode: passthrough and a \
             host, or alpn_protocols to the TLSContext that terminates",
        ),
        (
            "tls-alpn: h2",
            &[],
            "tls-alpn: chooses among clients whose TLS is passed through; give sluice.dev/tls-mode: passthrough and a \
             host, or alpn_protocols to the TLSContext that terminates",
        ),
        (
            "tls-mode: passthrough, sluice.dev/tls-alpn: ''",
            &["host: a"],
            "tls-alpn: names no protocol; give some, such as h2,http/1.1",
        ),
        ("starttls: smtp", &["host: a"], "starttls: \"smtp\" is none of postgres"),
        (
            "starttls: postgres",
            &[],
            "starttls: is about TLS, which this mapping neither ends, looks at nor begins; give a host, or service: \
             https://…",
        ),
        (
            "upstream-sans: dns:a",
            &["host: a"],
            "upstream-sans: checks the upstream's certificate, and no TLS begins here; give tls: a TLSContext",
        ),
        (
            "upstream-sans: dns:a",
            &["service: https://svc"],
            "upstream-sans: checks names in a certificate that no authority vouches for; give a TLSContext with ca_secret, or \
             set upstream-tls-verify: system",
        ),
        (
            "upstream-sans: dns:a",
            &["tls: client"],
            "upstream-sans: checks names in a certificate that no authority vouches for; give a TLSContext with ca_secret, or \
             set upstream-tls-verify: system",
        ),
        (
            "upstream-sans: a.example.com",
            &["tls: mutual"],
            "upstream-sans: \"a.example.com\" is none of dns:NAME, uri:URI, spiffe://DOMAIN/PATH and ip:ADDRESS",
        ),
        (
            "upstream-sans: 'ip:localhost'",
            &["tls: mutual"],
            "upstream-sans: \"ip:localhost\" is none of dns:NAME, uri:URI, spiffe://DOMAIN/PATH and ip:ADDRESS",
        ),
        (
            "upstream-sans: []",
            &["tls: mutual"],
            "upstream-sans: names nobody; give dns:NAME, or leave it out",
        ),
        (
            "upstream-sni: pay.example.com",
            &["host: a"],
            "upstream-sni: is the name that the upstream is asked for, and no TLS begins here; give service: \
             https://…, or tls: a TLSContext",
        ),
        (
            "upstream-sni: client",
            &["tls: mutual"],
            "upstream-sni: is \"client\", and without a host no client's name is looked at; give one, \"*\" for any",
        ),
        (
            "upstream-sni: 10.0.0.1",
            &["tls: mutual"],
            "upstream-sni: \"10.0.0.1\" is no DNS name, and none of host, client and none",
        ),
        (
            "upstream-verify-depth: 1",
            &["host: a"],
            "upstream-verify-depth: bounds the chain of the upstream's certificate, and no TLS begins here; give tls: a \
             TLSContext",
        ),
        (
            "upstream-verify-depth: 1",
            &["tls: client"],
            "upstream-verify-depth: bounds the chain of a certificate that no authority vouches for; give a TLSContext \
             with ca_secret, or set upstream-tls-verify: system",
        ),
        (
            "upstream-verify-depth: 101",
            &["tls: mutual"],
            "upstream-verify-depth: 101 is not an integer from 0 to 100",
        ),
        (
            "upstream-verify-depth: deep",
            &["tls: mutual"],
            "upstream-verify-depth: \"deep\" is not an integer from 0 to 100",
        ),
    ];
    for (annotation, lines, message) in cases {
        let outcome = with(&format!("sluice.dev/{annotation}"), lines);
        assert_eq!(outcome.served(), [""; 0], "{annotation}");
        let expected = format!("metadata.annotations.sluice.dev/{message}; the mapping is discarded");
        assert_eq!(outcome.about("TCPMapping default/m"), [expected], "{lines:?}");
    }
}
