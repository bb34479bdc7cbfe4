//! Secrets: the reference's section 1.9, as decided.

use data_encoding::BASE64;

use super::*;
use crate::config::material::fixtures::{Authority, pair, pair_in};

/// A mapping for host `x` behind a Secret `s` that is this document, and a context with these fields.
fn with(secret: &str, fields: &str) -> Outcome {
    with_settings(secret, fields, &Settings::default())
}

fn with_settings(secret: &str, fields: &str, settings: &Settings) -> Outcome {
    let context = context("c", &format!("hosts: [x], {fields}"));
    lower_with(&(secret.to_owned() + &context + &with_spec(&["host: x"])), settings)
}

#[test]
fn certificates_are_found_in_every_type_there_is() {
    let (chain, key) = (&any().chain, &any().key);
    let tls = [("tls.crt", chain.as_str()), ("tls.key", key)];
    let istio = [("cert-chain.pem", chain.as_str()), ("key.pem", key)];
    let cases = [
        ("kubernetes.io/tls", tls.as_slice(), true),
        ("Opaque", &tls, true),
        ("istio.io/key-and-cert", &istio, true),
        ("Opaque", &istio, true),
        ("istio.io/key-and-cert", &tls, true),
        ("kubernetes.io/dockerconfigjson", &tls, false),
        ("Opaque", &[("user.crt", chain), ("user.key", key)], false),
    ];
    for (kind, entries, served) in cases {
        let outcome = with(&secret_of("s", kind, entries), "secret: s");
        assert_eq!(outcome.served().len(), usize::from(served), "{kind} {entries:?}");
    }
    let untyped = secret("s").replace("type: kubernetes.io/tls\n", "");
    assert_eq!(with(&untyped, "secret: s").served().len(), 1, "none is Opaque");
    let outcome = with(&secret_of("s", "helm.sh/release.v1", &tls), "secret: s");
    let expected = "spec.secret: Secret default/s has the type \"helm.sh/release.v1\", which holds no certificate; it \
                    must be one of kubernetes.io/tls, Opaque, istio.io/key-and-cert; the TLSContext is discarded";
    assert_eq!(outcome.about("TLSContext default/c"), [expected]);
}

#[test]
fn data_is_base64_and_string_data_wins() {
    let (chain, key) = (BASE64.encode(any().chain.as_bytes()), BASE64.encode(any().key.as_bytes()));
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    let wrapped = chain.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect::<Vec<_>>();
    let cases = [
        format!("{head}data: {{tls.crt: {chain}, tls.key: {key}}}\n---\n"),
        format!("{head}data:\n  tls.crt: |\n    {}\n  tls.key: {key}\n---\n", wrapped.join("\n    ")),
        format!(
            "{head}data: {{tls.crt: bad!, tls.key: {key}}}\nstringData: {{tls.crt: {}}}\n---\n",
            quoted(&any().chain)
        ),
    ];
    for text in cases {
        let outcome = with(&text, "secret: s");
        assert_eq!((outcome.served().len(), outcome.all()), (1, vec![]), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_secret_is_said_without_its_content() {
    let (chain, key) = (&any().chain, &any().key);
    let other = pair("other");
    let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let junk = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cut = &chain[..chain.len() - 10];
    let unusable = "tls.key of Secret default/s holds a private key that cannot be used; RSA of 2048 bits or more, ECDSA \
                    on P-256, P-384 or P-521, and Ed25519 can";
    let passphrase = "tls.key of Secret default/s holds an encrypted private key, and nobody is there to type its \
                      passphrase; decrypt it with `openssl pkey -in KEY -out KEY.plain`";
    let no_certificate = "tls.crt of Secret default/s holds no certificate (-----BEGIN CERTIFICATE-----)";
    let no_key = "tls.key of Secret default/s holds no private key (-----BEGIN PRIVATE KEY-----)";
    let cases: [(&[(&str, &str)], &str); 12] = [
        (&[("tls.crt", chain)], no_key),
        (&[("tls.key", key)], no_certificate),
        (&[("tls.crt", ""), ("tls.key", key)], no_certificate),
        (&[("tls.crt", "hello"), ("tls.key", key)], no_certificate),
        (&[("tls.crt", key), ("tls.key", key)], no_certificate),
        (&[("tls.crt", chain), ("tls.key", chain)], no_key),
        (&[("tls.crt", chain), ("tls.key", &encrypted)], passphrase),
        (&[("tls.crt", chain), ("tls.key", old)], passphrase),
        (&[("tls.crt", chain), ("tls.key", junk)], unusable),
        (
            &[("tls.crt", cut), ("tls.key", key)],
            "tls.crt of Secret default/s is no well-formed PEM: a BEGIN line without its END, or something else than \
             base64 between",
        ),
        (
            &[
                ("tls.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                ("tls.key", key),
            ],
            "tls.crt of Secret default/s holds a certificate that is no valid X.509 (number 1)",
        ),
        (
            &[("tls.crt", chain), ("tls.key", &other.key)],
            "tls.crt of Secret default/s and tls.key of Secret default/s do not belong together; the first certificate \
             must be the one of the private key",
        ),
    ];
    for (entries, message) in cases {
        let outcome = with(&secret_of("s", "Opaque", entries), "secret: s");
        assert_eq!(outcome.served(), [""; 0], "{message}");
        let expected = format!("spec.secret: {message}; the TLSContext is discarded");
        assert_eq!(outcome.about("TLSContext default/c"), [expected]);
    }
    let raw = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {tls.crt: '*not base64*', tls.key: 5}\n---\n";
    let expected = "spec.secret: tls.crt of Secret default/s is not base64; `base64 -w0 < FILE` makes it, and \
                    stringData takes the PEM as it is; the TLSContext is discarded";
    assert_eq!(with(raw, "secret: s").about("TLSContext default/c"), [expected]);
}

#[test]
fn authorities_are_found_under_every_name_they_have() {
    let [first, second] = ["first", "second"].map(Authority::new);
    let identity = [("tls.crt", any().chain.as_str()), ("tls.key", &any().key)];
    let cases: [(&str, &[(&str, &str)]); 5] = [
        ("Opaque", &[("ca.crt", &first.pem), ("tls.crt", &second.pem)]),
        ("Opaque", &[("tls.crt", &first.pem)]),
        ("kubernetes.io/tls", &[("tls.crt", &first.pem), ("tls.key", "")]),
        ("Opaque", &[("user.crt", &first.pem)]),
        ("istio.io/key-and-cert", &[("root-cert.pem", &first.pem), ("cert-chain.pem", &second.pem)]),
    ];
    let der = |authority: &Authority| {
        rustls::pki_types::pem::PemObject::from_pem_slice(authority.pem.as_bytes()).unwrap()
    };
    for (kind, entries) in cases {
        let text = secret("s") + &secret_of("ca", kind, entries);
        let outcome = with(&text, "secret: s, ca_secret: ca");
        let ClientCertificates::Verified(trust) = &outcome.termination().clients else {
            panic!("{kind} {entries:?}");
        };
        assert_eq!(trust.roots, [der(&first)], "{kind} {entries:?}");
    }
    let none = secret("s") + &secret_of("ca", "Opaque", &[("other.crt", &first.pem)]);
    let expected = "spec.ca_secret: ca.crt of Secret default/ca holds no certificate (-----BEGIN CERTIFICATE-----); the \
                    TLSContext is discarded";
    assert_eq!(with(&none, "secret: s, ca_secret: ca").about("TLSContext default/c"), [expected]);

    let beside = [identity.as_slice(), &[("ca.crt", &first.pem)]].concat();
    let outcome = with(&secret_of("s", "kubernetes.io/tls", &beside), "secret: s");
    assert_eq!(clients(outcome.termination()), "ignored", "an authority beside the certificate asks nobody");

    let istio =
        [("cert-chain.pem", any().chain.as_str()), ("key.pem", &any().key), ("root-cert.pem", &first.pem)];
    let outcome = with(&secret_of("s", "istio.io/key-and-cert", &istio), "secret: s");
    assert_eq!(clients(outcome.termination()), "verified by Secret default/s", "Istio's comes unasked");
}

#[test]
fn names_lead_to_namespaces() {
    let here = secret("s");
    let there = elsewhere(&secret("s"), "other");
    let dotted = secret("s.other");
    let module = |namespacing: bool| {
        format!(
            "apiVersion: getambassador.io/v2\nkind: Module\nmetadata: {{name: ambassador}}\n\
             spec: {{config: {{defaults: {{tls_secret_namespacing: {namespacing}}}}}}}\n---\n"
        )
    };
    let cases = [
        (here.clone(), "secret: s", "Secret default/s"),
        (there.clone(), "secret: s.other", "Secret other/s"),
        (dotted.clone(), "secret: s.other, secret_namespacing: false", "Secret default/s.other"),
        (module(false) + &dotted, "secret: s.other", "Secret default/s.other"),
        (module(false) + &there, "secret: s.other, secret_namespacing: true", "Secret other/s"),
        (module(true) + &there, "secret: s.other", "Secret other/s"),
    ];
    for (documents, fields, source) in cases {
        let outcome = with(&documents, fields);
        assert_eq!(
            outcome.routes(),
            [format!("0.0.0.0:7000 x TLSContext default/c ({source}) m")],
            "{fields}"
        );
    }
    let outcome = with(&there, "secret: s");
    let expected = "spec.secret: there is no Secret default/s; there is one in the namespace \"other\"; the TLSContext is \
                    discarded";
    assert_eq!(outcome.about("TLSContext default/c"), [expected]);

    let text = elsewhere(&context("c", "hosts: [x], secret: s"), "other") + &there + &with_spec(&["host: x"]);
    let outcome = lower(&text);
    assert_eq!(
        outcome.routes(),
        ["0.0.0.0:7000 x TLSContext other/c (Secret other/s) m"],
        "its own namespace"
    );

    let by_host = host("h", "tlsSecret: {name: s, namespace: other}");
    let outcome = lower(&(there.clone() + &by_host + &with_spec(&["host: x"])));
    assert_eq!(outcome.routes(), ["0.0.0.0:7000 x Host default/h (Secret other/s) m"]);

    let mut settings = Settings::default();
    settings.ambassador.single_namespace = true;
    let outcome = with_settings(&there, "secret: s.other", &settings);
    let expected = "spec.secret: there is no Secret other/s; the TLSContext is discarded";
    assert_eq!(outcome.about("TLSContext default/c"), [expected], "other namespaces are not read");
    settings.ambassador.certs_single_namespace = Some(false);
    assert_eq!(with_settings(&there, "secret: s.other", &settings).served().len(), 1, "except for Secrets");
}

#[test]
fn certificates_out_of_date_are_used_with_a_warning_unless_validation_is_forced() {
    let cases = [
        ((2010, 2011), "ended on 2011-01-01 00:00:00 UTC"),
        ((2110, 2111), "begins only on 2110-01-01 00:00:00 UTC"),
    ];
    for (years, when) in cases {
        let text = secret_with("s", &pair_in("x", years));
        let outcome = with(&text, "secret: s");
        let fault = format!("spec.secret: Secret default/s: the certificate of \"CN=x\" {when}");
        assert_eq!(outcome.served().len(), 1);
        assert_eq!(
            outcome.about("TLSContext default/c"),
            [format!("{fault}; it is used all the same: renew it")]
        );

        let mut settings = Settings::default();
        settings.ambassador.force_secret_validation = true;
        let outcome = with_settings(&text, "secret: s", &settings);
        assert_eq!(outcome.served(), [""; 0]);
        let expected =
            format!("{fault} (AMBASSADOR_FORCE_SECRET_VALIDATION); renew it; the TLSContext is discarded");
        assert_eq!(outcome.about("TLSContext default/c"), [expected]);
    }
}

#[test]
fn an_overdue_list_is_warned_about() {
    let authority = Authority::new("ca");
    let text = secret("s")
        + &secret_of("ca", "Opaque", &[("ca.crt", &authority.pem), ("crl.pem", &authority.revoke(7, 2021))]);
    let outcome = with(&text, "secret: s, ca_secret: ca, crl_secret: ca");
    let expected = "spec.crl_secret: the next revocation list was due on 2021-01-01 00:00:00 UTC; what was revoked since \
                    is accepted: renew the list";
    assert_eq!(
        (outcome.served().len(), outcome.about("TLSContext default/c")),
        (1, vec![expected.to_owned()])
    );
}

#[test]
fn a_broken_secret_costs_its_users_alone() {
    let text = secret("s")
        + &secret_of("broken", "kubernetes.io/tls", &[("tls.crt", "x"), ("tls.key", "y")])
        + &context("good", "hosts: [x], secret: s")
        + &context("bad", "hosts: [y], secret: broken")
        + &named("good", &["host: x"])
        + &named("bad", &["host: y"])
        + &named("plain", &["port: 7001"]);
    let outcome = lower(&text);
    let expected =
        ["0.0.0.0:7000 x TLSContext default/good (Secret default/s) good", "0.0.0.0:7001 any raw plain"];
    assert_eq!(outcome.routes(), expected);
    assert_eq!(outcome.all().len(), 2);
}

#[test]
fn secrets_that_stand_twice_or_nowhere() {
    let text = secret_of("s", "Opaque", &[]) + &secret("s");
    let outcome = with(&text, "secret: s");
    let expected = "test.yaml#1: Secret default/s: the same kind, namespace and name stands again in test.yaml#2, which \
                    replaces this one; rename one of them; the Secret is discarded";
    assert_eq!((outcome.served().len(), outcome.all()), (1, vec![expected.to_owned()]));
    let nameless = "apiVersion: v1\nkind: Secret\nmetadata: {}\n---\n";
    let expected =
        "test.yaml#1: Secret: metadata.name: is missing; give the Secret a name; the Secret is discarded";
    assert_eq!(lower(nameless).all(), [expected]);
}

#[test]
fn no_key_shows_in_debug() {
    let outcome = with(&secret("s"), "secret: s");
    let shown = format!("{:?}", outcome.config);
    assert!(!shown.contains("KEY") && shown.contains("Secret default/s"), "{shown}");
}
