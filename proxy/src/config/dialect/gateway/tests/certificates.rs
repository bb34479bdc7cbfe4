//! What Gateways show and ask for.

use super::*;
use crate::config::material::fixtures::{self, Authority};
use crate::config::model::{CertificateName, ClientCertificates, Termination};

const WAY: &str = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: TLSRoute\nmetadata: {name: r}\n\
    spec: {parentRefs: [{name: edge}], hostnames: [\"*.example.com\"], rules: [{backendRefs: [{name: b1, port: 8080}]}]}\n";

fn terminate(references: &str) -> String {
    format!(
        "{{name: l, port: 7000, protocol: TLS, tls: {{mode: Terminate, certificateRefs: [{references}]}}}}"
    )
}

fn termination(outcome: &Outcome) -> &Termination {
    match &outcome.config.listeners[0].routes[0].downstream {
        Downstream::Terminate(termination) => termination,
        Downstream::Raw => panic!("{:?}", outcome.faults()),
    }
}

fn config_map(name: &str, text: &str) -> String {
    let document = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "ca.crt": text }
    });
    format!("---\n{document}\n")
}

/// GatewayInvalidTLSConfiguration.
#[test]
fn a_certificate_that_cannot_be_used_is_told_and_nothing_is_served() {
    let cases = [
        ("{name: nobody}", "there is no Secret default/nobody"),
        ("{name: broken}", "holds no certificate"),
        ("{group: '', kind: ConfigMap, name: cert}", "ConfigMap default/cert is no Secret of Kubernetes"),
        (
            "{group: wrong.group, kind: Secret, name: cert}",
            "Secret.wrong.group default/cert is no Secret of Kubernetes",
        ),
    ];
    let secrets =
        secret("cert", fixtures::any()) + &secret_in("default", "broken", "Hello world", "Hello world");
    for (reference, expected) in cases {
        let outcome = lower(&(around() + &secrets + &gateway(&[&terminate(reference)]) + WAY));
        let says = |kind| outcome.says("Gateway default/edge", "listener l", kind);
        assert_eq!(says("ResolvedRefs"), "False InvalidCertificateRef", "{reference}");
        assert_eq!((says("Accepted"), says("Programmed")), ("True Accepted".into(), "False Invalid".into()));
        assert_eq!(outcome.says("Gateway default/edge", "", "ResolvedRefs"), "False ListenersNotResolved");
        assert_eq!(outcome.served(), [""; 0], "{reference}");
        let faults = outcome.faults();
        assert!(
            faults[0].contains(expected) && faults[0].ends_with("the listener is not served"),
            "{faults:?}"
        );
    }
    let listener = terminate("{name: nobody}, {name: cert}, {name: broken}");
    let outcome = lower(&(around() + &secrets + &gateway(&[&listener]) + WAY));
    assert_eq!(outcome.served().len(), 1, "the one that is good will do");
    let [second, first] = outcome.faults().try_into().unwrap();
    assert!(first.contains("there is no Secret default/nobody; the rest counts"), "{first}");
    assert!(second.contains("spec.listeners[0].tls.certificateRefs[2].name: "), "{second}");
}

/// GatewaySecretMissingReferenceGrant, GatewaySecretInvalidReferenceGrant, GatewaySecretReferenceGrantSpecific,
/// GatewaySecretReferenceGrantAllInNamespace.
#[test]
fn a_certificate_in_another_namespace_needs_a_grant() {
    let pair = fixtures::any();
    let listener = terminate("{name: cert, namespace: web}");
    let text = around() + &secret_in("web", "cert", &pair.chain, &pair.key) + &gateway(&[&listener]) + WAY;
    let grant = |namespace: &str, from: &str, to: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {{name: g, namespace: {namespace}}}\n\
             spec: {{from: [{{group: gateway.networking.k8s.io, {from}}}], to: [{{group: '', {to}}}]}}\n"
        )
    };
    let gateways = "kind: Gateway, namespace: default";
    let cases = [
        (String::new(), "False RefNotPermitted"),
        (grant("web", gateways, "kind: Secret, name: cert"), "True ResolvedRefs"),
        (grant("web", gateways, "kind: Secret"), "True ResolvedRefs"),
        (grant("web", gateways, "kind: Secret, name: other"), "False RefNotPermitted"),
        (grant("web", gateways, "kind: Service"), "False RefNotPermitted"),
        (grant("web", "kind: TLSRoute, namespace: default", "kind: Secret"), "False RefNotPermitted"),
        (grant("web", "kind: Gateway, namespace: other", "kind: Secret"), "False RefNotPermitted"),
        (grant("default", gateways, "kind: Secret"), "False RefNotPermitted"),
    ];
    for (grant, expected) in cases {
        let outcome = lower(&(text.clone() + &grant));
        assert_eq!(outcome.says("Gateway default/edge", "listener l", "ResolvedRefs"), expected, "{grant}");
        assert_eq!(outcome.served().len(), usize::from(expected.starts_with("True")), "{grant}");
    }
}

#[test]
fn of_several_certificates_the_first_is_the_default_and_each_has_its_names() {
    let (a, b) = (fixtures::pair("a.example.com"), fixtures::pair("*.example.com"));
    let text = around()
        + &secret("a", &a)
        + &secret("b", &b)
        + &gateway(&[&terminate("{name: a}, {name: b}")])
        + WAY;
    let outcome = lower(&text);
    let found = termination(&outcome);
    assert_eq!(&*found.name, "Gateway default/edge listener l");
    assert_eq!(&*found.certificates[0].source, "Secret default/a");
    let named: Vec<_> =
        found.named.iter().map(|(name, shown)| (name.clone(), shown[0].source.to_string())).collect();
    let expected = [
        (CertificateName::Exact("a.example.com".into()), "Secret default/a".to_owned()),
        (CertificateName::Before(".example.com".into()), "Secret default/b".to_owned()),
    ];
    assert_eq!(named, expected);

    // One that is good will do.
    let outcome = lower(&text.replace("[{name: a}, {name: b}]", "[{name: nobody}, {name: b}]"));
    assert_eq!(&*termination(&outcome).certificates[0].source, "Secret default/b");
    assert_eq!(
        outcome.says("Gateway default/edge", "listener l", "ResolvedRefs"),
        "False InvalidCertificateRef"
    );
    assert_eq!(outcome.says("Gateway default/edge", "listener l", "Programmed"), "True Programmed");
}

#[test]
fn options_say_what_a_handshake_may_agree_on() {
    let options =
        "options: {sluice.dev/min-tls-version: \"1.3\", sluice.dev/alpn: \"h2, http/1.1\", example.com/x: y}";
    let listener =
        terminate("{name: cert}").replace("mode: Terminate,", &format!("mode: Terminate, {options},"));
    let outcome = lower(&(around() + &secret("cert", fixtures::any()) + &gateway(&[&listener]) + WAY));
    let parameters = &termination(&outcome).parameters;
    assert_eq!((parameters.versions.tls12, parameters.versions.tls13), (false, true));
    assert_eq!(parameters.alpn, [b"h2".as_slice().into(), b"http/1.1".as_slice().into()]);
    assert!(
        outcome.faults()[0].contains("options.example.com/x: unknown field \"example.com/x\" is ignored")
    );
}

/// GatewayFrontendClientCertificateValidation and …InsecureFallback, for listeners of protocol TLS.
#[test]
fn clients_are_asked_for_certificates_as_the_gateway_says_for_the_port() {
    let (default, own) = (Authority::new("default"), Authority::new("own"));
    let maps = config_map("default", &default.pem) + &config_map("own", &own.pem);
    let validation =
        |name: &str, mode: &str| format!("{{validation: {{caCertificateRefs: [{{name: {name}}}]{mode}}}}}");
    let frontend = |default: &str, port: u16, own: &str| {
        format!("  tls: {{frontend: {{default: {default}, perPort: [{{port: {port}, tls: {own}}}]}}}}\n")
    };
    let with = |spec: &str| {
        let listener = terminate("{name: cert}");
        lower(
            &(around()
                + &maps
                + &secret("cert", fixtures::any())
                + &gateway_with(EDGE, &[&listener], spec)
                + WAY),
        )
    };
    let asked = |outcome: &Outcome| match &termination(outcome).clients {
        ClientCertificates::Required(trust) => trust.source.to_string(),
        other => format!("{other:?}"),
    };
    let outcome = with(&frontend(&validation("default", ""), 7001, &validation("own", "")));
    assert_eq!(asked(&outcome), "ConfigMap default/default");
    let outcome = with(&frontend(&validation("default", ""), 7000, &validation("own", "")));
    assert_eq!(asked(&outcome), "ConfigMap default/own");
    assert_eq!(asked(&with(&frontend(&validation("default", ""), 7000, "{}"))), "Ignored");

    let outcome = with(&frontend(&validation("default", ", mode: AllowInsecureFallback"), 7001, "{}"));
    assert_eq!(asked(&outcome), "Ignored");
    let says = outcome.says("Gateway default/edge", "", "InsecureFrontendValidationMode");
    assert_eq!(says, "True ConfigurationChanged");
}

/// GatewayInvalidFrontendClientCertificateValidation.
#[test]
fn without_a_good_authority_no_client_is_served() {
    let cases = [
        ("{name: nobody}", "False InvalidCACertificateRef"),
        ("{name: broken}", "False InvalidCACertificateRef"),
        ("{group: example.com, kind: Bucket, name: b}", "False InvalidCACertificateKind"),
        ("{name: ca, namespace: web}", "False RefNotPermitted"),
    ];
    for (reference, expected) in cases {
        let spec = format!(
            "  tls: {{frontend: {{default: {{validation: {{caCertificateRefs: [{reference}]}}}}}}}}\n"
        );
        let text = around()
            + &config_map("broken", "Hello world")
            + &secret("cert", fixtures::any())
            + &gateway_with(EDGE, &[&terminate("{name: cert}")], &spec)
            + WAY;
        let outcome = lower(&text);
        assert_eq!(
            outcome.says("Gateway default/edge", "listener l", "ResolvedRefs"),
            expected,
            "{reference}"
        );
        assert_eq!(
            outcome.says("Gateway default/edge", "listener l", "Accepted"),
            "False NoValidCACertificate"
        );
        assert_eq!(outcome.served(), [""; 0], "{reference}");
    }
}

/// GatewayInvalidTLSBackendConfiguration.
#[test]
fn a_client_certificate_that_cannot_be_used_is_told() {
    let cases = [
        ("{name: nobody}", "False InvalidClientCertificateRef"),
        ("{kind: ConfigMap, name: cert}", "False InvalidClientCertificateRef"),
        ("{name: cert, namespace: web}", "False RefNotPermitted"),
        ("{name: cert}", "True ResolvedRefs"),
    ];
    for (reference, expected) in cases {
        let spec = format!("  tls: {{backend: {{clientCertificateRef: {reference}}}}}\n");
        let text = around()
            + &secret("cert", fixtures::any())
            + &gateway_with(EDGE, &[&terminate("{name: cert}")], &spec);
        assert_eq!(lower(&text).says("Gateway default/edge", "", "ResolvedRefs"), expected, "{reference}");
    }
}

/// They would be served without, for the sake of a misspelling.
#[test]
fn clients_are_never_served_without_certificates_by_mistake() {
    let authority = "caCertificateRefs: [{name: ca}]";
    let cases = [
        (format!("default: {{{authority}}}"), "frontend.default.caCertificateRefs: unknown field"),
        (format!("default: {{validaton: {{{authority}}}}}"), "did you mean \"validation\"?"),
        (
            format!("default: {{}}, perPorts: [{{port: 7000, tls: {{validation: {{{authority}}}}}}}]"),
            "did you mean \"perPort\"?",
        ),
        (
            format!("default: {{}}, perPort: [{{port: 7000, tls: {{}}, validation: {{{authority}}}}}]"),
            "perPort[0].validation: unknown field \"validation\"; write it in tls",
        ),
    ];
    for (frontend, expected) in cases {
        let spec = format!("  tls: {{frontend: {{{frontend}}}}}\n");
        let gateway = gateway_with(EDGE, &[&terminate("{name: cert}")], &spec);
        let outcome = lower(&(around() + &secret("cert", fixtures::any()) + &gateway + WAY));
        let faults = outcome.faults();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{frontend}: {faults:?}");
        assert_eq!(outcome.served(), [""; 0], "{frontend}");
    }
}
