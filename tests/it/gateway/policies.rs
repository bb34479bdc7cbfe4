//! `BackendTLSPolicy`.

use super::*;
use crate::harness::tls::Ca;

const END: &str =
    "{name: l, port: 7000, protocol: TLS, tls: {mode: Terminate, certificateRefs: [{name: cert}]}}";

fn policy(validation: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: p}}\n\
         spec: {{targetRefs: [{{group: '', kind: Service, name: b1}}], validation: {{{validation}}}}}\n"
    )
}

const AUTHORITY: &str = "caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]";

/// Ends TLS of front.example.com with a certificate of `ca`, which it also trusts upstreams to have theirs from.
fn world(ca: &Ca, spec: &str) -> World {
    World::new()
        .gateway_with(&[END], spec)
        .secret("cert", &ca.leaf(&["front.example.com"]))
        .authority("ca", &ca.pem)
        .service("b1", 8001)
        .tls_route("r", EDGE, "front.example.com", "{name: b1, port: 80}")
}

fn said(world: &World, ca: &Ca) -> io::Result<String> {
    dialled(&world.at(7000), "front.example.com", &Arc::new(ca.client(None)))
}

/// BackendTLSPolicyTLSRouteTerminate, BackendTLSPolicy: the hostname is sent and looked for, the authority asked.
#[test]
fn tls_begins_again_towards_the_service() {
    let (ca, other) = (Ca::new(), Ca::new());
    let good = format!("hostname: abc.example.com, {AUTHORITY}");
    let cases = [
        (&ca, "abc.example.com", good.clone(), true),
        (&ca, "wrong.example.com", good.clone(), false),
        (&other, "abc.example.com", good, false),
        (
            &ca,
            "abc.example.com",
            "hostname: abc.example.com, wellKnownCACertificates: System".to_owned(),
            false,
        ),
        (&ca, "abc.example.com", AUTHORITY.to_owned(), false),
        (
            &ca,
            "abc.example.com",
            AUTHORITY.replace("name: ca", "name: nobody") + ", hostname: abc.example.com",
            false,
        ),
    ];
    for (signer, name, validation, is_good) in cases {
        let world = world(&ca, "").with(&policy(&validation));
        let _backend = tls::backend(&world.at(8001), "b1", signer.leaf(&[name]).server());
        let _sluice = world.start();
        let expected = is_good.then_some("b1 abc.example.com unknown");
        assert_eq!(said(&world, &ca).ok().as_deref(), expected, "{name} {validation}");
    }
}

/// BackendTLSPolicySANValidation.
#[test]
fn stated_names_are_looked_for_in_place_of_the_hostname() {
    let ca = Ca::new();
    let dns = "{type: Hostname, hostname: abc.example.com}";
    let uri = "{type: URI, uri: \"spiffe://abc.example.com/test\"}";
    let cases: [(&[&str], &str, bool); 6] = [
        (&["abc.example.com"], dns, true),
        (&["other.example.com"], dns, false),
        (&["spiffe://abc.example.com/test"], uri, true),
        (&["spiffe://abc.example.com/other"], uri, false),
        (&["spiffe://abc.example.com/test"], &format!("{dns}, {uri}"), true),
        (&["front.example.com"], &format!("{dns}, {uri}"), false),
    ];
    for (names, sans, is_good) in cases {
        let validation = format!("hostname: front.example.com, {AUTHORITY}, subjectAltNames: [{sans}]");
        let world = world(&ca, "").with(&policy(&validation));
        let _backend = tls::backend(&world.at(8001), "b1", ca.leaf(names).server());
        let _sluice = world.start();
        assert_eq!(said(&world, &ca).is_ok(), is_good, "{names:?} {sans}");
    }
}

/// BackendTLSPolicy: a change of the ConfigMap is taken up.
#[test]
fn authorities_are_taken_up_as_they_change() {
    let (ca, next) = (Ca::new(), Ca::new());
    let world = world(&ca, "").with(&policy(&format!("hostname: abc.example.com, {AUTHORITY}")));
    let _backend = tls::backend(&world.at(8001), "b1", next.leaf(&["abc.example.com"]).server());
    let mut sluice = world.start();
    assert!(said(&world, &ca).is_err());
    let indented = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    sluice.reload(&world.replaced(&indented(&ca.pem), &indented(&next.pem)));
    assert_eq!(said(&world, &ca).unwrap(), "b1 abc.example.com unknown");
}

/// GatewayTLSBackendClientCertificate, GatewayInvalidTLSBackendConfiguration.
#[test]
fn the_gateway_shows_its_own_certificate_to_upstreams_that_ask() {
    let ca = Ca::new();
    for (client, expected) in [("me", Some("b1 abc.example.com known")), ("nobody", None)] {
        let spec = format!("  tls: {{backend: {{clientCertificateRef: {{name: {client}}}}}}}\n");
        let world = world(&ca, &spec)
            .secret("me", &ca.leaf(&["gateway"]))
            .with(&policy(&format!("hostname: abc.example.com, {AUTHORITY}")));
        let _backend = tls::backend(&world.at(8001), "b1", ca.server_asking(&ca.leaf(&["abc.example.com"])));
        let _sluice = world.start();
        assert_eq!(said(&world, &ca).ok().as_deref(), expected);
    }
}
