//! Gateways of AWS' class through the real binary: certificates by ARN, unverified TLS to targets.

mod certificates;
mod seed;
mod targets;

use crate::harness::sluice::Sluice;
use crate::harness::tls::Leaf;
use crate::tls::Site;

/// An ARN as ACM gives them.
fn arn(id: &str) -> String {
    format!("arn:aws:acm:eu-west-1:123456789012:certificate/{id}")
}

/// A class of AWS' controller, and a Gateway with listeners, each one line in flow style.
fn gateway(listeners: &[&str]) -> String {
    let listeners: String = listeners.iter().map(|listener| format!("  - {listener}\n")).collect();
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {{name: nlb}}\n\
         spec: {{controllerName: gateway.k8s.aws/nlb}}\n\
         ---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: edge}}\nspec:\n\
         \x20 gatewayClassName: nlb\n\
         \x20 infrastructure: {{parametersRef: {{group: gateway.k8s.aws, kind: LoadBalancerConfiguration, name: edge}}}}\n\
         \x20 listeners:\n{listeners}"
    )
}

/// Its configuration, with listenerConfigurations one a line in flow style.
fn balancer(listeners: &[&str]) -> String {
    let listeners: String = listeners.iter().map(|listener| format!("  - {listener}\n")).collect();
    format!(
        "---\napiVersion: gateway.k8s.aws/v1\nkind: LoadBalancerConfiguration\nmetadata: {{name: edge}}\n\
         spec:\n  listenerConfigurations:\n{listeners}"
    )
}

/// A route of the Gateway to port 80 of the Service `pay`.
fn route(kind: &str, more: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {{name: pay}}\n\
         spec:\n  parentRefs: [{{name: edge}}]\n  rules: [{{backendRefs: [{{name: pay, port: 80}}]}}]\n{more}"
    )
}

/// The target group of the Service `pay`; `props` is in flow style.
fn target_group(props: &str) -> String {
    format!(
        "---\napiVersion: gateway.k8s.aws/v1\nkind: TargetGroupConfiguration\nmetadata: {{name: pay}}\n\
         spec:\n  targetReference: {{name: pay}}\n  defaultConfiguration: {{{props}}}\n"
    )
}

/// A Service and the pod behind it, which listens where the site's port 7001 is.
fn service(site: &Site, namespace: &str, name: &str, port: u16) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{ports: [{{name: tcp, port: {port}, targetPort: 7001}}]}}\n\
         ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
         metadata: {{name: {name}, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         ports: [{{name: tcp, port: 7001}}]\nendpoints: [{{addresses: [{}]}}]\n",
        site.host
    )
}

/// A Secret of another namespace than the default.
fn secret_in(namespace: &str, name: &str, leaf: &Leaf) -> String {
    leaf.secret(name)
        .replace(&format!("{{name: {name}}}"), &format!("{{name: {name}, namespace: {namespace}}}"))
}

/// Serves the documents at the site's address.
fn start(site: &Site, map: &str) -> Sluice {
    site.start_with(&["--bind-address", &site.host, "--certificate-map", map])
}
