//! The parts of Services, EndpointSlices and Endpoints that say where to connect to.

use std::fmt;
use std::net::IpAddr;

use serde_yaml::{Mapping, Value};

use super::items;
use crate::config::dialect::fields::show;

/// One port of a Service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServicePort {
    pub(super) port: u16,
    /// Empty where it has none.
    name: String,
    target: Target,
}

/// Which port of its endpoints a Service's port leads to.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Number(u16),
    Name(String),
}

/// Endpoints that have the same ports.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// Names and numbers.
    ports: Vec<(String, u16)>,
    pub(super) ready: Vec<IpAddr>,
    /// Terminating, and serving until then.
    pub(super) leaving: Vec<IpAddr>,
}

/// All of them, for people.
pub(super) fn shown(ports: &[ServicePort]) -> String {
    let ports: Vec<_> = ports.iter().map(ServicePort::to_string).collect();
    if ports.is_empty() { "none".to_owned() } else { ports.join(", ") }
}

impl ServicePort {
    /// Empty where it has none.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it is in a slice. Kubernetes gives both the same name; who writes them by hand may not have.
    pub(super) fn number_in(&self, slice: &Slice) -> Option<u16> {
        let named = |wanted: &str| slice.ports.iter().find(|(name, _)| name == wanted).map(|(_, port)| *port);
        named(&self.name).or_else(|| match &self.target {
            Target::Number(number) if slice.ports.is_empty() => Some(*number),
            Target::Number(number) => slice.ports.iter().map(|(_, port)| *port).find(|port| port == number),
            Target::Name(name) => named(name),
        })
    }
}

impl fmt::Display for ServicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "{}", self.port),
            name => write!(f, "{} ({name})", self.port),
        }
    }
}

/// The TCP ports of a Service.
pub(super) fn service_ports(service: &Mapping) -> Vec<ServicePort> {
    let spec = service.get("spec").and_then(Value::as_mapping);
    let ports = spec.into_iter().flat_map(|spec| items(spec, "ports")).filter(|port| is_tcp(port));
    let port = |map: &Mapping| {
        let port = number(map.get("port")?)?;
        let target = match map.get("targetPort").filter(|target| !target.is_null()) {
            None => Target::Number(port),
            Some(target) => match number(target) {
                Some(number) => Target::Number(number),
                None => Target::Name(target.as_str()?.to_owned()),
            },
        };
        Some(ServicePort { port, name: name_of(map), target })
    };
    ports.filter_map(port).collect()
}

/// An EndpointSlice; `None` where its addresses are names.
pub(super) fn slice(body: &Mapping, label: &str, faults: &mut Vec<String>) -> Option<Slice> {
    if body.get("addressType").and_then(Value::as_str) == Some("FQDN") {
        faults.push(format!("{label} has names for addresses (addressType FQDN); it is left out"));
        return None;
    }
    let mut slice = Slice { ports: ports(body), ..Slice::default() };
    for endpoint in items(body, "endpoints") {
        let conditions = endpoint.get("conditions").and_then(Value::as_mapping);
        let condition = |name: &str| conditions.and_then(|map| map.get(name)).and_then(Value::as_bool);
        // Unknown counts as ready, and as serving what it is ready for (EndpointConditions, discovery/v1).
        let ready = condition("ready").unwrap_or(true);
        let leaving = condition("serving").unwrap_or(ready) && condition("terminating").unwrap_or(false);
        let list = match (ready, leaving) {
            (true, _) => &mut slice.ready,
            (false, true) => &mut slice.leaving,
            (false, false) => continue,
        };
        let addresses = endpoint.get("addresses").and_then(Value::as_sequence);
        list.extend(addresses.into_iter().flatten().filter_map(|value| address(value, label, faults)));
    }
    Some(slice)
}

/// The subsets of an Endpoints.
pub(super) fn subsets(body: &Mapping, label: &str, faults: &mut Vec<String>) -> Vec<Slice> {
    let subset = |subset: &Mapping| {
        let addresses = items(subset, "addresses").filter_map(|entry| entry.get("ip"));
        let ready = addresses.filter_map(|value| address(value, label, faults)).collect();
        Slice { ports: ports(subset), ready, leaving: Vec::new() }
    };
    items(body, "subsets").map(subset).collect()
}

fn ports(map: &Mapping) -> Vec<(String, u16)> {
    let ports = items(map, "ports").filter(|port| is_tcp(port));
    ports.filter_map(|port| Some((name_of(port), number(port.get("port")?)?))).collect()
}

fn address(value: &Value, label: &str, faults: &mut Vec<String>) -> Option<IpAddr> {
    let address = value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    if address.is_none() {
        faults
            .push(format!("{label} has the address {}, which is no IP address; it is left out", show(value)));
    }
    address.map(|address| address.to_canonical())
}

fn is_tcp(port: &Mapping) -> bool {
    port.get("protocol").and_then(Value::as_str).is_none_or(|protocol| protocol == "TCP")
}

fn name_of(port: &Mapping) -> String {
    port.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A port, quoted or not.
fn number(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| *number > 0)
}
