//! `BackendTLSPolicy`.

use super::*;
use crate::config::material::fixtures::{self, Authority};
use crate::config::model::{Authorities, NameSent, NamesChecked, Origination, SanPattern, Verification};

const ROUTE: &str = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: TLSRoute\nmetadata: {name: r}\n\
    spec: {parentRefs: [{name: edge}], hostnames: [a.example.com], rules: [{backendRefs: [{name: b1, port: 443}]}]}\n";
const ANCESTOR: &str = "ancestor Gateway default/edge";
const BEGUN: &str = "7000 a.example.com ended: TLSRoute default/r backend b1:443=1 begun";
const REFUSED: &str = "7000 a.example.com ended: refused=1";

fn policy(metadata: &str, target: &str, validation: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {metadata}\n\
         spec: {{targetRefs: [{{group: '', kind: Service, {target}}}], validation: {{{validation}}}}}\n"
    )
}

const GOOD: &str = "hostname: b1.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]";

/// A Gateway that ends TLS, a route to b1:443, authorities in ConfigMap `ca`, and more.
fn with(more: &str) -> Outcome {
    with_spec("", more)
}

fn with_spec(spec: &str, more: &str) -> Outcome {
    let listener =
        "{name: l, port: 7000, protocol: TLS, tls: {mode: Terminate, certificateRefs: [{name: cert}]}}";
    let map = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "ca" }, "data": { "ca.crt": Authority::new("ca").pem }
    });
    let text = around()
        + &secret("cert", fixtures::any())
        + &gateway_with(EDGE, &[listener], spec)
        + ROUTE
        + &format!("---\n{map}\n")
        + more;
    lower(&text)
}

fn begun(outcome: &Outcome) -> &Origination {
    outcome.config.listeners[0].routes[0].mappings[0].originate.as_deref().unwrap()
}

/// BackendTLSPolicyTLSRouteTerminate.
#[test]
fn tls_begins_as_the_policy_of_the_service_says() {
    assert_eq!(with("").served(), ["7000 a.example.com ended: TLSRoute default/r backend b1:443=1"]);
    for version in ["v1", "v1alpha3"] {
        let policy = policy("{name: p}", "name: b1", GOOD).replace("k8s.io/v1", &format!("k8s.io/{version}"));
        let outcome = with(&policy);
        assert_eq!((outcome.served(), outcome.faults()), (vec![BEGUN.to_owned()], Vec::new()));
        let origination = begun(&outcome);
        assert_eq!(&*origination.name, "BackendTLSPolicy default/p");
        assert_eq!(origination.server_name, NameSent::Fixed("b1.example.com".into()));
        match &origination.verification {
            Verification::Chain { authorities: Authorities::Given(trust), names, .. } => {
                let hostname = NamesChecked::OneOf(vec![SanPattern::Dns("b1.example.com".into())]);
                assert_eq!((&*trust.source, names), ("ConfigMap default/ca", &hostname));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(outcome.says("BackendTLSPolicy default/p", ANCESTOR, "Accepted"), "True Accepted");
        assert_eq!(outcome.says("BackendTLSPolicy default/p", ANCESTOR, "ResolvedRefs"), "True ResolvedRefs");
    }
    let system = policy("{name: p}", "name: b1", "hostname: b1.example.com, wellKnownCACertificates: System");
    let hostname = vec![SanPattern::Dns("b1.example.com".into())];
    let (authorities, names) = (Authorities::System, NamesChecked::OneOf(hostname));
    let expected = Verification::Chain { authorities, names, depth: None };
    assert_eq!(begun(&with(&system)).verification, expected);
}

/// BackendTLSPolicySANValidation.
#[test]
fn names_that_are_stated_are_looked_for_instead() {
    let sans = "subjectAltNames: [{type: Hostname, hostname: other.example.com}, {type: URI, uri: spiffe://mesh/pay}]";
    let outcome = with(&policy("{name: p}", "name: b1", &format!("{GOOD}, {sans}")));
    let Verification::Chain { names, .. } = &begun(&outcome).verification else {
        panic!("{:?}", outcome.faults())
    };
    let expected =
        vec![SanPattern::Dns("other.example.com".into()), SanPattern::Uri("spiffe://mesh/pay".into())];
    assert_eq!(*names, NamesChecked::OneOf(expected));
}

/// BackendTLSPolicyConflictResolution.
#[test]
fn the_oldest_policy_of_a_target_counts_and_a_ports_own_before_it() {
    let named = |hostname: &str| GOOD.replace("b1.example.com", hostname);
    let dated =
        |name: &str, year: u16| format!("{{name: {name}, creationTimestamp: \"{year}-01-01T00:00:00Z\"}}");
    let younger = policy(&dated("young", 2025), "name: b1", &named("young.example.com"));
    let older = policy(&dated("old", 2024), "name: b1", &named("old.example.com"));
    let outcome = with(&(younger.clone() + &older));
    assert_eq!(begun(&outcome).server_name, NameSent::Fixed("old.example.com".into()));
    assert_eq!(outcome.says("BackendTLSPolicy default/old", ANCESTOR, "Accepted"), "True Accepted");
    assert_eq!(outcome.says("BackendTLSPolicy default/young", ANCESTOR, "Accepted"), "False Conflicted");
    let told = "BackendTLSPolicy default/young: spec.targetRefs: BackendTLSPolicy default/old (";
    assert!(outcome.faults()[0].contains(told), "{:?}", outcome.faults());

    let port = policy(&dated("port", 2026), "name: b1, sectionName: tls", &named("port.example.com"));
    let outcome = with(&(port + &older));
    assert_eq!(begun(&outcome).server_name, NameSent::Fixed("port.example.com".into()));
    for name in ["BackendTLSPolicy default/old", "BackendTLSPolicy default/port"] {
        assert_eq!(outcome.says(name, ANCESTOR, "Accepted"), "True Accepted");
    }
    let other_port = policy("{name: p}", "name: b1, sectionName: tcp", GOOD);
    assert_eq!(with(&other_port).served(), ["7000 a.example.com ended: TLSRoute default/r backend b1:443=1"]);
}

/// BackendTLSPolicyInvalidCACertificateRef, BackendTLSPolicyInvalidKind.
#[test]
fn without_a_good_authority_connections_fail() {
    let cases = [
        ("{group: '', kind: ConfigMap, name: nobody}", "False InvalidCACertificateRef"),
        ("{group: example.com, kind: Bucket, name: b}", "False InvalidKind"),
    ];
    for (reference, resolved) in cases {
        let validation = format!("hostname: b1.example.com, caCertificateRefs: [{reference}]");
        let outcome = with(&policy("{name: p}", "name: b1", &validation));
        assert_eq!(outcome.served(), [REFUSED], "never in the clear: {reference}");
        assert_eq!(
            outcome.says("BackendTLSPolicy default/p", ANCESTOR, "Accepted"),
            "False NoValidCACertificate"
        );
        assert_eq!(outcome.says("BackendTLSPolicy default/p", ANCESTOR, "ResolvedRefs"), resolved);
    }
    // One that is good will do, and the other is told.
    let both = "hostname: x.example.com, caCertificateRefs: [{kind: ConfigMap, name: nobody}, {kind: ConfigMap, name: ca}]";
    let outcome = with(&policy("{name: p}", "name: b1", both));
    assert_eq!(outcome.served(), [BEGUN]);
    assert_eq!(outcome.says("BackendTLSPolicy default/p", ANCESTOR, "Accepted"), "True Accepted");
    assert_eq!(
        outcome.says("BackendTLSPolicy default/p", ANCESTOR, "ResolvedRefs"),
        "False InvalidCACertificateRef"
    );
}

#[test]
fn a_policy_in_error_refuses_too() {
    let cases = [
        ("caCertificateRefs: [{kind: ConfigMap, name: ca}]", "validation.hostname: is missing"),
        ("hostname: x.example.com", "validation.caCertificateRefs: is missing"),
        (
            "hostname: x.example.com, caCertificateRefs: [{name: ca}], wellKnownCACertificates: System",
            "excludes caCertificateRefs",
        ),
        ("hostname: x.example.com, wellKnownCACertificates: Mozilla", "\"Mozilla\" is no set of authorities"),
        ("hostname: 10.0.0.1, caCertificateRefs: [{name: ca}]", "\"10.0.0.1\" is no DNS name"),
        (
            "hostname: x.example.com, caCertificateRefs: [{name: ca}], subjectAltNames: [{type: URI, hostname: x}]",
            "subjectAltNames[0]: has to state hostname with type Hostname",
        ),
    ];
    for (validation, expected) in cases {
        let outcome = with(&policy("{name: p}", "name: b1", validation));
        assert!(
            outcome.faults().iter().any(|fault| fault.contains(expected)),
            "{validation}: {:?}",
            outcome.faults()
        );
        assert_eq!(outcome.served(), [REFUSED], "{validation}");
        assert!(outcome.says("BackendTLSPolicy default/p", ANCESTOR, "Accepted").starts_with("False "));
    }
}

/// The version of Gateway API 1.0, which has other names for the same.
#[test]
fn the_first_version_of_a_policy_means_the_same() {
    let first = |target: &str, tls: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1alpha2\nkind: BackendTLSPolicy\nmetadata: {{name: p}}\n\
             spec: {{targetRef: {{group: '', kind: Service, {target}}}, tls: {{{tls}}}}}\n"
        )
    };
    let tls = "hostname: b1.example.com, caCertRefs: [{group: '', kind: ConfigMap, name: ca}]";
    let outcome = with(&first("name: b1, namespace: default", tls));
    assert_eq!((outcome.served(), outcome.faults()), (vec![BEGUN.to_owned()], Vec::new()));
    assert_eq!(begun(&outcome).server_name, NameSent::Fixed("b1.example.com".into()));
    let Verification::Chain { authorities: Authorities::Given(trust), .. } = &begun(&outcome).verification
    else {
        panic!("{:?}", begun(&outcome))
    };
    assert_eq!(&*trust.source, "ConfigMap default/ca");
    let system = with(&first("name: b1", "hostname: b1.example.com, wellKnownCACerts: System"));
    assert_eq!((system.served(), system.faults()), (vec![BEGUN.to_owned()], Vec::new()));
    let outcome = with(&first("name: b1", "hostname: b1.example.com"));
    assert!(outcome.faults()[0].contains("spec.tls.caCertRefs: is missing"), "{:?}", outcome.faults());
    assert_eq!(outcome.served(), [REFUSED]);
}

/// Whoever wrote it wanted TLS, and no connection is to be without.
#[test]
fn a_policy_in_a_version_that_there_is_not_refuses() {
    let good = policy("{name: p}", "name: b1", GOOD);
    for (was, wrong, expected) in [
        ("k8s.io/v1", "k8s.io/v1beta1", "write gateway.networking.k8s.io/v1"),
        (
            "targetRefs: [{group: '', kind: Service, name: b1}]",
            "targetRef: {kind: Service, name: b1}",
            "write targetRefs",
        ),
    ] {
        let outcome = with(&good.replace(was, wrong));
        assert!(outcome.faults()[0].contains(expected), "{:?}", outcome.faults());
        assert_eq!(outcome.served(), [REFUSED], "{wrong}");
    }
}

#[test]
fn a_target_that_there_is_not_is_told() {
    for (target, expected) in [
        ("name: b9", "spec.targetRefs[0].name: there is no Service default/b9 in the configuration"),
        (
            "name: b1, sectionName: https",
            "targetRefs[0].sectionName: Service default/b1 has no port of that name",
        ),
        ("name: b1, namespace: web", "targetRefs[0].namespace: Service web/b1 is in another namespace"),
    ] {
        let outcome = with(&policy("{name: p}", target, GOOD));
        assert!(outcome.faults()[0].contains(expected), "{:?}", outcome.faults());
    }
}

/// A port by name, where nobody knows the ports' names.
#[test]
fn a_policy_of_a_port_that_cannot_be_told_refuses() {
    let listener =
        "{name: l, port: 7000, protocol: TLS, tls: {mode: Terminate, certificateRefs: [{name: cert}]}}";
    let class = around().split("---\n").next().unwrap().to_owned();
    let system = "hostname: b1.example.com, wellKnownCACertificates: System";
    let with = |target: &str| {
        let policy = policy("{name: p}", target, system);
        lower(&(class.clone() + &secret("cert", fixtures::any()) + &gateway(&[listener]) + ROUTE + &policy))
    };
    assert_eq!(with("name: b1").served(), [BEGUN]);
    let outcome = with("name: b1, sectionName: tls");
    assert_eq!(outcome.served(), [REFUSED]);
    let faults = outcome.faults();
    assert!(faults[0].contains("add the Service, or leave sectionName out"), "{faults:?}");
}

/// BackendTLSPolicyObservedGenerationBump.
#[test]
fn a_policys_status_is_about_its_generation() {
    for generation in [1, 2] {
        let outcome = with(&policy(&format!("{{name: p, generation: {generation}}}"), "name: b1", GOOD));
        assert_eq!(outcome.status("BackendTLSPolicy default/p").generation, Some(generation));
    }
}

/// GatewayTLSBackendClientCertificate.
#[test]
fn the_gateways_own_certificate_is_shown_to_upstreams() {
    let good = policy("{name: p}", "name: b1", GOOD);
    let client = |name: &str| format!("  tls: {{backend: {{clientCertificateRef: {{name: {name}}}}}}}\n");
    let outcome = with_spec(&client("cert"), &good);
    assert_eq!(&*begun(&outcome).identity.as_ref().unwrap().source, "Secret default/cert");
    assert_eq!(with_spec(&client("nobody"), &good).served(), [REFUSED]);
}

#[test]
fn a_policy_counts_only_where_tls_has_ended() {
    let outcome = with(&(policy("{name: p}", "name: b2", GOOD)));
    assert_eq!(outcome.served(), ["7000 a.example.com ended: TLSRoute default/r backend b1:443=1"]);
    assert!(
        outcome
            .all()
            .iter()
            .any(|found| found.contains("is on no way of a TLSRoute through a listener that terminates"))
    );
    assert_eq!(outcome.status("BackendTLSPolicy default/p").parts, []);
}

#[test]
fn a_backend_that_is_reached_in_two_ways_has_two_names() {
    let listeners = [
        "{name: a, port: 7000, protocol: TLS, tls: {mode: Terminate, certificateRefs: [{name: cert}]}}",
        "{name: b, port: 7001, protocol: TLS, tls: {mode: Passthrough}}",
    ];
    let map = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "ca" }, "data": { "ca.crt": Authority::new("ca").pem }
    });
    let text = around()
        + &secret("cert", fixtures::any())
        + &gateway(&listeners)
        + ROUTE
        + &format!("---\n{map}\n")
        + &policy("{name: p}", "name: b1", GOOD);
    let expected = [
        BEGUN.to_owned(),
        "7001 a.example.com: TLSRoute default/r backend b1:443 via Gateway default/edge=1".to_owned(),
    ];
    assert_eq!(lower(&text).served(), expected);
}
