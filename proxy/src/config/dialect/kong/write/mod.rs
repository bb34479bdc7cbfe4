//! A configuration as a declarative file of Kong's, and the settings that it needs beside it.
//!
//! What nobody asked for is left to Kong: sluice's own defaults of balancing and families are not lost.

mod certificates;
mod listen;
mod order;
mod plugins;
mod route;
mod service;
mod upstream;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use serde_json::{Value, json};

use self::certificates::Certificates;
use self::service::Services;
use crate::config::dialect::write::{Draft, ObjectName, Taken};
use crate::config::model::{Config, Listener, Matcher, Route};

/// What has been written of each list of entities.
#[derive(Default)]
struct File {
    routes: Vec<Value>,
    /// What Kong sorts them by.
    keys: Vec<u64>,
    services: Services,
    certificates: Certificates,
    taken: Taken,
}

/// A route, and every address on which it stands alike.
struct Standing<'a> {
    route: &'a Route,
    binds: Vec<SocketAddr>,
}

/// Writes the whole of it.
pub(in crate::config::dialect) fn write(config: &Config, draft: &mut Draft<'_>) {
    // The file that tells TLS from what is none is one of Kong 1, and so is all that is in it.
    let is_version_1 = is_version_1(config);
    let mut file = File::default();
    let (mut standing, mut listening) = (Vec::new(), Vec::new());
    for listener in &config.listeners {
        let all = standing_on(listener, is_version_1, &mut standing, draft);
        // Nobody listens for nothing; but where all are refused, somebody has to.
        if all || listener.routes.iter().all(|route| route.mappings.is_empty()) {
            listening.push(listener);
        }
    }
    file.certificates.terminate(standing.iter().map(|standing: &Standing<'_>| standing.route), draft);
    for standing in &standing {
        route::write(standing, config, &mut file, draft);
    }
    order::check(config, &standing, &file.keys, draft);
    listen::settings(&listening, is_version_1, draft);
    service::settings(config, draft);
    let (services, upstreams) = file.services.into_entities();
    let (certificates, authorities) = file.certificates.into_entities();
    draft.add(json!({
        "_format_version": if is_version_1 { "1.1" } else { "3.0" },
        "services": services,
        "routes": file.routes,
        "upstreams": upstreams,
        "certificates": certificates,
        "ca_certificates": authorities,
    }));
}

fn is_version_1(config: &Config) -> bool {
    config
        .listeners
        .iter()
        .any(|listener| listener.routes.iter().any(|route| route.matcher == Matcher::Cleartext))
}

/// Adds a listener's routes; whether any can be written.
fn standing_on<'a>(
    listener: &'a Listener,
    is_version_1: bool,
    standing: &mut Vec<Standing<'a>>,
    draft: &mut Draft<'_>,
) -> bool {
    let mut is_any = false;
    for route in &listener.routes {
        if let Some(lack) = route::lacks(route, listener, is_version_1) {
            draft
                .lose(&whose(route, listener), format!("{lack}; the route on {} is left out", listener.bind));
            continue;
        }
        is_any = true;
        if route::is_for_nobody(route) {
            continue;
        }
        match standing.iter_mut().find(|other| other.route == route) {
            Some(same) => same.binds.push(listener.bind),
            None => standing.push(Standing { route, binds: vec![listener.bind] }),
        }
    }
    is_any
}

fn whose(route: &Route, listener: &Listener) -> String {
    route.mappings.first().map_or_else(|| listener.bind.to_string(), |mapping| mapping.name.to_string())
}

/// A name for an entity, from what the model calls it; a namespace stays in front.
fn entity_name(words: &str, taken: &mut Taken, draft: &Draft<'_>) -> String {
    let ObjectName { name, namespace } = ObjectName::of(words, &draft.settings.ambassador.namespace);
    let name = namespace.map_or(name.clone(), |namespace| format!("{namespace}-{name}"));
    taken.free(ObjectName { name, namespace: None }).name
}
