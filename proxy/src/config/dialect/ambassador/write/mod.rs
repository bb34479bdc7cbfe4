//! A configuration as Ambassador's resources.

mod annotations;
mod endpoints;
mod listener;
mod mapping;
mod tls;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use self::endpoints::Resolvers;
use self::tls::Contexts;
use crate::config::dialect::write::{Draft, ObjectName, Taken};
use crate::config::model::{Config, Mapping, Matcher, Prelude, Route};

/// Where a mapping of a route stands, everywhere that it stands alike.
struct Standing<'a> {
    /// What clients of its listeners say before TLS.
    prelude: Option<Prelude>,
    route: &'a Route,
    mapping: &'a Mapping,
    port: u16,
    addresses: BTreeSet<IpAddr>,
}

/// What all mappings share.
#[derive(Default)]
struct Shared {
    mappings: Taken,
    contexts: Contexts,
    resolvers: Resolvers,
}

/// Writes the whole of it.
pub(in crate::config::dialect) fn write(config: &Config, draft: &mut Draft<'_>) {
    let mut shared = Shared::default();
    for listener in &config.listeners {
        listener::write(listener, draft);
        for route in &listener.routes {
            if !expressible(route, listener.bind, draft) {
                continue;
            }
            shared.contexts.terminate(route, draft);
        }
    }
    for standing in gather(config) {
        mapping::write(&standing, &mut shared, draft);
    }
}

/// Each mapping of each route once for all addresses of a port.
fn gather(config: &Config) -> Vec<Standing<'_>> {
    let mut standing: Vec<Standing<'_>> = Vec::new();
    for listener in &config.listeners {
        let (port, address) = (listener.bind.port(), listener.bind.ip());
        for route in listener.routes.iter().filter(|route| lacks(route).is_none()) {
            for mapping in &route.mappings {
                let same = standing.iter_mut().find(|other| {
                    let place = (other.port, other.prelude, other.mapping);
                    place == (port, listener.prelude, mapping) && treats_alike(other.route, route)
                });
                match same {
                    Some(same) => {
                        same.addresses.insert(address);
                    }
                    None => {
                        let (prelude, addresses) = (listener.prelude, BTreeSet::from([address]));
                        standing.push(Standing { prelude, route, mapping, port, addresses });
                    }
                }
            }
        }
    }
    standing
}

/// Whether what two routes say but for their mappings is the same.
fn treats_alike(one: &Route, other: &Route) -> bool {
    let Route { matcher, between, access, downstream, mappings: _, refused, logs } = one;
    (matcher, between, access) == (&other.matcher, &other.between, &other.access)
        && (downstream, refused, logs) == (&other.downstream, &other.refused, &other.logs)
}

/// Whether a `TCPMapping` can say which connections a route takes; else that is noted.
fn expressible(route: &Route, bind: SocketAddr, draft: &mut Draft<'_>) -> bool {
    let whose = route.mappings.first().map_or_else(|| bind.to_string(), |mapping| mapping.name.to_string());
    if let Some(lack) = lacks(route) {
        draft.lose(&whose, format!("{lack}; the route on {bind} is left out"));
        return false;
    }
    if route.refused.0 > 0 {
        let share = route.refused.0;
        draft.lose(
            &whose,
            format!("a share of {share} is refused, and TCPMappings have no such; the others take it"),
        );
    }
    true
}

/// What no `TCPMapping` can ask for: without it, a route would take other connections than its own.
fn lacks(route: &Route) -> Option<String> {
    if !route.between.is_everyone() {
        return Some("goes by sources or destinations, which no TCPMapping does".to_owned());
    }
    match &route.matcher {
        Matcher::Cleartext => {
            Some("takes what is not TLS, which no TCPMapping tells from the rest".to_owned())
        }
        Matcher::Tls { name, .. } if name.to_string().ends_with(".*") => {
            Some(format!("goes by {name}, and a host of a TCPMapping has its star in front alone"))
        }
        _ if route.mappings.is_empty() => Some("has nobody to serve it".to_owned()),
        _ => None,
    }
}

/// The object that declares a mapping, under a name that nobody else has.
fn named(mapping: &Mapping, taken: &mut Taken, draft: &Draft<'_>) -> ObjectName {
    taken.free(ObjectName::of(&mapping.name.0, &draft.settings.ambassador.namespace))
}
