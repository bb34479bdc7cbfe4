//! The Gateway API through the real binary.
//!
//! What the API's own conformance tests assert of traffic is here in our words; each test says its short name there.
//! What they assert of conditions is in the dialect's own tests (`config/dialect/gateway/tests`), but for a few that
//! go through `sluice check`.

mod amazon;
mod clients;
mod examples;
mod policies;
mod reload;
mod status;
mod tcp_routes;
mod tls_routes;

use std::io::{self, Read};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::harness::backend::Backend;
use crate::harness::client::try_connect;
use crate::harness::sluice::{Builder, Sluice};
use crate::harness::tls::{self, Leaf};
use crate::tls::Site;

/// A Gateway `default/edge` at an address of the test's own, and what belongs to it.
pub(crate) struct World {
    pub(crate) site: Site,
    documents: String,
}

/// Parents that mean the whole Gateway.
const EDGE: &str = "{name: edge}";

impl World {
    pub(crate) fn new() -> Self {
        let class = "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: sluice}\n\
                     spec: {controllerName: sluice.dev/gateway}\n";
        Self { site: Site::new(), documents: class.to_owned() }
    }

    pub(crate) fn with(mut self, documents: &str) -> Self {
        self.documents.push_str(documents);
        self
    }

    /// With the Gateway and these listeners, each in flow style.
    pub(crate) fn gateway(self, listeners: &[&str]) -> Self {
        self.gateway_with(listeners, "")
    }

    /// The same with more of its spec, in lines of two spaces.
    pub(crate) fn gateway_with(self, listeners: &[&str], spec: &str) -> Self {
        let listeners: String = listeners.iter().map(|listener| format!("  - {listener}\n")).collect();
        let text = format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: edge}}\n\
             spec:\n  gatewayClassName: sluice\n  addresses: [{{value: {}}}]\n{spec}  listeners:\n{listeners}",
            self.site.host
        );
        self.with(&text)
    }

    /// With a Service whose port 80 is this port of the test's address.
    pub(crate) fn service(self, id: &str, port: u16) -> Self {
        let (namespace, name) = id.split_once('/').unwrap_or(("default", id));
        let text = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec: {{ports: [{{name: main, port: 80}}]}}\n\
             ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
             metadata: {{name: {name}, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}\n\
             ports: [{{name: main, port: {port}}}]\nendpoints: [{{addresses: [{}]}}]\n",
            self.site.host
        );
        self.with(&text)
    }

    pub(crate) fn tcp_route(self, name: &str, parent: &str, backends: &str) -> Self {
        self.with(&route("TCPRoute", name, parent, backends, ""))
    }

    pub(crate) fn tls_route(self, name: &str, parent: &str, hostname: &str, backends: &str) -> Self {
        self.with(&route("TLSRoute", name, parent, backends, &format!("  hostnames: [\"{hostname}\"]\n")))
    }

    /// With a Secret of that certificate.
    pub(crate) fn secret(self, name: &str, leaf: &Leaf) -> Self {
        self.with(&leaf.secret(name))
    }

    /// With a ConfigMap of that authority.
    pub(crate) fn authority(self, name: &str, pem: &str) -> Self {
        let lines: String = pem.lines().map(|line| format!("    {line}\n")).collect();
        self.with(&format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  ca.crt: |\n{lines}"
        ))
    }

    pub(crate) fn at(&self, port: u16) -> String {
        self.site.at(port)
    }

    /// An upstream at a port that says its name and ends.
    pub(crate) fn backend(&self, port: u16, name: &'static str) -> Backend {
        Backend::named(&self.at(port), name)
    }

    pub(crate) fn start(&self) -> Sluice {
        Builder::new(&self.documents).flags(&["--kernel-relay", "false"]).start()
    }

    /// The same world with something else in it.
    fn replaced(&self, from: &str, to: &str) -> String {
        assert!(self.documents.contains(from), "{from}");
        self.documents.replace(from, to)
    }
}

fn route(kind: &str, name: &str, parent: &str, backends: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}}}\n\
         spec:\n  parentRefs: [{parent}]\n  rules: [{{backendRefs: [{backends}]}}]\n{spec}"
    )
}

/// What the upstream says over a connection in the clear; an error where there is none to be had.
fn heard(address: &str) -> io::Result<String> {
    let mut stream = try_connect(address)?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    // Whoever is refused hears nothing.
    if said.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(said) }
}

/// The first line that the upstream says over TLS; an error where it cannot be reached.
fn dialled(address: &str, name: &str, config: &Arc<ClientConfig>) -> io::Result<String> {
    let mut client = tls::hello(address, name, config)?;
    let (mut line, mut byte) = (Vec::new(), [0]);
    while client.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    if line.is_empty() {
        Err(io::ErrorKind::UnexpectedEof.into())
    } else {
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}
