//! Routes: which connections go to which service.

use super::ends::EndsList;
use super::entity::{Entity, Kind, Version};
use super::index::{Broken, Index};
use super::protocol::{Group, Protocol};
use super::sni;
use super::surroundings::Flavor;
use crate::config::dialect::fields::{Fields, show};
use crate::config::model::{Between, NamePattern};

/// A route of connections.
#[derive(Debug)]
pub(super) struct Route {
    /// Its place among the entities, which is its age.
    pub(super) index: usize,
    pub(super) version: Version,
    pub(super) protocols: Vec<Protocol>,
    /// None asks for no name.
    pub(super) names: Vec<NamePattern>,
    pub(super) between: Between,
    pub(super) service: Option<usize>,
    pub(super) preserve_host: bool,
    /// Higher comes first.
    pub(super) priority: u64,
}

impl Route {
    pub(super) fn has(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }
}

/// What a route turns out to be.
pub(super) enum Read {
    /// Of connections; served unless its report says otherwise.
    Stream(Route),
    /// Of HTTP, or of UDP alone.
    Other(Group),
}

const OF_HTTP: [&str; 4] = ["paths", "hosts", "methods", "headers"];

/// What Kong takes on any route, and what concerns HTTP alone all the same.
const WITHOUT_EFFECT: [&str; 6] = [
    "regex_priority",
    "strip_path",
    "path_handling",
    "https_redirect_status_code",
    "request_buffering",
    "response_buffering",
];

/// Reads a route completely, so that all that is wrong with it is said at once.
pub(super) fn read(index: usize, entity: &Entity, entities: &Index, flavor: Flavor) -> Result<Read, Broken> {
    let (fields, report) = (entity.fields(), &entity.report);
    let Some((group, protocols)) = protocols(&fields, entity)? else {
        return Ok(Read::Other(Group::Http));
    };
    fields.ignore(&WITHOUT_EFFECT);
    for name in OF_HTTP {
        if fields.raw(name).is_some_and(|value| !is_empty(value)) {
            let message = format!(
                "cannot set '{name}' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'; remove it"
            );
            report.discard(fields.path(name), message);
        }
    }
    expressions(&fields, entity);
    let service = entities.owner(entity, &fields, "service", Kind::Service);
    let preserve_host = fields.boolean("preserve_host").unwrap_or(false);
    let sources = EndsList::read(&fields, "sources", report);
    let destinations = EndsList::read(&fields, "destinations", report);
    let names = names(&fields, &protocols, flavor, entity);
    fields.refuse_unknown(&[("sni", "did you mean \"snis\"?"), ("protocol", "did you mean \"protocols\"?")]);
    let asks = [names.is_empty(), sources.all.is_empty(), destinations.all.is_empty()];
    if !report.failed() && asks == [true; 3] {
        let (field, message) = match group {
            Group::Passthrough => ("snis", "must set snis when 'protocols' is 'tls_passthrough'"),
            _ => (
                "destinations",
                "must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'; \
                 destinations: [{port: 5432}] takes what comes to a port",
            ),
        };
        report.discard(fields.path(field), message);
    } else if !report.failed() && group == Group::Passthrough && names.is_empty() {
        report.discard(fields.path("snis"), "must set snis when 'protocols' is 'tls_passthrough'");
    }
    let priority = priority(flavor, !names.is_empty(), &sources, &destinations);
    let between = Between { sources: sources.all, destinations: destinations.all };
    let service = service?;
    if report.failed() {
        return Err(Broken);
    }
    if protocols == [Protocol::Udp] {
        return Ok(Read::Other(Group::Stream));
    }
    let version = entity.version;
    Ok(Read::Stream(Route { index, version, protocols, names, between, service, preserve_host, priority }))
}

/// `None` is HTTP.
fn protocols(fields: &Fields<'_>, entity: &Entity) -> Result<Option<(Group, Vec<Protocol>)>, Broken> {
    let report = &entity.report;
    let Some(words) = fields.texts("protocols") else {
        return if report.failed() { Err(Broken) } else { Ok(None) };
    };
    let mut protocols = Vec::new();
    for word in &words {
        match Protocol::read(word) {
            Some(protocol) => protocols.push(protocol),
            None => {
                let message = format!("{word:?}: expected one of: {}", Protocol::words());
                report.discard(fields.path("protocols"), message);
            }
        }
    }
    protocols.sort();
    protocols.dedup();
    let mut groups: Vec<_> = Vec::new();
    for protocol in &protocols {
        if !groups.contains(&protocol.group()) {
            groups.push(protocol.group());
        }
    }
    match groups[..] {
        [] | [Group::Http] if !report.failed() => Ok(None),
        [group] => Ok(Some((group, protocols))),
        [] => Err(Broken),
        _ => {
            let message = format!(
                "{} stand together, but these sets are mutually exclusive: ('tcp', 'tls', 'udp'), ('tls_passthrough'), \
                 and those of HTTP; make a route of each",
                words.join(", ")
            );
            report.discard(fields.path("protocols"), message);
            Err(Broken)
        }
    }
}

fn names(fields: &Fields<'_>, protocols: &[Protocol], flavor: Flavor, entity: &Entity) -> Vec<NamePattern> {
    let report = &entity.report;
    let texts = fields.texts("snis").unwrap_or_default();
    let of_tls = |protocol: &Protocol| matches!(protocol, Protocol::Tls | Protocol::TlsPassthrough);
    if !texts.is_empty() && !protocols.iter().any(of_tls) {
        report.discard(
            fields.path("snis"),
            "length must be 0: 'snis' can only be set when 'protocols' is 'tls' or 'tls_passthrough'; without TLS no \
             client asks for a name",
        );
        return Vec::new();
    }
    let mut names = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let field = || format!("{}[{index}]", fields.path("snis"));
        match sni::of_route(text) {
            Ok(name) if flavor == Flavor::Traditional && !matches!(name, NamePattern::Exact(_)) => report.discard(
                field(),
                format!("{text:?} has a wildcard, which router_flavor traditional does not know; set traditional_compatible"),
            ),
            Ok(name) if names.contains(&name) => {}
            Ok(name) => names.push(name),
            Err(why) => report.discard(field(), why),
        }
    }
    names
}

fn expressions(fields: &Fields<'_>, entity: &Entity) {
    for name in ["expression", "priority"] {
        if let Some(value) = fields.raw(name) {
            let message = format!(
                "{} belongs to router_flavor expressions, which sluice does not read; write snis, sources and \
                 destinations instead",
                show(value)
            );
            entity.report.discard(fields.path(name), message);
        }
    }
}

/// What Kong's routers sort by, as one number.
pub(super) fn priority(flavor: Flavor, named: bool, sources: &EndsList, destinations: &EndsList) -> u64 {
    let classes = sources.class << 4 | destinations.class;
    let kinds = [named, !sources.all.is_empty(), !destinations.all.is_empty()];
    match flavor {
        Flavor::TraditionalCompatible => u64::from(named || kinds[1] && kinds[2]) << 61 | classes,
        Flavor::Traditional => {
            let many = kinds.iter().filter(|kind| **kind).count() as u64;
            let first = kinds.iter().fold(0, |bits, kind| bits << 1 | u64::from(*kind));
            many << 32 | first << 16 | classes
        }
    }
}

fn is_empty(value: &serde_yaml::Value) -> bool {
    value.as_sequence().is_some_and(Vec::is_empty) || value.as_mapping().is_some_and(|map| map.is_empty())
}
