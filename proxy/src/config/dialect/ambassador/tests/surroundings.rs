//! What other resources do to a mapping: the Module, Listeners, and strangers.

use super::*;
use crate::config::model::Resolution;

fn module(config: &str) -> String {
    format!(
        "apiVersion: getambassador.io/v3alpha1\nkind: Module\nmetadata: {{name: ambassador}}\nspec: {{config: {{{config}}}}}\n---\n"
    )
}

#[test]
fn the_module_sets_defaults() {
    let text = module("enable_ipv6: false, liveness_probe: {enabled: true}") + &with_spec(&[]);
    let outcome = lower(&text);
    assert!(!outcome.only().families.ipv6 && outcome.only().families.ipv4);
    assert_eq!(outcome.all(), [""; 0]);

    let text = module("enable_ipv6: false") + &with_spec(&["enable_ipv6: true"]);
    assert!(lower(&text).only().families.ipv6, "the mapping's own word counts");

    let text = module("use_ambassador_namespace_for_service_resolution: true")
        + &with_spec(&[]).replace("{name: m}", "{name: m, namespace: other}");
    let outcome = lower(&text);
    assert_eq!(
        (outcome.served(), outcome.all().len()),
        (vec!["0.0.0.0:7000 other/m 100 svc:1".to_owned()], 0)
    );
}

#[test]
fn what_a_mapping_says_itself_the_module_does_not_spoil() {
    let masked = module("resolver: nonsense") + &with_spec(&["resolver: kubernetes-service"]);
    assert_eq!(lower(&masked).served().len(), 1);
}

#[test]
fn the_modules_resolver_is_the_default() {
    let outcome = lower(&(module("resolver: consul") + &with_spec(&["service: web"])));
    assert!(matches!(outcome.only().resolution, Resolution::Catalogue(_)), "{:?}", outcome.all());
    let outcome = lower(&(module("resolver: nonsense") + &with_spec(&[])));
    let expected = "test.yaml#2: TCPMapping default/m: spec.resolver: of Module ambassador: the resolver \"nonsense\" is \
                    unknown; write one of consul, consul-endpoint, endpoint, kubernetes-endpoint, kubernetes-service; the \
                    mapping is discarded";
    assert_eq!((outcome.served().len(), outcome.all()), (0, vec![expected.to_owned()]));
}

#[test]
fn the_module_is_checked_too() {
    let prefix = "test.yaml#1: Module default/ambassador: spec.config.";
    let cases = [
        ("enable_ipv6: 5", "enable_ipv6: 5 is not true or false; the key is ignored"),
        (
            "enable_ipv_6: true",
            "enable_ipv_6: unknown key \"enable_ipv_6\" is ignored; did you mean \"enable_ipv6\"?",
        ),
        (
            "defaults: {tls_secret_namespacing: 5}",
            "defaults.tls_secret_namespacing: 5 is not true or false; the key is ignored",
        ),
        (
            "tls: {server: {enabled: true}}",
            "tls: is ignored by this version of sluice: give the certificates to a TLSContext",
        ),
        (
            "keepalive: {time: 5}",
            "keepalive: is ignored by this version of sluice: keepalive is a setting of sluice for both sides, \
             see sockets in config/sluice.yaml",
        ),
    ];
    for (config, message) in cases {
        let outcome = lower(&(module(config) + &with_spec(&[])));
        assert_eq!((outcome.served().len(), outcome.all()), (1, vec![format!("{prefix}{message}")]));
    }
}

#[test]
fn a_module_for_somebody_else_is_not_read() {
    let text =
        module("enable_ipv6: false").replace("spec: {", "spec: {ambassador_id: other, ") + &with_spec(&[]);
    assert!(lower(&text).only().families.ipv6);
}

#[test]
fn both_families_off_is_ipv4_as_in_ambassador() {
    let outcome = lower(&with_spec(&["enable_ipv4: false", "enable_ipv6: false"]));
    assert!(outcome.only().families.ipv4);
    assert_eq!(outcome.faults().len(), 1);
}

#[test]
fn strangers_are_counted_by_kind() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\napiVersion: apps/v1\nkind: Deployment\n\
                metadata: {name: b}\n---\n_format_version: '3.0'\nservices: []\n---\n\
                apiVersion: gateway.networking.k8s.io/v1\nkind: UDPRoute\nmetadata: {name: r}\n---\n\
                apiVersion: getambassador.io/v3alpha1\nkind: Host\nmetadata: {name: h}\n---\n\
                apiVersion: getambassador.io/v3alpha1\nkind: Mapping\nmetadata: {name: h}\n---\n\
                apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    let expected = [
        "test.yaml#1: kind Deployment (apps/v1) is not one that sluice serves; 2 resources passed over",
        "test.yaml#6: kind Mapping (getambassador.io/v3alpha1) is not one that sluice serves; 1 resource passed over",
        "test.yaml#4: kind UDPRoute (gateway.networking.k8s.io/v1) is not one that sluice serves; 1 resource passed over",
    ];
    assert_eq!(lower(text).all(), expected);
}
