//! Which certificate a host finds: the reference's section 2.6, as decided.

use super::*;
use crate::config::dialect::ambassador::tls::overlap;

/// The route of `m` with `host`, behind these documents and a Secret `s`.
fn found(host: &str, documents: &[String]) -> Vec<String> {
    let text = secret("s") + &documents.concat() + &with_spec(&[&format!("host: '{host}'")]);
    let outcome = lower(&text);
    let routes = outcome.routes();
    let by = |route: &String| route.split(' ').skip(2).take(2).collect::<Vec<_>>().join(" ");
    routes.iter().map(by).collect()
}

fn with(name: &str, hostname: &str) -> String {
    host(name, &format!("hostname: '{hostname}', tlsSecret: {{name: s}}"))
}

#[test]
fn hosts_come_first_and_the_best_fit_among_them() {
    let exact = with("exact", "foo.example.com");
    let (narrow, wide) = (with("narrow", "*.example.com"), with("wide", "*.com"));
    let all = host("all", "tlsSecret: {name: s}");
    let theirs = context("theirs", "hosts: [foo.example.com], secret: s");
    let cases: [(&str, Vec<&String>, &str); 8] = [
        ("foo.example.com", vec![&all, &wide, &narrow, &exact, &theirs], "Host default/exact"),
        ("foo.example.com", vec![&all, &wide, &narrow, &theirs], "Host default/narrow"),
        ("foo.example.com", vec![&all, &wide, &theirs], "Host default/wide"),
        ("foo.example.com", vec![&theirs, &all], "Host default/all"),
        ("foo.example.com", vec![&theirs], "TLSContext default/theirs"),
        ("FOO.example.com", vec![&theirs], "TLSContext default/theirs"),
        ("*.example.com", vec![&exact], "Host default/exact"),
        ("*.example.com", vec![&exact, &all], "Host default/all"),
    ];
    for (name, documents, expected) in cases {
        let documents: Vec<_> = documents.into_iter().cloned().collect();
        assert_eq!(found(name, &documents), [expected], "{name}");
    }
}

#[test]
fn contexts_match_exactly_or_not_at_all() {
    let cases = [
        ("*.example.com", "*.example.com", true),
        ("*.example.com", "foo.example.com", false),
        ("foo.example.com", "*.example.com", false),
        ("foo.example.com", "Foo.Example.Com", true),
        ("*", "*", true),
        ("*", "a", false),
    ];
    for (listed, host, matches) in cases {
        let document = context("c", &format!("hosts: ['x', '{listed}'], secret: s"));
        assert_eq!(found(host, &[document]).len(), usize::from(matches), "{listed} for {host}");
    }
}

#[test]
fn of_equals_the_first_by_name_counts() {
    let (a, b) = (context("a", "hosts: [x], secret: s"), context("b", "hosts: [x], secret: s"));
    assert_eq!(found("x", &[b.clone(), a.clone()]), ["TLSContext default/a"]);
    assert_eq!(found("x", &[with("b", "x"), with("a", "x")]), ["Host default/a"]);
    let other = elsewhere(&a, "zoo") + &elsewhere(&secret("s"), "zoo");
    assert_eq!(found("x", &[other, b]), ["TLSContext zoo/a"]);
}

#[test]
fn hosts_without_tls_are_passed_by() {
    let bare = host("bare", "hostname: x");
    let theirs = context("theirs", "hosts: [x], secret: s");
    assert_eq!(found("x", &[bare.clone(), theirs]), ["TLSContext default/theirs"]);
    let outcome = lower(&(bare + &with_spec(&["host: x"])));
    let expected = "test.yaml#2: TCPMapping default/m: spec.host: Host default/bare matches \"x\" and has no \
                    tlsSecret, and no TLSContext has that name among its hosts; give one of them a certificate; \
                    the mapping is discarded";
    assert_eq!(outcome.all(), [expected]);
}

#[test]
fn nobody_matches_and_the_mapping_says_what_was_looked_for() {
    let outcome = lower(&with_spec(&["host: pay.example.com"]));
    let expected = "test.yaml#1: TCPMapping default/m: spec.host: no Host matches \"pay.example.com\", and no \
                    TLSContext has that name among its hosts; declare one with a certificate, or have it passed \
                    through with sluice.dev/tls-mode: passthrough; the mapping is discarded";
    assert_eq!((outcome.served().len(), outcome.all()), (0, vec![expected.to_owned()]));
}

#[test]
fn who_is_in_error_makes_way_unless_it_asks_for_client_certificates() {
    let broken = host("broken", "hostname: x, tlsSecret: {name: nowhere}");
    let theirs = context("theirs", "hosts: [x], secret: s");
    assert_eq!(found("x", &[broken.clone(), theirs.clone()]), ["TLSContext default/theirs"]);

    let outcome = lower(&(broken.clone() + &with_spec(&["host: x"])));
    let expected = [
        "test.yaml#2: TCPMapping default/m: spec.host: Host default/broken matches \"x\" and is in error, and nobody \
         else does; the mapping is discarded",
        "test.yaml#1: Host default/broken: spec.tlsSecret.name: there is no Secret default/nowhere; the Host is discarded",
    ];
    assert_eq!(outcome.all(), expected);

    let strict =
        broken.replace("hostname: x,", "hostname: x, tls: {cert_required: true, ca_secret: nowhere},");
    let outcome = lower(&(secret("s") + &strict + &theirs + &with_spec(&["host: x"])));
    let expected = "spec.host: Host default/broken matches, asks clients for certificates and is in error, so nobody \
                    stands in for it; the mapping is discarded";
    assert_eq!(outcome.about("TCPMapping default/m"), [expected]);
}

#[test]
fn globs_overlap_as_in_ambassador() {
    let cases = [
        ("*", "x", true),
        ("*.x", "*", true),
        ("x", "x", true),
        ("x", "y", false),
        (".x", "a.x", false),
        ("*.x", "a.x", true),
        ("*.x", ".x", false),
        ("*.x", "x", false),
        ("*x", "ax", true),
        ("*example.com", "fooexample.com", true),
        ("*.x", "*.a.x", true),
        ("*.x", "*.y", false),
        ("*.x", "a.*", true),
        ("a.*", "a.x", true),
        ("a.*", "a.", false),
        ("a.*", "a.b.*", true),
        ("a.*", "b.*", false),
        ("*a*", "*a*", true),
        ("*a*", "bab", false),
    ];
    for (a, b, expected) in cases {
        assert_eq!((overlap(a, b), overlap(b, a)), (expected, expected), "{a} and {b}");
    }
}

#[test]
fn a_host_takes_the_rest_from_the_context_it_links_to() {
    let authority = crate::config::material::fixtures::Authority::new("ca");
    let ca = secret_of("ca", "Opaque", &[("ca.crt", &authority.pem)]);
    let strict = context("strict", "min_tls_version: v1.3, ca_secret: ca, cert_required: true");
    for (name, link) in [("h", "tlsContext: {name: strict}, "), ("strict", "")] {
        let strict = if link.is_empty() {
            strict.replace("name: strict", "name: strict-context")
        } else {
            strict.clone()
        };
        let text = secret("s")
            + &ca
            + &strict
            + &host(name, &format!("hostname: x, {link}tlsSecret: {{name: s}}"))
            + &with_spec(&["host: x"]);
        let outcome = lower(&text);
        let termination = outcome.termination();
        assert_eq!(&*termination.name, format!("Host default/{name}"));
        assert_eq!(clients(termination), "required by Secret default/ca");
        assert!(!termination.parameters.versions.tls12);
        assert_eq!(outcome.all(), [""; 0]);
    }
}

#[test]
fn what_is_wrong_with_a_host_is_said_where_it_is() {
    let cases = [
        (
            "tlsContext: {name: nobody}, tlsSecret: {name: s}",
            "spec.tlsContext.name: there is no TLSContext \"nobody\"; declare it, or write service: https://… for TLS \
             without a client certificate",
        ),
        (
            "tlsContext: {name: c}, tlsSecret: {name: other}",
            "spec.tlsSecret.name: means Secret default/other, and TLSContext default/c Secret default/s; make them \
             the same, or leave one out",
        ),
        (
            "tlsContext: {name: c}, tls: {sni: a}, tlsSecret: {name: s}",
            "spec.tls: stands beside tlsContext; keep one of them",
        ),
        (
            "tls: {min_tls_version: v9}, tlsSecret: {name: s}",
            "spec.tls.min_tls_version: \"v9\" is none of v1.0, v1.1, v1.2, v1.3",
        ),
        (
            "tls: {cert_chain_file: /a, private_key_file: /b}, tlsSecret: {name: s}",
            "spec.tls.cert_chain_file: stands beside tlsSecret; keep one of them",
        ),
    ];
    for (spec, message) in cases {
        let text = secret("s") + &context("c", "secret: s") + &host("h", spec) + &with_spec(&["host: x"]);
        let outcome = lower(&text);
        assert_eq!(outcome.served(), [""; 0], "{spec}");
        assert_eq!(outcome.about("Host default/h"), [format!("{message}; the Host is discarded")]);
    }
}

#[test]
fn a_context_in_error_takes_its_host_along_and_is_said_once() {
    let text = secret("s")
        + &context("c", "ca_secret: nowhere")
        + &host("h", "hostname: '*', tlsContext: {name: c}, tlsSecret: {name: s}")
        + &named("a", &["host: a"])
        + &named("b", &["host: b"]);
    let outcome = lower(&text);
    assert_eq!(outcome.served(), [""; 0]);
    let expected = "spec.tlsContext.name: TLSContext default/c is in error; the Host is discarded";
    assert_eq!(outcome.about("Host default/h"), [expected]);
    let expected = "spec.ca_secret: there is no Secret default/nowhere; the TLSContext is discarded";
    assert_eq!(outcome.about("TLSContext default/c"), [expected]);
}

#[test]
fn routes_and_mappings_share_what_is_the_same() {
    let text = secret("s")
        + &with("h", "*")
        + &context("up", "secret: s")
        + &named("a", &["host: a", "tls: up"])
        + &named("b", &["host: b", "tls: up"])
        + &named("c", &["host: c", "tls: up", "service: other"]);
    let outcome = lower(&text);
    let routes = &outcome.config.listeners[0].routes;
    let ends: Vec<_> = routes
        .iter()
        .map(|route| match &route.downstream {
            Downstream::Terminate(termination) => Arc::as_ptr(termination),
            Downstream::Raw => panic!("raw"),
        })
        .collect();
    assert!(ends[0] == ends[1] && ends[1] == ends[2]);
    let begins: Vec<_> =
        routes.iter().map(|route| Arc::as_ptr(route.mappings[0].originate.as_ref().unwrap())).collect();
    assert!(begins[0] == begins[1] && begins[1] != begins[2], "another service has another name");
}

#[test]
fn a_hosts_context_without_tls_secret_is_honoured_with_a_notice() {
    let text = secret("s")
        + &context("c", "secret: s")
        + &host("h", "hostname: x, tlsContext: {name: c}")
        + &with_spec(&["host: x"]);
    let outcome = lower(&text);
    assert_eq!(outcome.routes(), ["0.0.0.0:7000 x Host default/h (Secret default/s) m"]);
    let expected =
        "spec.tlsSecret: is missing, where Ambassador ignores tls and tlsContext; sluice honours them";
    assert_eq!(outcome.about("Host default/h"), [expected]);
}

#[test]
fn a_listener_chooses_among_hosts() {
    let labelled =
        with("labelled", "x").replace("{name: labelled}", "{name: labelled, labels: {team: pay, a: b}}");
    let far = elsewhere(&with("far", "x"), "other") + &elsewhere(&secret("s"), "other");
    let all = labelled + &far + &with("plain", "x");
    let cases = [
        ("namespace: {from: ALL}", "Host other/far"),
        ("namespace: {from: SELF}", "Host default/labelled"),
        ("selector: {matchLabels: {team: pay}}", "Host default/labelled"),
        ("namespace: {from: ALL}, selector: {matchLabels: {team: pay}}", "Host default/labelled"),
        ("selector: {matchLabels: {team: web}}", ""),
    ];
    for (binding, expected) in cases {
        let listener =
            resource("Listener", "l", &format!("port: 7000, protocol: TLS, hostBinding: {{{binding}}}"));
        let expected: Vec<_> = Some(expected).filter(|name| !name.is_empty()).into_iter().collect();
        assert_eq!(found("x", &[listener, all.clone()]), expected, "{binding}");
    }
    let listener = resource(
        "Listener",
        "l",
        "port: 7000, protocol: TLS, hostBinding: {selector: {matchLabels: {a: c}}}",
    );
    let theirs = context("theirs", "hosts: [x], secret: s");
    assert_eq!(found("x", &[listener, all, theirs]), ["TLSContext default/theirs"], "contexts are not bound");
}

#[test]
fn hosts_of_http_are_silent() {
    let cases = [
        "hostname: x, requestPolicy: {insecure: {action: Route}}, mappingSelector: {matchLabels: {a: b}}",
        "hostname: other.example.com, tlsSecret: {name: nowhere}, acmeProvider: {authority: none}",
        "selector: {matchLabels: {a: b}}, ambassadorId: [default], previewUrl: {enabled: false}",
    ];
    for spec in cases {
        assert_eq!(lower(&(host("h", spec) + &with_spec(&[]))).all(), [""; 0], "{spec}");
    }
    let bare = "apiVersion: getambassador.io/v2\nkind: Host\nmetadata: {name: h}\n---\n";
    assert_eq!(lower(&(bare.to_owned() + &with_spec(&[]))).all(), [""; 0]);

    let outcome = lower(&(host("h", "hostname: 'x:9000', tlsSecret: {name: s}") + &with_spec(&["host: x"])));
    let expected =
        "spec.hostname: \"x:9000\" has a port, which only HTTP knows; no TCPMapping takes this Host";
    assert_eq!((outcome.served().len(), outcome.about("Host default/h")), (0, vec![expected.to_owned()]));
}
