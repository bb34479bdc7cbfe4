//! A configuration as the Gateway API's resources.
//!
//! What nobody asked for is left to the reader: sluice's own defaults are not lost.

mod backends;
mod gateways;
mod lacks;
mod policies;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use self::backends::Backends;
use self::gateways::Gateways;
use self::policies::Policies;
use super::kind::GROUP;
use crate::config::dialect::write::{Draft, ObjectName, Taken, object};
use crate::config::model::{Config, Downstream, Identity, Listener, Matcher, NamePattern, Route};

/// The class of every Gateway written, whose controller sluice stands for.
const CLASS: &str = "sluice";

/// A route on every address of a port on which it stands alike.
struct Standing<'a> {
    route: &'a Route,
    port: u16,
    addresses: BTreeSet<IpAddr>,
    /// Whether its listener says which names it is for: another of the port does something else with TLS.
    is_narrow: bool,
}

/// Writes the whole of it.
pub(in crate::config::dialect) fn write(config: &Config, draft: &mut Draft<'_>) {
    let standing = gather(config, draft);
    if standing.is_empty() {
        return;
    }
    let spec = json!({ "controllerName": "sluice.dev/gateway" });
    let class = ObjectName { name: CLASS.to_owned(), namespace: None };
    // Classes are in no namespace.
    draft.add(object(&api("v1"), "GatewayClass", &class, Map::new(), of_spec(spec)));
    let (mut gateways, mut taken) = (Gateways::default(), [Taken::default(), Taken::default()]);
    let mut policies = Policies::default();
    let mut backends = Backends::new(&standing);
    let mut routes = Vec::new();
    for standing in &standing {
        let Some(shares) = backends.of(standing.route, draft) else { continue };
        let identity = client_identity(standing.route, draft);
        if let Downstream::Terminate(_) = standing.route.downstream {
            for (mapping, service) in standing.route.mappings.iter().zip(&shares.services) {
                policies.ask(service, mapping, draft);
            }
        }
        let parent = gateways.attach(standing, identity, draft);
        routes.push(route(standing, &parent, shares.references, &mut taken, draft));
    }
    gateways.write(draft);
    for route in routes {
        draft.add(route);
    }
    backends.finish(draft);
    policies.write(draft);
}

/// Everything that can be said, each once for all addresses of a port.
fn gather<'a>(config: &'a Config, draft: &mut Draft<'_>) -> Vec<Standing<'a>> {
    let mut standing: Vec<Standing<'a>> = Vec::new();
    for listener in &config.listeners {
        let mut kept = Vec::new();
        for route in &listener.routes {
            match lacks::of(route, listener, draft.settings) {
                Some(lack) => draft.lose(
                    &whose(route, listener),
                    format!("{lack}; the route on {} is left out", listener.bind),
                ),
                None => kept.push(route),
            }
        }
        if listener.socket != Default::default() && !kept.is_empty() {
            let bind = listener.bind.to_string();
            draft.lose(&bind, "no Gateway says how long its queue is, or whether clients are probed");
        }
        // Clients of one hostname are shown what is in force there, and no more.
        let is_narrow =
            kept.iter().any(|route| route.downstream != kept[0].downstream || has_named(&route.downstream));
        for route in kept {
            let (port, address) = (listener.bind.port(), listener.bind.ip());
            let same = standing
                .iter_mut()
                .find(|other| other.port == port && other.route == route && other.is_narrow == is_narrow);
            match same {
                Some(same) => drop(same.addresses.insert(address)),
                None => standing.push(Standing { route, port, addresses: [address].into(), is_narrow }),
            }
        }
    }
    for Standing { route, .. } in &standing {
        lacks::tell(route, draft);
    }
    standing
}

fn has_named(downstream: &Downstream) -> bool {
    matches!(downstream, Downstream::Terminate(termination) if !termination.named.is_empty())
}

fn whose(route: &Route, listener: &Listener) -> String {
    route.mappings.first().map_or_else(|| listener.bind.to_string(), |mapping| mapping.name.to_string())
}

/// What a route's upstreams are shown, which is its Gateway's affair.
fn client_identity<'a>(route: &'a Route, draft: &mut Draft<'_>) -> Option<&'a Identity> {
    let shown = |mapping: &'a crate::config::model::Mapping| {
        mapping.originate.as_ref().and_then(|origination| origination.identity.as_ref())
    };
    let first = route.mappings.first().and_then(shown);
    for mapping in &route.mappings {
        if shown(mapping) != first {
            let message = "shows its upstream another certificate than its neighbours, and a Gateway has one; the first stays";
            draft.lose(&mapping.name.0, message);
        }
    }
    first
}

fn route(
    Standing { route, port, .. }: &Standing<'_>,
    parent: &gateways::Parent,
    references: Vec<Value>,
    [tcp, tls]: &mut [Taken; 2],
    draft: &Draft<'_>,
) -> Value {
    let words = route
        .mappings
        .first()
        .map_or_else(|| format!("route port-{port}"), |mapping| mapping.name.to_string());
    let own = &draft.settings.ambassador.namespace;
    // Beside its Gateway, which lets no others attach.
    let wanted = ObjectName { namespace: None, ..ObjectName::of(&words, own) };
    let parents = json!([{ "name": parent.gateway, "sectionName": parent.section }]);
    let rules = json!([{ "backendRefs": references }]);
    let (kind, version, name, hostnames) = match &route.matcher {
        // Only there it may take what its listener takes.
        Matcher::Tls { name: NamePattern::Everything, .. } => {
            ("TLSRoute", "v1alpha2", tls.free(wanted), None)
        }
        Matcher::Tls { name, .. } => ("TLSRoute", "v1", tls.free(wanted), Some([name.to_string()])),
        Matcher::Any | Matcher::Cleartext => ("TCPRoute", "v1", tcp.free(wanted), None),
    };
    let spec = json!({ "parentRefs": parents, "hostnames": hostnames, "rules": rules });
    object(&api(version), kind, &name, Map::new(), of_spec(spec))
}

fn api(version: &str) -> String {
    format!("{GROUP}/{version}")
}

fn of_spec(spec: Value) -> Map<String, Value> {
    Map::from_iter([("spec".to_owned(), spec)])
}

/// Lets a kind of sluice's namespace refer to an object of another.
fn grant(kind: &str, object_kind: &str, to: &ObjectName, draft: &mut Draft<'_>) {
    let Some(namespace) = &to.namespace else { return };
    let own = draft.settings.ambassador.namespace.clone();
    let name = ObjectName {
        name: format!("{}-{}", kind.to_ascii_lowercase(), to.name),
        namespace: Some(namespace.clone()),
    };
    let spec = json!({
        "from": [{ "group": GROUP, "kind": kind, "namespace": own }],
        "to": [{ "group": "", "kind": object_kind, "name": to.name }],
    });
    draft.add_once(object(&api("v1beta1"), "ReferenceGrant", &name, Map::new(), of_spec(spec)));
}
