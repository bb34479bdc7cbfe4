//! Documents to routes and conditions.
//!
//! The tests of the Gateway API's own conformance suite that are about TCP and TLS are here in our words; each says
//! its short name there. What they assert of traffic is asked of the real binary in `tests/it/gateway`.

mod aws;
mod certificates;
mod gateways;
mod policies;
mod tcp_routes;
mod tls_routes;

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::dialect;
use crate::config::model::{Config, Downstream, Listener, Matcher, PartStatus, ResourceStatus, Route};
use crate::config::settings::Settings;

/// What a text means.
struct Outcome {
    config: Config,
    statuses: Vec<ResourceStatus>,
    diagnostics: Vec<Diagnostic>,
}

fn lower(text: &str) -> Outcome {
    lower_with(text, &Settings::default())
}

fn lower_with(text: &str, settings: &Settings) -> Outcome {
    let (documents, errors) = dialect::parse(&Arc::from(Path::new("test.yaml")), text);
    assert_eq!(errors, [], "{text}");
    let dialect::Lowered { config, statuses, diagnostics, .. } =
        dialect::lower(documents.iter(), &RefCell::default(), settings);
    Outcome { config, statuses, diagnostics }
}

impl Outcome {
    fn status(&self, resource: &str) -> &ResourceStatus {
        let mut all = self.statuses.iter();
        all.find(|status| status.resource == resource)
            .unwrap_or_else(|| panic!("{resource}: {:?}", self.statuses))
    }

    fn part(&self, resource: &str, part: &str) -> &PartStatus {
        let status = self.status(resource);
        status.parts.iter().find(|known| known.part == part).unwrap_or_else(|| panic!("{part}: {status:?}"))
    }

    /// `True Accepted` of a part, or of the whole where the part is empty.
    fn says(&self, resource: &str, part: &str, kind: &str) -> String {
        let conditions = match part {
            "" => &self.status(resource).conditions,
            part => &self.part(resource, part).conditions,
        };
        let condition = conditions.iter().find(|condition| condition.kind == kind);
        let condition = condition.unwrap_or_else(|| panic!("{kind}: {conditions:?}"));
        format!("{:?} {}", condition.status, condition.reason)
    }

    fn attached(&self, gateway: &str, listener: &str) -> usize {
        self.part(gateway, &format!("listener {listener}")).attached.unwrap()
    }

    /// One line a route, in the order in which they are tried.
    fn served(&self) -> Vec<String> {
        let routes = |listener: &Listener| -> Vec<String> {
            let bind = listener.bind.port();
            listener.routes.iter().map(|route| format!("{bind} {}", line(route))).collect()
        };
        self.config.listeners.iter().flat_map(routes).collect()
    }

    /// Everything worse than an info line.
    fn faults(&self) -> Vec<String> {
        let faults = self.diagnostics.iter().filter(|found| found.severity > Severity::Info);
        faults.map(ToString::to_string).collect()
    }

    fn all(&self) -> Vec<String> {
        self.diagnostics.iter().map(ToString::to_string).collect()
    }
}

fn line(route: &Route) -> String {
    let matcher = match &route.matcher {
        Matcher::Any => "any".to_owned(),
        Matcher::Cleartext => "cleartext".to_owned(),
        Matcher::Tls { name, .. } => name.to_string(),
    };
    let ended = match &route.downstream {
        Downstream::Raw => "",
        Downstream::Terminate(_) => " ended",
    };
    let mappings = route.mappings.iter().map(|mapping| {
        let begun = if mapping.originate.is_some() { " begun" } else { "" };
        format!("{}={}{begun}", mapping.name.0, mapping.weight.0)
    });
    let mut shares: Vec<_> = mappings.collect();
    if route.refused.0 > 0 || shares.is_empty() {
        shares.push(format!("refused={}", route.refused.0));
    }
    format!("{matcher}{ended}: {}", shares.join(", "))
}

/// A GatewayClass of ours, and the Services that tests refer to, with an endpoint each.
fn around() -> String {
    let mut text = "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: sluice}\n\
                    spec: {controllerName: sluice.dev/gateway}\n"
        .to_owned();
    for (place, id) in ["default/b1", "default/b2", "default/b3", "web/b1"].into_iter().enumerate() {
        text += &service(id, place);
    }
    text
}

/// A Service with ports 8080 (`tcp`) and 443 (`tls`), and its endpoint.
fn service(id: &str, place: usize) -> String {
    let (namespace, name) = id.split_once('/').unwrap();
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{ports: [{{name: tcp, port: 8080}}, {{name: tls, port: 443}}]}}\n\
         ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
         metadata: {{name: {name}, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         ports: [{{name: tcp, port: 8080}}, {{name: tls, port: 443}}]\nendpoints: [{{addresses: [10.0.0.{place}]}}]\n"
    )
}

/// `Gateway default/edge` with these listeners, one a line in flow style.
fn gateway(listeners: &[&str]) -> String {
    gateway_with("{name: edge}", listeners, "")
}

/// With this metadata, and more of the spec in lines of two spaces.
fn gateway_with(metadata: &str, listeners: &[&str], spec: &str) -> String {
    let listeners: String = listeners.iter().map(|listener| format!("  - {listener}\n")).collect();
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {metadata}\n\
         spec:\n  gatewayClassName: sluice\n{spec}  listeners:\n{listeners}"
    )
}

/// A route of any kind with this metadata, parent and backends, in flow style, and more of the spec.
fn route(kind: &str, metadata: &str, parent: &str, backends: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {metadata}\n\
         spec:\n  parentRefs: [{parent}]\n  rules: [{{backendRefs: [{backends}]}}]\n{spec}"
    )
}

fn tcp_route(metadata: &str, parent: &str, backends: &str) -> String {
    route("TCPRoute", metadata, parent, backends, "")
}

const EDGE: &str = "{name: edge}";

/// A Secret `default/NAME` with a certificate.
fn secret(name: &str, pair: &crate::config::material::fixtures::Pair) -> String {
    secret_in("default", name, &pair.chain, &pair.key)
}

fn secret_in(namespace: &str, name: &str, chain: &str, key: &str) -> String {
    let document = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": name, "namespace": namespace },
        "stringData": { "tls.crt": chain, "tls.key": key }
    });
    format!("---\n{document}\n")
}
