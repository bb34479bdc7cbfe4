//! Kubernetes' Services and the endpoints behind them, read only where somebody refers to them.

mod read;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use serde_yaml::{Mapping, Value};

use self::read::{ServicePort, Slice};
use super::resource::Resource;
use crate::config::settings::Ambassador;

/// Which Service a slice belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Every Service, EndpointSlice and Endpoints of a configuration; of the same name the last counts.
#[derive(Default)]
pub(super) struct Cluster<'a> {
    services: HashMap<Name, Cow<'a, Mapping>>,
    endpoints: HashMap<Name, Cow<'a, Mapping>>,
    /// By Service, and by their own name.
    slices: HashMap<Name, BTreeMap<String, Cow<'a, Mapping>>>,
}

/// Namespace and name.
type Name = (String, String);

/// What is behind a port of a Service.
#[derive(Debug, Default)]
pub(super) struct Backing {
    /// In order, none twice; empty where nothing is ready.
    pub(super) endpoints: Vec<SocketAddr>,
    /// What was left out, and why.
    pub(super) faults: Vec<String>,
}

/// A Service, for whoever refers to it by name and port.
#[derive(Debug)]
pub(super) struct Known {
    /// Whether it is but another name for something outside (type ExternalName).
    pub(super) is_external: bool,
    /// Whether the configuration knows its endpoints.
    pub(super) has_endpoints: bool,
    ports: Vec<ServicePort>,
}

impl Known {
    /// The name of a TCP port, empty where it has none; or which ports there are instead.
    pub(super) fn port_name(&self, port: u16) -> Result<&str, String> {
        let found = self.ports.iter().find(|known| known.port == port);
        found.map(ServicePort::name).ok_or_else(|| read::shown(&self.ports))
    }

    /// Whether a TCP port has the name; or which ports there are instead.
    pub(super) fn has_port_named(&self, name: &str) -> Result<(), String> {
        let mut ports = self.ports.iter();
        ports.any(|port| port.name() == name).then_some(()).ok_or_else(|| read::shown(&self.ports))
    }
}

impl<'a> Cluster<'a> {
    /// Whether the configuration has no Service at all, so nothing can be said about any.
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// The Service of that name.
    pub(super) fn service(&self, namespace: &str, name: &str) -> Option<Known> {
        let key = (namespace.to_owned(), name.to_owned());
        let service = self.services.get(&key)?;
        let kind = service.get("spec").and_then(|spec| spec.get("type")).and_then(Value::as_str);
        Some(Known {
            is_external: kind == Some("ExternalName"),
            has_endpoints: self.slices.contains_key(&key) || self.endpoints.contains_key(&key),
            ports: read::service_ports(service),
        })
    }

    /// Takes a resource in if it is one of these.
    pub(super) fn add(&mut self, resource: &Resource<'a>, settings: &Ambassador) -> bool {
        let kind = match (resource.api_version.as_str(), resource.kind.as_str()) {
            ("v1", kind @ ("Service" | "Endpoints")) => kind,
            (version, "EndpointSlice") if version.starts_with("discovery.k8s.io/") => "EndpointSlice",
            _ => return false,
        };
        // Without a name nobody can refer to it.
        let Some(name) = resource.name() else {
            return true;
        };
        let namespace = resource.namespace().unwrap_or_else(|| settings.namespace.clone());
        let body = resource.body.clone();
        match kind {
            "Service" => drop(self.services.insert((namespace, name), body)),
            "Endpoints" => drop(self.endpoints.insert((namespace, name), body)),
            _ => {
                let labels = resource.labels();
                if let Some((_, service)) = labels.into_iter().find(|(label, _)| label == SERVICE_NAME) {
                    self.slices.entry((namespace, service)).or_default().insert(name, body);
                }
            }
        }
        true
    }

    /// The endpoints behind a port of a Service.
    ///
    /// # Errors
    /// There is no such Service, or port, and what there is instead.
    pub(super) fn backing(&self, namespace: &str, name: &str, port: u16) -> Result<Backing, String> {
        let key = (namespace.to_owned(), name.to_owned());
        let Some(service) = self.services.get(&key) else {
            return Err(format!(
                "there is no Service {namespace}/{name} in the configuration{}; add it with its EndpointSlices, or \
                 leave resolver out to ask DNS",
                self.elsewhere(namespace, name)
            ));
        };
        let ports = read::service_ports(service);
        let Some(wanted) = ports.iter().find(|known| known.port == port) else {
            let ports = read::shown(&ports);
            return Err(format!("Service {namespace}/{name} has no TCP port {port}; it has {ports}"));
        };
        let mut faults = Vec::new();
        let slices = self.behind(&key, &mut faults);
        if slices.is_empty() {
            faults.push(format!(
                "Service {namespace}/{name} has neither EndpointSlices nor Endpoints in the configuration"
            ));
        }
        // Those that leave take connections where nobody else does (Kubernetes' KEP 1669).
        let mut found = BTreeSet::new();
        for of in [|slice: &Slice| slice.ready.clone(), |slice: &Slice| slice.leaving.clone()] {
            if !found.is_empty() {
                break;
            }
            for slice in &slices {
                let Some(port) = wanted.number_in(slice) else {
                    continue;
                };
                found.extend(of(slice).into_iter().map(|ip| SocketAddr::new(ip, port)));
            }
        }
        Ok(Backing { endpoints: found.into_iter().collect(), faults })
    }

    /// EndpointSlices, or the Endpoints that came before them.
    fn behind(&self, key: &Name, faults: &mut Vec<String>) -> Vec<Slice> {
        if let Some(slices) = self.slices.get(key) {
            let label = |name: &str| format!("EndpointSlice {}/{name}", key.0);
            return slices
                .iter()
                .filter_map(|(name, body)| read::slice(body, &label(name), faults))
                .collect();
        }
        let label = format!("Endpoints {}/{}", key.0, key.1);
        self.endpoints.get(key).map(|body| read::subsets(body, &label, faults)).unwrap_or_default()
    }

    /// Where else there is one of that name, to be read on behind a sentence.
    pub(super) fn elsewhere(&self, namespace: &str, name: &str) -> String {
        let others = self.services.keys().filter(|(other, same)| same == name && other != namespace);
        match others.map(|(other, _)| other).min() {
            Some(other) => format!(" (there is one in the namespace {other:?})"),
            None => String::new(),
        }
    }
}

/// The items of a list, none where there is no list.
fn items<'a>(map: &'a Mapping, field: &str) -> impl Iterator<Item = &'a Mapping> {
    map.get(field).and_then(Value::as_sequence).into_iter().flatten().filter_map(Value::as_mapping)
}
