//! Plugins: which of them concern connections, and the one of each name that counts for a route.

mod ip_restriction;
mod logs;

use std::sync::Arc;

use super::entity::{Entity, Kind};
use super::index::{Broken, Index};
use super::protocol::{Group, Protocol};
use super::route::Route;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::dialect::fields::Fields;
use crate::config::model::{Access, LogSink, RouteLogs};

/// A plugin with effect on connections.
struct Plugin {
    /// Its place among the entities.
    index: usize,
    name: String,
    route: Option<usize>,
    service: Option<usize>,
    protocols: Vec<Protocol>,
    effect: Result<Effect, Broken>,
}

/// What it does.
enum Effect {
    Restrict(Access),
    Log(Arc<LogSink>),
}

/// Every plugin of connections.
pub(super) struct Plugins(Vec<Plugin>);

/// What plugins do to a route's connections.
pub(super) struct Effects {
    pub(super) access: Access,
    pub(super) logs: Arc<RouteLogs>,
}

const KNOWN: [&str; 5] = ["file-log", "http-log", "ip-restriction", "prometheus", "tcp-log"];

/// Where a plugin says nothing of protocols.
const OF_HTTP: [Protocol; 4] = [Protocol::Grpc, Protocol::Grpcs, Protocol::Http, Protocol::Https];

impl Plugins {
    pub(super) fn read(entities: &Index, routes: &[Route], found: &mut Vec<Diagnostic>) -> Self {
        let mut plugins: Vec<Plugin> = Vec::new();
        let mut of_http: Vec<&Entity> = Vec::new();
        for (index, entity) in entities.of(Kind::Plugin) {
            match plugin(index, entity, entities, routes) {
                Ok(Some(plugin)) => match plugins.iter().find(|known| known.is_twin_of(&plugin)) {
                    Some(twin) => {
                        let twin = &entities.all[twin.index];
                        let message = format!(
                            "uniqueness violation: a plugin {:?} of the same scope is already declared ({} in {}); remove one",
                            plugin.name,
                            twin.path,
                            twin.place()
                        );
                        entity.report.discard(entity.at("name"), message);
                    }
                    None => plugins.push(plugin),
                },
                Ok(None) => of_http.push(entity),
                Err(Broken) => {}
            }
        }
        if let Some(first) = of_http.first() {
            let plugins =
                if of_http.len() == 1 { "1 plugin".to_owned() } else { format!("{} plugins", of_http.len()) };
            let message = format!("{plugins} of HTTP passed over");
            found.push(first.place().diagnostic(Severity::Info, message));
        }
        Self(plugins)
    }

    /// What counts for a route: of each name the plugin of the narrowest scope. A restriction in error takes the route
    /// along, since without it everybody would be let in.
    pub(super) fn of(&self, route: &Route, entities: &Index) -> Result<Effects, Broken> {
        let (mut access, mut sinks) = (Access::default(), Vec::new());
        for name in KNOWN {
            let in_scope = self.0.iter().filter(|plugin| plugin.name == name && plugin.concerns(route));
            let Some(plugin) = in_scope.max_by_key(|plugin| plugin.narrowness()) else {
                continue;
            };
            match &plugin.effect {
                Ok(Effect::Restrict(restricted)) => access = restricted.clone(),
                Ok(Effect::Log(sink)) => sinks.push(Arc::clone(sink)),
                Err(Broken) if name == ip_restriction::NAME => {
                    let (entity, restriction) = (&entities.all[route.index], &entities.all[plugin.index]);
                    let message = format!(
                        "{} ({} in {}) is in error, and without it everybody would be let in",
                        restriction.label(),
                        restriction.path,
                        restriction.place()
                    );
                    entity.report.discard(entity.path.clone(), message);
                    return Err(Broken);
                }
                Err(Broken) => {}
            }
        }
        if sinks.is_empty() {
            return Ok(Effects { access, logs: Arc::default() });
        }
        let service = route.service.map(|service| ("service".to_owned(), about(&entities.all[service])));
        let about =
            [("route".to_owned(), about(&entities.all[route.index]))].into_iter().chain(service).collect();
        Ok(Effects { access, logs: Arc::new(RouteLogs { sinks, about }) })
    }
}

impl Plugin {
    fn concerns(&self, route: &Route) -> bool {
        // In error it concerns whomever it might have concerned.
        let shared = self.effect.is_err() || self.protocols.iter().any(|protocol| route.has(*protocol));
        shared
            && self.route.is_none_or(|own| own == route.index)
            && self.service.is_none_or(|own| Some(own) == route.service)
    }

    fn narrowness(&self) -> (bool, bool) {
        (self.route.is_some(), self.service.is_some())
    }

    fn is_twin_of(&self, other: &Self) -> bool {
        (&self.name, self.route, self.service) == (&other.name, other.route, other.service)
    }
}

/// An entity as Kong's accounts have it: its fields, and none of the entities inside it.
fn about(entity: &Entity) -> serde_json::Value {
    let mut body = entity.body.clone();
    for child in entity.kind.children() {
        body.remove(child.list());
    }
    serde_json::to_value(body).unwrap_or_default()
}

/// `None` is a plugin of HTTP.
fn plugin(
    index: usize,
    entity: &Entity,
    entities: &Index,
    routes: &[Route],
) -> Result<Option<Plugin>, Broken> {
    let (fields, report) = (entity.fields(), &entity.report);
    fields.ignore(&["instance_name", "ordering", "run_on", "condition", "_config"]);
    let Some(name) = fields.filled("name") else {
        fields.missing("name", "name the plugin");
        return Err(Broken);
    };
    let route = entities.owner(entity, &fields, "route", Kind::Route)?;
    let service = entities.owner(entity, &fields, "service", Kind::Service)?;
    let enabled = fields.boolean("enabled").unwrap_or(true);
    let protocols = match protocols(&fields, &name, entity) {
        Ok(protocols) => protocols,
        // Whom it was for is not known, so it holds for everybody in its scope.
        Err(effect) if enabled && name == ip_restriction::NAME => {
            return Ok(Some(Plugin {
                index,
                name,
                route,
                service,
                protocols: Vec::new(),
                effect: Err(effect),
            }));
        }
        Err(Broken) => return Err(Broken),
    };
    let scoped_route = route.and_then(|route| routes.iter().find(|known| known.index == route));
    if let Some(scoped) = scoped_route
        && enabled
        && !protocols.iter().any(|protocol| scoped.has(*protocol))
    {
        let own: Vec<_> = scoped.protocols.iter().map(ToString::to_string).collect();
        let message =
            format!("must match the associated route's protocols; write protocols: [{}]", own.join(", "));
        report.discard(fields.path("protocols"), message);
        let effect = Err(Broken);
        return Ok(Some(Plugin { index, name, route, service, protocols, effect }));
    }
    // A route that is not among those of connections is one of HTTP, or in error itself.
    let is_of_http =
        protocols.iter().all(|protocol| protocol.group() == Group::Http || *protocol == Protocol::Udp);
    if !enabled || is_of_http || route.is_some() && scoped_route.is_none() {
        return if is_of_http && enabled { Ok(None) } else { Err(Broken) };
    }
    if ["consumer", "consumer_group"].into_iter().any(|field| fields.raw(field).is_some()) {
        report.info("", "is for a consumer, whom no connection names; it has no effect on connections");
        return Err(Broken);
    }
    if name == "prometheus" {
        report.info(
            fields.path("name"),
            "sluice has metrics of its own, at the admin endpoint's /metrics; passed over",
        );
        return Err(Broken);
    }
    let config = fields.child("config");
    let effect = match name.as_str() {
        ip_restriction::NAME => ip_restriction::read(config, &fields, report).map(Effect::Restrict),
        "tcp-log" | "file-log" | "http-log" => {
            logs::read(&name, config, &fields, entity).map(|sink| Effect::Log(Arc::new(sink)))
        }
        other => {
            let message = format!(
                "sluice has no plugin {other:?}, and its effect on connections is lacking; it has {}: remove it, or its \
                 protocols of connections",
                KNOWN.join(", ")
            );
            report.discard(fields.path("name"), message);
            return Err(Broken);
        }
    };
    fields.refuse_unknown(&[]);
    let effect = if report.failed() { Err(Broken) } else { effect };
    Ok(Some(Plugin { index, name, route, service, protocols, effect }))
}

fn protocols(fields: &Fields<'_>, name: &str, entity: &Entity) -> Result<Vec<Protocol>, Broken> {
    let Some(words) = fields.texts("protocols") else {
        if entity.report.failed() {
            return Err(Broken);
        }
        let mut protocols = OF_HTTP.to_vec();
        if name == ip_restriction::NAME {
            protocols.extend([Protocol::Tcp, Protocol::Tls]);
        }
        return Ok(protocols);
    };
    let read = |word: &String| {
        Protocol::read(word).ok_or_else(|| {
            let message = format!("{word:?}: expected one of: {}", Protocol::words());
            entity.report.discard(fields.path("protocols"), message);
            Broken
        })
    };
    words.iter().map(read).collect()
}
