//! Kong's declarative files, as far as they are about connections: services, routes, upstreams, certificates.

mod certificate;
mod document;
mod downstream;
mod ends;
mod entity;
mod env;
mod health;
mod index;
mod listeners;
mod mapping;
mod plugin;
mod protocol;
mod route;
mod service;
mod sni;
mod stream_listen;
mod surroundings;
mod upstream;
mod upstream_tls;
mod write;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;

use self::certificate::Store;
use self::downstream::Terminations;
use self::entity::{Entity, Kind};
use self::env::Lookup;
use self::index::Index;
use self::listeners::{Assembly, nobody_listens};
use self::mapping::Mappings;
use self::plugin::Plugins;
use self::protocol::Group;
use self::route::{Read, Route};
use self::service::Service;
use self::surroundings::Surroundings;
use self::upstream::Upstreams;
use self::upstream_tls::Originations;
use super::Document;
use super::merge::Claim;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::material::Files;
use crate::config::settings::Settings;

pub(super) use write::write;

/// What files are read against.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) files: &'a RefCell<Files>,
    pub(super) settings: &'a Settings,
    /// decK's variables.
    pub(super) environment: Lookup<'a>,
}

pub(super) use self::document::looks_like_one;

/// What several files declare counts as one, as with decK. Of which kind each entity is comes with it.
pub(super) fn lower(
    documents: &[&Document],
    sources: Sources<'_>,
    found: &mut Vec<Diagnostic>,
) -> (Vec<Claim>, Vec<&'static str>) {
    let Some(first) = documents.first() else {
        return (Vec::new(), Vec::new());
    };
    let mut entities = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        document::read(document, number == 0, sources.environment, &mut entities, found);
    }
    let entities = Index::new(entities);
    let claims = assemble(&entities, sources, first, found);
    let kinds = entities.all.iter().map(|entity| entity.kind.noun()).collect();
    found.extend(entities.all.into_iter().flat_map(|entity: Entity| entity.report.into_diagnostics()));
    (claims, kinds)
}

fn assemble(
    entities: &Index,
    Sources { files, settings, .. }: Sources<'_>,
    first: &Document,
    found: &mut Vec<Diagnostic>,
) -> Vec<Claim> {
    let surroundings = Surroundings::read(&settings.kong, found);
    let store = Store::read(entities);
    let upstreams = Upstreams::read(entities);
    let services: HashMap<usize, Service> = entities
        .of(Kind::Service)
        .filter_map(|(index, entity)| Some((index, service::read(index, entity, entities).ok()?)))
        .collect();
    let mut routes = routes(entities, &services, &surroundings, found);
    let plugins = Plugins::read(entities, &routes, found);
    let mut effects = HashMap::new();
    routes
        .retain(|route| plugins.of(route, entities).map(|found| effects.insert(route.index, found)).is_ok());
    if surroundings.addresses.is_empty() {
        nobody_listens(entities, &routes, &settings.kong.stream_listen, found);
        return Vec::new();
    }
    let originations = Originations::new(&store, files, settings);
    let terminations = Terminations::new(&store, files, &settings.kong);
    let mappings = Mappings::new(entities, &services, &upstreams, &originations, settings);
    let assembly = Assembly {
        entities,
        routes: &routes,
        surroundings: &surroundings,
        mappings: &mappings,
        terminations: &terminations,
        effects: &effects,
        placed: RefCell::default(),
    };
    let claims = assembly.claims(&first.place);
    assembly.explain();
    terminations.finish(found);
    upstreams.hush_those_of_http(entities);
    claims
}

/// Routes of connections whose service can be reached, or that have none.
fn routes(
    entities: &Index,
    services: &HashMap<usize, Service>,
    surroundings: &Surroundings,
    found: &mut Vec<Diagnostic>,
) -> Vec<Route> {
    let (mut routes, mut others) = (Vec::new(), Vec::<(&Entity, Group)>::new());
    for (index, entity) in entities.of(Kind::Route) {
        let Ok(read) = route::read(index, entity, entities, surroundings.flavor) else {
            continue;
        };
        let route = match read {
            Read::Stream(route) => route,
            Read::Other(group) => {
                others.push((entity, group));
                continue;
            }
        };
        let report = &entity.report;
        match route.service.map(|index| (&entities.all[index], services.get(&index))) {
            Some((owner, None)) => {
                let message = format!("{} is in error", owner.label());
                report.discard(entity.at("service"), message);
            }
            Some((owner, Some(service))) if !service.enabled => {
                report.info(
                    entity.at("service"),
                    format!("{} is not enabled; the route is left out", owner.label()),
                );
            }
            None => {
                report
                    .warn(entity.at("service"), "is not set, so its connections are refused; name a service");
                routes.push(route);
            }
            Some(_) => routes.push(route),
        }
    }
    for (group, what) in [(Group::Http, "of HTTP"), (Group::Stream, "of UDP")] {
        let of_group: Vec<_> = others.iter().filter(|(_, other)| *other == group).collect();
        if let Some((entity, _)) = of_group.first() {
            let routes =
                if of_group.len() == 1 { "1 route".to_owned() } else { format!("{} routes", of_group.len()) };
            let message = format!("{routes} {what} passed over");
            found.push(entity.place().diagnostic(Severity::Info, message));
        }
    }
    routes
}
