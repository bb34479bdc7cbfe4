//! One thing at a time, in the words of everybody who has some for it.

use super::{Said, goes_to};
use crate::harness::tls::{Ca, secret};

const EVERYBODY: &[&str] = &["ambassador", "kong", "gateway"];
const HOST: &str = "port: 5432, host: '*.example.com', service: 'db:5432'";

fn object(kind: &str, metadata: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: getambassador.io/v3alpha1\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {{{spec}}}\n"
    )
}

fn mapping(name: &str, annotations: &str, spec: &str) -> String {
    object("TCPMapping", &format!("name: {name}, annotations: {{{annotations}}}"), spec)
}

fn each(cases: Vec<(&str, &[&'static str], String)>) {
    for (what, dialects, text) in cases {
        let said = Said { dialect: "ambassador", text, settings: String::new(), flags: &[] };
        for to in dialects {
            goes_to(to, what, &said);
        }
    }
}

#[test]
fn upstreams_and_names() {
    let passthrough = |name: &str, host: &str| {
        let spec = format!("port: 5432, host: {host}, service: '{name}:443'");
        mapping(name, "sluice.dev/tls-mode: passthrough", &spec)
    };
    each(vec![
        ("a name", EVERYBODY, mapping("a", "", "port: 5432, service: 'db.prod:5432'")),
        ("an address", EVERYBODY, mapping("a", "", "port: 5432, service: '10.0.0.1:5432'")),
        (
            "a place of its own",
            EVERYBODY,
            mapping("a", "", "port: 1, address: 127.0.0.1, service: 'db:5432'"),
        ),
        (
            "names passed through",
            EVERYBODY,
            passthrough("a", "pay.example.com") + &passthrough("b", "'*.example.com'"),
        ),
        (
            "services that are one",
            &["ambassador", "kong"],
            mapping(
                "a",
                "sluice.dev/targets: 'a:1 weight 2, 10.0.0.1:2 weight 1', sluice.dev/load-balancer: least-connections",
                "port: 5432, service: 'all:1'",
            ),
        ),
        (
            "accounts and clients",
            &["ambassador", "kong"],
            mapping(
                "a",
                "sluice.dev/log-to: 'http://logs/a?b=c, tcp://logs:9000', sluice.dev/deny-from: 10.0.0.0/8",
                "port: 5432, service: 'db:5432'",
            ),
        ),
        (
            "PROXY headers",
            &["ambassador", "kong"],
            mapping("a", "sluice.dev/proxy-protocol: v1", "port: 5432, service: 'db:5432'")
                + &object(
                    "Listener",
                    "name: l",
                    "port: 5432, protocolStack: [PROXY, TCP], securityModel: XFP, hostBinding: {namespace: {from: ALL}}",
                ),
        ),
    ]);
}

#[test]
fn certificates() {
    let ca = Ca::new();
    let [one, other] = ["*.example.com", "pay.example.com"].map(|name| ca.leaf(&[name]));
    let secrets = one.secret("one") + &other.secret("other") + &secret("ca", &[("ca.crt", &ca.pem)]);
    let host = |name: &str, hostname: &str| {
        object(
            "Host",
            &format!("name: {name}"),
            &format!("hostname: '{hostname}', tlsSecret: {{name: {name}}}"),
        )
    };
    let wild = host("one", "*.example.com") + &secrets;
    let pay = mapping("b", "", "port: 5432, host: pay.example.com, service: 'pay:1'")
        + &host("other", "pay.example.com");
    let passed = mapping(
        "b",
        "sluice.dev/tls-mode: passthrough",
        "port: 5432, host: pay.example.com, service: 'pay:1'",
    );
    let both = mapping(
        "a",
        "sluice.dev/upstream-sans: 'dns:db.internal'",
        "port: 5432, host: '*.example.com', tls: up, service: 'db:5432'",
    ) + &object("TLSContext", "name: up", "ca_secret: ca, secret: other, sni: db.internal");
    let required = object(
        "TLSContext",
        "name: clients",
        "hosts: ['*.example.com'], secret: one, ca_secret: ca, cert_required: true",
    );
    each(vec![
        ("one", EVERYBODY, mapping("a", "", HOST) + &wild),
        ("TLS on both sides", EVERYBODY, both + &wild),
        ("some names passed through", EVERYBODY, mapping("a", "", HOST) + &passed + &wild),
        // Kong shows the one with a star for one label alone.
        ("one for each name", &["ambassador", "gateway"], mapping("a", "", HOST) + &pay + &wild),
        ("clients with theirs", &["ambassador", "gateway"], mapping("a", "", HOST) + &required + &secrets),
    ]);
}

#[test]
fn what_kong_says() {
    let ca = Ca::new();
    let leaf = ca.leaf(&["client.example.com"]);
    let quoted = |pem: &str| serde_json::to_string(pem).unwrap();
    let restricted = "plugins: [{name: ip-restriction, protocols: [tcp], config: {deny: [10.0.0.0/8]}}]";
    let (authority, certificate) =
        ("9ad1f1b0-3bd6-4b3b-9d75-0f5a3f4c2a11", "1b7a3b52-07f5-4f35-8d5c-6a8a7d0f3c22");
    for (what, listen, entities) in [
        (
            "clients refused on one address alone",
            "127.0.0.1:5432, 127.0.0.2:5432",
            format!(
                "services:\n- name: a\n  url: tcp://db:5432\n  routes:\n  \
                 - {{name: a, protocols: [tcp], destinations: [{{ip: 127.0.0.1, port: 5432}}], {restricted}}}\n  \
                 - {{name: b, protocols: [tcp], destinations: [{{ip: 127.0.0.2, port: 5432}}]}}\n"
            ),
        ),
        (
            "TLS towards an upstream",
            "0.0.0.0:8443 ssl",
            format!(
                "services:\n- name: a\n  url: tls://db.upstream:5432\n  tls_verify: true\n  tls_verify_depth: 2\n  \
                 ca_certificates: [{authority}]\n  client_certificate: {certificate}\n  routes:\n  \
                 - {{name: a, protocols: [tls], snis: [a.example.com]}}\n\
                 upstreams:\n- {{name: db.upstream, host_header: db.internal, targets: [{{target: 'db:5432'}}]}}\n\
                 ca_certificates:\n- {{id: {authority}, cert: {}}}\n\
                 certificates:\n- {{id: {certificate}, cert: {}, key: {}, snis: [{{name: '*'}}]}}\n",
                quoted(&ca.pem),
                quoted(&leaf.chain),
                quoted(&leaf.key)
            ),
        ),
        (
            "the client's own name",
            "0.0.0.0:8443 ssl",
            "services:\n- name: a\n  url: tls://db:5432\n  tls_verify: false\n  routes:\n  \
             - {name: a, protocols: [tls], preserve_host: true, snis: ['*.example.com']}\n"
                .to_owned(),
        ),
    ] {
        let text = format!("_format_version: '3.0'\n{entities}");
        let said =
            Said { dialect: "kong", text, settings: format!("stream_listen = {listen}\n"), flags: &[] };
        for to in ["ambassador", "kong"] {
            goes_to(to, what, &said);
        }
    }
}
