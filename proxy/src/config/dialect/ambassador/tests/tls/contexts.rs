//! The fields of a `TLSContext`: the reference's section 1.4, as decided.

use rustls::{CipherSuite, NamedGroup};

use super::*;
use crate::config::material::fixtures::Authority;
use crate::config::model::{Parameters, Versions};
use crate::config::scratch::Scratch;

/// A mapping for host `x`, terminated with context `c` of Secret `s` and these fields.
fn with(fields: &str) -> Outcome {
    let authority = Authority::new("ca");
    let ca = secret_of("ca", "Opaque", &[("tls.crt", &authority.pem)]);
    let crl = secret_of("crl", "Opaque", &[("crl.pem", &authority.revoke(7, 2100))]);
    let context = context("c", &format!("hosts: [x], {fields}"));
    lower(&(secret("s") + &ca + &crl + &context + &with_spec(&["host: x"])))
}

fn parameters(fields: &str) -> Parameters {
    with(&format!("secret: s, {fields}")).termination().parameters.clone()
}

#[test]
fn versions_are_what_rustls_has_of_those_allowed() {
    let cases = [
        ("min_tls_version: v1.2", (true, true), ""),
        ("min_tls_version: v1.3", (false, true), ""),
        ("max_tls_version: v1.2", (true, false), ""),
        ("max_tls_version: v1.3", (true, true), ""),
        ("min_tls_version: v1.2, max_tls_version: v1.2", (true, false), ""),
        ("min_tls_version: v1.0, max_tls_version: v1.2", (true, false), "v1.0"),
        ("min_tls_version: v1.1", (true, true), "v1.1"),
    ];
    for (fields, (tls12, tls13), notice) in cases {
        let outcome = with(&format!("secret: s, {fields}"));
        assert_eq!(outcome.termination().parameters.versions, Versions { tls12, tls13 }, "{fields}");
        let notices: Vec<_> = Some(notice)
            .filter(|version| !version.is_empty())
            .map(|version| {
                format!(
                    "spec.min_tls_version: {version} is broken and left out (RFC 8996); TLS 1.2 is the least that is offered"
                )
            })
            .into_iter()
            .collect();
        assert_eq!(outcome.about("TLSContext default/c"), notices);
    }
}

#[test]
fn cipher_suites_go_by_their_names_in_envoy() {
    use CipherSuite as C;
    let cases: [(&str, &[CipherSuite]); 5] = [
        ("[ECDHE-RSA-AES128-GCM-SHA256]", &[C::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]),
        (
            "['[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]', ECDHE-RSA-AES256-GCM-SHA384]",
            &[
                C::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                C::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                C::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            ],
        ),
        ("[TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]", &[C::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]),
        ("[ecdhe-rsa-chacha20-poly1305]", &[C::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256]),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", &[C::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]),
    ];
    for (names, expected) in cases {
        assert_eq!(
            parameters(&format!("cipher_suites: {names}")).ciphers.as_deref(),
            Some(expected),
            "{names}"
        );
    }
    assert_eq!(parameters("cipher_suites: []").ciphers, None);
}

#[test]
fn suites_and_curves_that_rustls_has_not_are_named() {
    let suites = "; it has ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES256-GCM-SHA384, \
                  ECDHE-ECDSA-CHACHA20-POLY1305, ECDHE-RSA-AES128-GCM-SHA256, ECDHE-RSA-AES256-GCM-SHA384, \
                  ECDHE-RSA-CHACHA20-POLY1305";
    let outcome =
        with("secret: s, cipher_suites: [AES128-SHA, ECDHE-RSA-AES128-GCM-SHA256, TLS_AES_128_GCM_SHA256]");
    let expected = [
        format!("spec.cipher_suites: \"AES128-SHA\" is none that sluice has, and is left out{suites}"),
        "spec.cipher_suites: \"TLS_AES_128_GCM_SHA256\" is of TLS 1.3, whose suites are always all on"
            .to_owned(),
    ];
    assert_eq!((outcome.served().len(), outcome.about("TLSContext default/c")), (1, expected.to_vec()));

    let outcome = with("secret: s, ecdh_curves: [P-521, P-256]");
    let expected = "spec.ecdh_curves: \"P-521\" is none that sluice has, and is left out; it has X25519, P-256, \
                    prime256v1, secp256r1, P-384, secp384r1, X25519MLKEM768";
    assert_eq!(
        (outcome.served().len(), outcome.about("TLSContext default/c")),
        (1, vec![expected.to_owned()])
    );

    for (fields, last) in [
        (
            "cipher_suites: [AES128-SHA]",
            "spec.cipher_suites: leaves no cipher suite for TLS 1.2; name one, or set min_tls_version: v1.3; the \
             TLSContext is discarded",
        ),
        (
            "ecdh_curves: [P-521]",
            "spec.ecdh_curves: leaves no curve; name one, or leave the field out; the TLSContext is discarded",
        ),
    ] {
        let outcome = with(&format!("secret: s, {fields}"));
        assert_eq!(outcome.served(), [""; 0]);
        assert_eq!(outcome.about("TLSContext default/c").last().unwrap(), last);
    }
    let outcome = with("secret: s, cipher_suites: [AES128-SHA], min_tls_version: v1.3");
    assert_eq!(outcome.served().len(), 1, "TLS 1.3 has its own");
}

#[test]
fn curves_and_protocols_reach_the_model() {
    use NamedGroup as G;
    let got = parameters("ecdh_curves: [X25519MLKEM768, x25519, P-256, prime256v1, secp384r1]").groups;
    assert_eq!(got, Some(vec![G::X25519MLKEM768, G::X25519, G::secp256r1, G::secp384r1]));
    for alpn in ["'h2, http/1.1'", "[h2, http/1.1]", "'h2,,http/1.1,'"] {
        let got = parameters(&format!("alpn_protocols: {alpn}")).alpn;
        assert_eq!(got, [(*b"h2").as_slice().into(), (*b"http/1.1").as_slice().into()], "{alpn}");
    }
}

#[test]
fn clients_are_asked_as_declared() {
    let cases = [
        ("", "ignored"),
        ("cert_required: false", "ignored"),
        ("ca_secret: ca", "verified by Secret default/ca"),
        ("ca_secret: ca, cert_required: false", "verified by Secret default/ca"),
        ("ca_secret: ca, cert_required: true", "required by Secret default/ca"),
        ("ca_secret: ca, crl_secret: crl, cert_required: true", "required by Secret default/ca"),
        ("ca_secret: ca, v3CRLSecret: crl", "verified by Secret default/ca"),
    ];
    for (fields, expected) in cases {
        let outcome = with(&format!("secret: s, {fields}"));
        assert_eq!(clients(outcome.termination()), expected, "{fields}");
        assert_eq!(outcome.all(), [""; 0]);
        if let ClientCertificates::Required(trust) | ClientCertificates::Verified(trust) =
            &outcome.termination().clients
        {
            assert_eq!(trust.revoked.len(), usize::from(fields.contains("crl") || fields.contains("CRL")));
        }
    }
}

#[test]
fn what_cannot_be_honoured_discards_context_and_mapping() {
    let cases = [
        ("secret: nowhere", "secret: there is no Secret default/nowhere"),
        (
            "secret: s, max_tls_version: v1.1",
            "max_tls_version: v1.1 leaves no version: sluice has TLS 1.2 and 1.3 alone; raise it to v1.2 or v1.3",
        ),
        (
            "secret: s, min_tls_version: v1.3, max_tls_version: v1.2",
            "min_tls_version: v1.3 is above max_tls_version v1.2; no version is left",
        ),
        (
            "secret: s, min_tls_version: TLSv1.2",
            "min_tls_version: \"TLSv1.2\" is none of v1.0, v1.1, v1.2, v1.3",
        ),
        ("secret: s, cert_required: 5", "cert_required: 5 is not true or false"),
        ("secret: s, ca_secret: nowhere", "ca_secret: there is no Secret default/nowhere"),
        (
            "secret: s, crl_secret: crl",
            "crl_secret: revokes nothing without an authority; give ca_secret or cacert_chain_file",
        ),
        (
            "secret: s, ca_secret: ca, crl_secret: ca",
            "crl_secret: crl.pem of Secret default/ca holds no revocation list (-----BEGIN X509 CRL-----)",
        ),
        (
            "secret: s, cert_chain_file: /a, private_key_file: /b",
            "cert_chain_file: stands beside secret; keep one of them",
        ),
        (
            "secret: s, ca_secret: ca, cacert_chain_file: /a",
            "cacert_chain_file: stands beside ca_secret; keep one of them",
        ),
        ("cert_chain_file: /a", "private_key_file: is missing; give the key of cert_chain_file"),
        ("private_key_file: /a", "cert_chain_file: is missing; give the certificate of private_key_file"),
        (
            "cert_chain_file: /no/a, private_key_file: /no/b",
            "cert_chain_file: /no/a cannot be read: No such file or directory (os error 2)",
        ),
        ("secret: s, cacert_chain_file: /", "cacert_chain_file: / cannot be read: not a file"),
        ("secret: s, sni: '*.x'", "sni: \"*.x\" is no DNS name, and nothing else can be sent as SNI"),
        ("secret: s, ca_secret: [a, b]", "ca_secret: a list of 2 is not a string"),
    ];
    for (fields, message) in cases {
        let outcome = with(fields);
        assert_eq!(outcome.served(), [""; 0], "{fields}");
        assert_eq!(
            outcome.about("TLSContext default/c"),
            [format!("spec.{message}; the TLSContext is discarded")]
        );
        assert_eq!(outcome.about("TCPMapping default/m").len(), 1);
    }
}

#[test]
fn clients_are_never_let_in_unasked() {
    let outcome = with("secret: s, cert_required: true");
    let expected = "spec.cert_required: asks clients for certificates without an authority to check them, so no client \
                    is served; give ca_secret or cacert_chain_file";
    assert_eq!(
        (outcome.served().len(), outcome.about("TLSContext default/c")),
        (0, vec![expected.to_owned()])
    );

    let outcome = with("alpn_protocols: h2");
    let expected = "matches a mapping's host and has no certificate; give it a secret";
    assert_eq!(
        (outcome.served().len(), outcome.about("TLSContext default/c")),
        (0, vec![expected.to_owned()])
    );
}

#[test]
fn names_that_are_keys_are_not_repeated() {
    let key = &any().key;
    let encoded = data_encoding::BASE64.encode(key.as_bytes());
    assert!(!with(&format!("secret: {encoded}")).all().join("").contains(&encoded[..40]));
    let mapping =
        lower(&with_spec(&[&format!("tls: {}", quoted(key)), &format!("host: {encoded}")])).all().join("");
    assert!(!mapping.contains("MIG") && !mapping.contains(&encoded[..40]), "{mapping}");
    let document = lower(&quoted(key)).all().join("");
    assert!(!document.contains("MIG") && document.contains("a PEM text"), "{document}");
    for field in [
        "secret",
        "ca_secret",
        "crl_secret",
        "cert_chain_file",
        "cacert_chain_file",
        "min_tls_version",
        "sni",
    ] {
        let outcome = with(&format!("{field}: {}", quoted(key)));
        let said = outcome.all().join("\n");
        assert!(said.contains(field), "{said}");
        for line in key.lines().filter(|line| !line.starts_with('-')) {
            assert!(!said.contains(line), "{field}: {said}");
        }
    }
}

#[test]
fn a_redirect_is_http_and_a_slip_is_named() {
    let outcome = with("secret: s, redirect_cleartext_from: 8080, min_tls_verson: v1.2, crl: x");
    let expected = [
        "spec.redirect_cleartext_from: concerns HTTP alone; passed over",
        "spec.min_tls_verson: unknown field \"min_tls_verson\" is ignored; did you mean \"min_tls_version\"?",
        "spec.crl: unknown field \"crl\" is ignored; use crl_secret or crl_file",
    ];
    assert_eq!(
        (outcome.served().len(), outcome.about("TLSContext default/c")),
        (1, expected.map(str::to_owned).to_vec())
    );
}

#[test]
fn contexts_in_annotations_work_as_well() {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: mail\n  namespace: post\n  annotations:\n    \
                   getambassador.io/config: |\n      ---\n      apiVersion: ambassador/v1\n      kind: TLSContext\n      \
                   name: c\n      hosts: [x]\n      secret: s\n      ambassador_id: default\n      ---\n      \
                   apiVersion: ambassador/v1\n      kind: TCPMapping\n      name: m\n      port: 7000\n      \
                   host: x\n      service: mail.post\n---\n";
    let outcome = lower(&(service.to_owned() + &elsewhere(&secret("s"), "post")));
    let expected = ["0.0.0.0:7000 x TLSContext post/c (Secret post/s) TCPMapping post/m"];
    assert_eq!((outcome.routes(), outcome.all()), (expected.map(str::to_owned).to_vec(), vec![]));
}

#[test]
fn contexts_nobody_uses_are_not_looked_into() {
    let text = context("c", "hosts: [], secret: upstream-certs") + &with_spec(&[]);
    assert_eq!(lower(&text).all(), [""; 0]);
}

#[test]
fn the_later_of_two_contexts_with_one_name_stays() {
    let text = secret("s")
        + &context("c", "hosts: [x], secret: nowhere")
        + &context("c", "hosts: [x], secret: s")
        + &with_spec(&["host: x"]);
    let outcome = lower(&text);
    assert_eq!(outcome.served().len(), 1);
    let expected = "test.yaml#2: TLSContext default/c: the same kind, namespace and name stands again in test.yaml#3, \
                    which replaces this one; rename one of them; the TLSContext is discarded";
    assert_eq!(outcome.all(), [expected]);
}

#[test]
fn files_serve_as_well_as_secrets() {
    let scratch = Scratch::new();
    let authority = Authority::new("ca");
    let pair = authority.certify("x");
    let path = |name: &str, text: &str| scratch.write(name, text).display().to_string();
    let (chain, key) = (path("chain.pem", &pair.chain), path("key.pem", &pair.key));
    let (ca, crl) = (path("ca.pem", &authority.pem), path("crl.pem", &authority.revoke(7, 2100)));
    let fields = format!(
        "hosts: [x], cert_chain_file: {chain}, private_key_file: {key}, cacert_chain_file: {ca}, crl_file: {crl}, cert_required: true"
    );
    let outcome = lower(&(context("c", &fields) + &with_spec(&["host: x"])));
    assert_eq!(outcome.all(), [""; 0]);
    assert_eq!(outcome.routes(), [format!("0.0.0.0:7000 x TLSContext default/c ({chain}) m")]);
    assert_eq!(clients(outcome.termination()), format!("required by {ca}"));
}

#[test]
fn the_module_tls_still_makes_contexts() {
    let module = "apiVersion: getambassador.io/v2\nkind: Module\nmetadata: {name: tls}\nspec: {config: {\
                  server: {enabled: true, secret: s}, upstream: {secret: s, sni: u.example.com}, off: {enabled: false}}}\n---\n";
    let text =
        secret("s") + module + &named("a", &["host: '*'"]) + &named("b", &["port: 7001", "tls: upstream"]);
    let outcome = lower(&text);
    let expected =
        ["0.0.0.0:7000 * Module default/tls (server) (Secret default/s) a", "0.0.0.0:7001 any raw b"];
    assert_eq!(outcome.routes(), expected);
    let origination = outcome.config.listeners[1].routes[0].mappings[0].originate.as_ref().unwrap();
    assert_eq!(shown(origination), "Module default/tls (upstream), u.example.com, Secret default/s, none");
}
