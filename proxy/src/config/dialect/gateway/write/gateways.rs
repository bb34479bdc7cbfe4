//! `Gateway`s: one for each set of addresses, and for what its clients and upstreams are asked and shown.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{CLASS, Standing, api, grant, lacks, of_spec};
use crate::config::dialect::write::{Draft, ObjectName, object};
use crate::config::model::{
    ClientCertificates, Downstream, Identity, Matcher, NamePattern, Parameters, Trust,
};

/// Gateways that are being written.
#[derive(Default)]
pub(super) struct Gateways<'a>(Vec<Gateway<'a>>);

struct Gateway<'a> {
    addresses: BTreeSet<IpAddr>,
    /// Who vouches for clients.
    frontend: Option<&'a Trust>,
    /// What upstreams are shown.
    backend: Option<&'a Identity>,
    listeners: Vec<Listener<'a>>,
}

/// What becomes of connections to a port, of a name where it has one.
struct Listener<'a> {
    port: u16,
    hostname: Option<String>,
    is_tls: bool,
    ends: Option<Ends<'a>>,
    name: String,
}

/// How TLS ends.
#[derive(PartialEq)]
struct Ends<'a> {
    certificates: Vec<&'a Identity>,
    parameters: &'a Parameters,
}

/// What a route attaches to.
pub(super) struct Parent {
    pub(super) gateway: String,
    pub(super) section: String,
}

impl<'a> Gateways<'a> {
    /// The listener for a route; `backend` is what its upstreams are shown.
    pub(super) fn attach(
        &mut self,
        standing: &Standing<'a>,
        backend: Option<&'a Identity>,
        draft: &Draft<'_>,
    ) -> Parent {
        let Standing { route, port, addresses, is_narrow } = standing;
        let termination = match &route.downstream {
            Downstream::Raw => None,
            Downstream::Terminate(termination) => Some(&**termination),
        };
        let ends = termination.map(|termination| Ends {
            certificates: lacks::identities(termination, &route.matcher),
            parameters: &termination.parameters,
        });
        let frontend = termination.and_then(|termination| match &termination.clients {
            ClientCertificates::Required(trust) => Some(trust),
            ClientCertificates::Verified(_) | ClientCertificates::Ignored => None,
        });
        let is_mine = |gateway: &Gateway<'_>| {
            (&gateway.addresses, gateway.frontend, gateway.backend) == (addresses, frontend, backend)
        };
        let place = self.0.iter().position(is_mine).unwrap_or_else(|| {
            self.0.push(Gateway { addresses: addresses.clone(), frontend, backend, listeners: Vec::new() });
            self.0.len() - 1
        });
        // Two Gateways on an address are told apart by names.
        let is_shared = *is_narrow
            || self.0.iter().enumerate().any(|(other, gateway)| {
                other != place && !gateway.addresses.is_disjoint(addresses) && gateway.has_port(*port)
            });
        let hostname = match &route.matcher {
            Matcher::Tls { name, .. } if is_shared && *name != NamePattern::Everything => {
                Some(name.to_string())
            }
            _ => None,
        };
        let is_tls = matches!(route.matcher, Matcher::Tls { .. });
        let listeners = &mut self.0[place].listeners;
        let same = |other: &&Listener<'_>| {
            (other.port, &other.hostname, other.is_tls, &other.ends) == (*port, &hostname, is_tls, &ends)
        };
        let section = match listeners.iter().find(same) {
            Some(listener) => listener.name.clone(),
            None => {
                let words = match &hostname {
                    Some(hostname) => format!("port {port}-{hostname}"),
                    None => format!("port {port}"),
                };
                // The same name as that of an object, but that two stars or so may come to the same.
                let label = ObjectName::of(&words, &draft.settings.ambassador.namespace).name;
                let label = format!("port-{label}");
                let is_taken = listeners.iter().any(|other| other.name == label);
                let name = if is_taken { format!("{label}-{}", listeners.len() + 1) } else { label };
                listeners.push(Listener { port: *port, hostname, is_tls, ends, name: name.clone() });
                name
            }
        };
        Parent { gateway: name_of(place), section }
    }

    pub(super) fn write(self, draft: &mut Draft<'_>) {
        for (place, gateway) in self.0.into_iter().enumerate() {
            gateway.write(&name_of(place), draft);
        }
    }
}

fn name_of(place: usize) -> String {
    if place == 0 { "sluice".to_owned() } else { format!("sluice-{}", place + 1) }
}

impl Gateway<'_> {
    fn has_port(&self, port: u16) -> bool {
        self.listeners.iter().any(|listener| listener.port == port)
    }

    fn write(&self, name: &str, draft: &mut Draft<'_>) {
        let everywhere: BTreeSet<IpAddr> = draft.settings.ambassador.bind_address.iter().copied().collect();
        let addresses: Option<Vec<_>> = (self.addresses != everywhere).then(|| {
            let addresses = self.addresses.iter();
            addresses.map(|address| json!({ "type": "IPAddress", "value": address })).collect()
        });
        let frontend = self.frontend.map(|trust| {
            let map = draft.config_map(trust, None);
            if !trust.revoked.is_empty() {
                draft.lose(&trust.source, "has lists of revoked certificates, which no Gateway goes by");
            }
            json!({ "default": { "validation": { "caCertificateRefs": [reference("ConfigMap", &map)] } } })
        });
        let backend = self.backend.map(|identity| {
            let secret = draft.secret(identity);
            grant("Gateway", "Secret", &secret, draft);
            json!({ "clientCertificateRef": reference("Secret", &secret) })
        });
        let listeners: Vec<_> = self.listeners.iter().map(|listener| listener.written(draft)).collect();
        let spec = json!({
            "gatewayClassName": CLASS,
            "addresses": addresses,
            "listeners": listeners,
            "tls": { "frontend": frontend, "backend": backend },
        });
        let name = ObjectName { name: name.to_owned(), namespace: None };
        draft.add(object(&api("v1"), "Gateway", &name, Map::new(), of_spec(spec)));
    }
}

impl Listener<'_> {
    fn written(&self, draft: &mut Draft<'_>) -> Value {
        let tls = self.is_tls.then(|| match &self.ends {
            None => json!({ "mode": "Passthrough" }),
            Some(Ends { certificates, parameters }) => {
                let mut seen = HashSet::new();
                let mut references = Vec::new();
                for identity in certificates {
                    let secret = draft.secret(identity);
                    grant("Gateway", "Secret", &secret, draft);
                    if seen.insert(secret.clone()) {
                        references.push(reference("Secret", &secret));
                    }
                }
                json!({
                    "mode": "Terminate",
                    "certificateRefs": references,
                    "options": options(parameters),
                })
            }
        });
        json!({
            "name": self.name,
            "port": self.port,
            "protocol": if self.is_tls { "TLS" } else { "TCP" },
            "hostname": self.hostname,
            "tls": tls,
        })
    }
}

/// sluice's own keys.
fn options(parameters: &Parameters) -> Value {
    let alpn: Vec<_> = parameters.alpn.iter().map(|protocol| String::from_utf8_lossy(protocol)).collect();
    json!({
        "sluice.dev/min-tls-version": (!parameters.versions.tls12).then_some("1.3"),
        "sluice.dev/max-tls-version": (!parameters.versions.tls13).then_some("1.2"),
        "sluice.dev/alpn": (!alpn.is_empty()).then(|| alpn.join(",")),
    })
}

pub(super) fn reference(kind: &str, to: &ObjectName) -> Value {
    json!({ "group": "", "kind": kind, "name": to.name, "namespace": to.namespace })
}
