//! TLS to upstreams: the reference's section 2.11, as decided.

use super::*;
use crate::config::material::fixtures::Authority;
use crate::config::settings::UpstreamTlsVerify;

const UNVERIFIED: &str = "the upstream's certificate is not verified, as in Ambassador (said once for all mappings); \
                          give a TLSContext with ca_secret, or set upstream-tls-verify: system";

/// Secrets `s` and `ca`, and contexts of every sort.
fn contexts() -> String {
    let authority = Authority::new("ca");
    secret("s")
        + &secret_of("ca", "Opaque", &[("ca.crt", &authority.pem)])
        + &context("client", "secret: s")
        + &context("named", "secret: s, sni: Funny.Name")
        + &context("mutual", "secret: s, ca_secret: ca")
        + &context("one-way", "ca_secret: ca")
        + &context("bare", "sni: other, min_tls_version: v1.3")
        + &context("with.dot", "sni: dotted")
        + &context("strict", "ca_secret: ca, cert_required: true")
        + &context("broken", "secret: nowhere")
        + &context("flawed", "max_tls_version: v1.0")
        + &elsewhere(&context("far", "sni: far"), "other")
}

#[test]
fn every_spelling_begins_tls() {
    // (spec, origination); the mapping's own name where no context says more.
    let cases: [(&[&str], &str); 14] = [
        (&["service: https://svc"], "TCPMapping default/m, svc, -, none"),
        (&["service: HTTPS://svc:8443"], "TCPMapping default/m, svc, -, none"),
        (&["service: https://10.0.0.1"], "TCPMapping default/m, -, -, none"),
        (&["service: 'https://[::1]:1'"], "TCPMapping default/m, -, -, none"),
        (&["service: https://svc.ns."], "TCPMapping default/m, svc.ns, -, none"),
        (&["tls: true"], "TCPMapping default/m, svc, -, none"),
        (&["tls: client"], "TLSContext default/client, svc, Secret default/s, none"),
        (&["service: http://svc", "tls: client"], "TLSContext default/client, svc, Secret default/s, none"),
        (
            &["service: https://svc", "tls: named"],
            "TLSContext default/named, funny.name, Secret default/s, none",
        ),
        (&["tls: mutual"], "TLSContext default/mutual, svc, Secret default/s, by Secret default/ca"),
        (&["tls: one-way"], "TLSContext default/one-way, svc, -, by Secret default/ca"),
        (&["tls: bare"], "TLSContext default/bare, other, -, none"),
        (&["tls: strict"], "TLSContext default/strict, svc, -, by Secret default/ca"),
        (&["tls: with.dot"], "TLSContext default/with.dot, dotted, -, none"),
    ];
    for (lines, expected) in cases {
        let outcome = lower(&(contexts() + &with_spec(lines)));
        assert_eq!(shown(outcome.origination()), expected, "{lines:?}");
        let warned = outcome.about("TCPMapping default/m");
        assert_eq!(warned.len(), usize::from(expected.ends_with("none")), "{warned:?}");
        assert!(warned.iter().all(|line| line.ends_with(UNVERIFIED)), "{warned:?}");
    }
    for line in ["tls: false", "tls: ''", "tls: null"] {
        assert_eq!(lower(&with_spec(&[line])).only().originate, None, "{line}");
    }
}

#[test]
fn contexts_are_found_in_every_namespace() {
    for name in ["far", "far.other"] {
        let outcome = lower(&(contexts() + &with_spec(&[&format!("tls: {name}")])));
        assert_eq!(shown(outcome.origination()), "TLSContext other/far, far, -, none");
    }
    let twins = elsewhere(&context("c", "sni: b"), "b") + &elsewhere(&context("c", "sni: a"), "a");
    for (name, expected) in [("c", "TLSContext a/c, a, -, none"), ("c.b", "TLSContext b/c, b, -, none")] {
        let outcome = lower(&(twins.clone() + &with_spec(&[&format!("tls: {name}")])));
        assert_eq!(shown(outcome.origination()), expected);
    }
    let outcome = lower(&(twins + &with_spec(&["tls: c"])));
    let expected = "spec.tls: \"c\" is the name of several TLSContexts, of which TLSContext a/c counts, as in \
                    Ambassador; write \"c.b\" to mean TLSContext b/c";
    assert_eq!(outcome.about("TCPMapping default/m")[0], expected);
}

#[test]
fn without_its_context_a_mapping_is_never_served_in_cleartext() {
    let nobody = "declare it, or write service: https://… for TLS without a client certificate";
    let cases = [
        ("nobody", format!("there is no TLSContext \"nobody\"; {nobody}")),
        ("clinet", "there is no TLSContext \"clinet\"; did you mean \"client\"?".to_owned()),
        (
            "'true'",
            "there is no TLSContext \"true\"; for TLS without a client certificate write service: https://…"
                .to_owned(),
        ),
        ("broken", "TLSContext default/broken is in error".to_owned()),
        ("flawed", "TLSContext default/flawed is in error".to_owned()),
    ];
    for (name, why) in cases {
        for service in ["service: svc:1", "service: https://svc:1"] {
            let outcome = lower(&(contexts() + &with_spec(&[service, &format!("tls: {name}")])));
            assert_eq!(outcome.served(), [""; 0], "{name}");
            let expected = format!("spec.tls: {why}; the mapping is discarded");
            assert_eq!(outcome.about("TCPMapping default/m"), [expected]);
        }
    }
}

#[test]
fn the_setting_verifies_who_has_no_authority() {
    let settings = Settings { upstream_tls_verify: UpstreamTlsVerify::System, ..Settings::default() };
    let cases = [
        ("service: https://svc", "TCPMapping default/m, svc, -, system as sent"),
        ("tls: named", "TLSContext default/named, funny.name, Secret default/s, system as sent"),
        ("tls: mutual", "TLSContext default/mutual, svc, Secret default/s, by Secret default/ca"),
    ];
    for (line, expected) in cases {
        let outcome = lower_with(&(contexts() + &with_spec(&[line])), &settings);
        assert_eq!(
            (shown(outcome.origination()).as_str(), outcome.about("TCPMapping default/m").len()),
            (expected, 0)
        );
    }
}

#[test]
fn that_nobody_is_verified_is_said_once() {
    let text = named("a", &["service: https://a"]) + &named("b", &["service: https://b", "port: 7001"]);
    let expected = format!("test.yaml#1: TCPMapping default/a: spec.service: {UNVERIFIED}");
    assert_eq!(lower(&text).all(), [expected]);
}

#[test]
fn an_istio_certificate_brings_its_authority() {
    let authority = Authority::new("istio");
    let entries = [
        ("cert-chain.pem", any().chain.as_str()),
        ("key.pem", &any().key),
        ("root-cert.pem", &authority.pem),
    ];
    let text = secret_of("istio.default", "istio.io/key-and-cert", &entries)
        + &context("c", "secret: istio.default, secret_namespacing: false")
        + &with_spec(&["tls: c"]);
    let outcome = lower(&text);
    let expected = "TLSContext default/c, svc, Secret default/istio.default, by Secret default/istio.default";
    assert_eq!((shown(outcome.origination()).as_str(), outcome.all().len()), (expected, 0));
}

#[test]
fn a_bare_name_is_sent_as_it_is_dialled() {
    let text = elsewhere(&with_spec(&["service: https://svc"]), "other");
    assert_eq!(lower(&text).origination().server_name, NameSent::Fixed("svc.other".into()));
}
