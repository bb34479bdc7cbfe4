//! What a Gateway asks its clients for.

use super::*;
use crate::harness::tls::Ca;

/// GatewayFrontendClientCertificateValidation, GatewayFrontendClientCertificateValidationInsecureFallback: of HTTPS
/// there, of TLS that ends here.
#[test]
fn clients_show_certificates_as_the_gateway_asks_at_the_port() {
    let (own, default, special) = (Ca::new(), Ca::new(), Ca::new());
    let listener = |port: u16| {
        format!(
            "{{name: l{port}, port: {port}, protocol: TLS, tls: {{mode: Terminate, certificateRefs: [{{name: cert}}]}}}}"
        )
    };
    let validation = |name: &str, mode: &str| {
        format!("{{validation: {{caCertificateRefs: [{{name: {name}}}], mode: {mode}}}}}")
    };
    let spec = format!(
        "  tls: {{frontend: {{default: {}, perPort: [{{port: 8443, tls: {}}}, {{port: 9443, tls: {}}}]}}}}\n",
        validation("default", "AllowValidOnly"),
        validation("special", "AllowValidOnly"),
        validation("special", "AllowInsecureFallback"),
    );
    let world = World::new()
        .gateway_with(&[7443, 8443, 9443].map(listener).each_ref().map(String::as_str), &spec)
        .secret("cert", &own.leaf(&["front.example.com"]))
        .authority("default", &default.pem)
        .authority("special", &special.pem)
        .service("b1", 8001)
        .tls_route("r", EDGE, "front.example.com", "{name: b1, port: 80}");
    let _backend = world.backend(8001, "b1");
    let _sluice = world.start();
    let identities = [None, Some(default.leaf(&["client"])), Some(special.leaf(&["client"]))];
    let expected = [(7443, [false, true, false]), (8443, [false, false, true]), (9443, [true, true, true])];
    for (port, good) in expected {
        for (identity, good) in identities.iter().zip(good) {
            let config = Arc::new(own.client(identity.as_ref()));
            let said = dialled(&world.at(port), "front.example.com", &config);
            assert_eq!(said.is_ok(), good, "{port}: {said:?}");
        }
    }
}
