//! Kubernetes' Services, and what is behind them.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::{Draft, ObjectName, object};

/// A Service that says nothing of its endpoints.
pub(in crate::config::dialect) fn bare(name: &ObjectName, ports: &[u16], draft: &mut Draft<'_>) {
    // Where there are several each has to have a name.
    let name_of = |port: &u16| (ports.len() > 1).then(|| format!("port-{port}"));
    let ports: Vec<_> = ports.iter().map(|port| json!({ "name": name_of(port), "port": port })).collect();
    let spec = json!({ "ports": ports });
    draft.add(object("v1", "Service", name, Map::new(), Map::from_iter([("spec".to_owned(), spec)])));
}

/// A Service, and slices of its endpoints, each of one family and port.
pub(in crate::config::dialect) fn backed(
    name: &ObjectName,
    port: u16,
    endpoints: &[SocketAddr],
    draft: &mut Draft<'_>,
) {
    bare(name, &[port], draft);
    // Without any slice it would be DNS that knows, and not nobody.
    let mut slices: Vec<((bool, u16), Vec<String>)> =
        if endpoints.is_empty() { vec![((true, port), Vec::new())] } else { Vec::new() };
    for endpoint in endpoints {
        let key = (endpoint.is_ipv4(), endpoint.port());
        let address = endpoint.ip().to_string();
        match slices.iter_mut().find(|(other, _)| *other == key) {
            Some((_, addresses)) => addresses.push(address),
            None => slices.push((key, vec![address])),
        }
    }
    for (number, ((is_ipv4, port), addresses)) in slices.into_iter().enumerate() {
        let slice = ObjectName { name: format!("{}-{}", name.name, number + 1), ..name.clone() };
        let endpoints: Vec<Value> =
            addresses.iter().map(|address| json!({ "addresses": [address] })).collect();
        let body = json!({
            "addressType": if is_ipv4 { "IPv4" } else { "IPv6" },
            "ports": [{ "port": port }],
            "endpoints": endpoints,
        });
        let Value::Object(body) = body else { continue };
        let mut slice = object("discovery.k8s.io/v1", "EndpointSlice", &slice, Map::new(), body);
        slice["metadata"]["labels"] = json!({ "kubernetes.io/service-name": name.name });
        draft.add(slice);
    }
}
