//! Upstreams and their targets: several services behind one name.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::entity::{Entity, Kind};
use super::health::{self, Health};
use super::index::{Broken, Index};
use super::service::read_host;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::names;
use crate::config::model::{Host, Policy, ServerName, Service, Target};

/// Several services behind one name.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) policy: Policy,
    pub(super) health: Health,
    /// What is asked for by name, whoever is connected to.
    pub(super) host_header: Option<ServerName>,
    pub(super) client_certificate: Option<usize>,
    pub(super) targets: Vec<Target>,
}

/// Every upstream by its name in lower case, which a service's host may be; nothing stands for one in error.
pub(super) struct Upstreams {
    all: HashMap<String, (usize, Option<Upstream>)>,
    /// Those that connections go to.
    asked: RefCell<HashSet<usize>>,
}

/// Where a target has no port.
const PORT: u16 = 8000;

impl Upstreams {
    pub(super) fn read(entities: &Index) -> Self {
        let mut all = HashMap::new();
        for (index, entity) in entities.of(Kind::Upstream) {
            let upstream = upstream(entity, entities).ok();
            if let Some(name) = &entity.name {
                all.entry(name.to_ascii_lowercase()).or_insert((index, upstream));
            }
        }
        let mut upstreams = Self { all, asked: RefCell::default() };
        upstreams.targets(entities);
        upstreams
    }

    /// The upstream that a host is the name of; or that one is, and is in error.
    pub(super) fn of(&self, host: &Host) -> Option<(usize, Option<&Upstream>)> {
        let Host::Name(name) = host else {
            return None;
        };
        let (index, upstream) = self.all.get(&**name)?;
        self.asked.borrow_mut().insert(*index);
        Some((*index, upstream.as_ref()))
    }

    /// What connections make nothing of, such as a hash of a cookie, is none of the business of upstreams of HTTP.
    pub(super) fn hush_those_of_http(&self, entities: &Index) {
        let asked = self.asked.borrow();
        for (_, entity) in entities.of(Kind::Upstream).filter(|(index, _)| !asked.contains(index)) {
            entity.report.keep_errors();
        }
    }

    fn targets(&mut self, entities: &Index) {
        let mut known = HashSet::new();
        for (_, entity) in entities.of(Kind::Target) {
            let Ok((owner, target)) = target(entity, entities) else {
                continue;
            };
            if !known.insert((owner, target.service.clone())) {
                let message = format!(
                    "uniqueness violation: 'targets' entity with target {} of {} is already declared; remove one",
                    target.service,
                    entities.all[owner].label()
                );
                entity.report.discard(entity.at("target"), message);
                continue;
            }
            let upstream = self.all.values_mut().find(|(index, _)| *index == owner);
            match upstream.and_then(|(_, upstream)| upstream.as_mut()) {
                Some(upstream) => upstream.targets.push(target),
                None => {
                    let message = format!("{} is in error", entities.all[owner].label());
                    entity.report.discard(entity.at("upstream"), message);
                }
            }
        }
    }
}

fn upstream(entity: &Entity, entities: &Index) -> Result<Upstream, Broken> {
    let (fields, report) = (entity.fields(), &entity.report);
    match fields.filled("name") {
        Some(name) => match read_host(&name) {
            Some(Host::Name(_)) => {}
            _ => report.discard(
                fields.path("name"),
                format!("{name:?} is not a host name, which a service could have; write one without a port"),
            ),
        },
        None if report.failed() => {}
        None => fields.missing("name", "give the name that services have for a host"),
    }
    let policy = policy(&fields, entity);
    // Every dump has Kong's default.
    if fields.integer("slots", 10..=65_536).is_some_and(|slots| slots != 10_000) {
        report.info(fields.path("slots"), "has no effect: sluice's turns and hashes need no slots");
    }
    if fields.boolean("use_srv_name") == Some(true) {
        report.info(fields.path("use_srv_name"), "has no effect: sluice asks for no SRV records");
    }
    let host_header = fields.filled("host_header").and_then(|text| {
        let host = text.split(':').next().unwrap_or_default();
        let name = names::server_name(host);
        if name.is_none() {
            report.discard(
                fields.path("host_header"),
                format!("{text:?} is no DNS name, and nothing else can be asked for; write one"),
            );
        }
        name
    });
    let client_certificate = entities.owner(entity, &fields, "client_certificate", Kind::Certificate);
    let health = health::read(&fields, report);
    fields.refuse_unknown(&[("service", "write the upstream's name to the service's host")]);
    let client_certificate = client_certificate?;
    if report.failed() {
        return Err(Broken);
    }
    Ok(Upstream { policy, health, host_header, client_certificate, targets: Vec::new() })
}

/// What a hash is made of. Connections have their ends alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HashOn {
    None,
    Ip,
    /// `consumer`, `path`: as a fallback of itself it would be none.
    Single,
    Cookie,
    Other,
}

const HASHES: [(&str, HashOn); 8] = [
    ("none", HashOn::None),
    ("consumer", HashOn::Single),
    ("ip", HashOn::Ip),
    ("header", HashOn::Other),
    ("cookie", HashOn::Cookie),
    ("path", HashOn::Single),
    ("query_arg", HashOn::Other),
    ("uri_capture", HashOn::Other),
];

/// Fields of hashes of requests.
const OF_REQUESTS: [&str; 10] = [
    "hash_on_header",
    "hash_fallback_header",
    "hash_on_cookie",
    "hash_on_cookie_path",
    "hash_on_query_arg",
    "hash_fallback_query_arg",
    "hash_on_uri_capture",
    "hash_fallback_uri_capture",
    "sticky_sessions_cookie",
    "sticky_sessions_cookie_path",
];

fn policy(fields: &Fields<'_>, entity: &Entity) -> Policy {
    let report = &entity.report;
    fields.ignore(&OF_REQUESTS);
    let algorithms = [
        ("round-robin", Some(Policy::RoundRobin)),
        ("consistent-hashing", Some(Policy::SourceHash)),
        ("least-connections", Some(Policy::LeastConnections)),
        ("latency", Some(Policy::Latency)),
        ("sticky-sessions", None),
    ];
    let algorithm = fields.choice("algorithm", &algorithms);
    let hash_on = fields.choice("hash_on", &HASHES).unwrap_or(HashOn::None);
    let fallback = fields.choice("hash_fallback", &HASHES).unwrap_or(HashOn::None);
    let same = || fields.text("hash_on") == fields.text("hash_fallback");
    if fallback != HashOn::None && matches!(hash_on, HashOn::None | HashOn::Cookie) {
        report
            .discard(fields.path("hash_fallback"), "must be none where hash_on is none or cookie; remove it");
    } else if matches!(hash_on, HashOn::Single | HashOn::Ip) && same() {
        report.discard(
            fields.path("hash_fallback"),
            "must differ from hash_on, or nothing falls back; remove it",
        );
    }
    match algorithm {
        Some(None) => {
            let message = "sticky-sessions needs cookies, which connections do not have; they take turns. Write \
                           consistent-hashing with hash_on: ip to keep a client at its target";
            report.warn(fields.path("algorithm"), message);
            Policy::RoundRobin
        }
        Some(Some(Policy::SourceHash)) => hashed(fields, hash_on, fallback, entity),
        None if hash_on != HashOn::None => hashed(fields, hash_on, fallback, entity),
        Some(Some(policy)) => policy,
        None => Policy::RoundRobin,
    }
}

fn hashed(fields: &Fields<'_>, hash_on: HashOn, fallback: HashOn, entity: &Entity) -> Policy {
    match (hash_on, fallback) {
        (HashOn::Ip, _) => return Policy::SourceHash,
        (HashOn::None, _) => {
            let message = "is none, so there is nothing to hash and connections take turns; write ip";
            entity.report.warn(fields.path("hash_on"), message);
        }
        (_, HashOn::Ip) => {
            let message = "is nothing that connections have; hash_fallback counts: ip";
            entity.report.info(fields.path("hash_on"), message);
            return Policy::SourceHash;
        }
        _ => {
            let message = "is nothing that connections have, so they take turns; write ip";
            entity.report.warn(fields.path("hash_on"), message);
        }
    }
    Policy::RoundRobin
}

fn target(entity: &Entity, entities: &Index) -> Result<(usize, Target), Broken> {
    let (fields, report) = (entity.fields(), &entity.report);
    let text = fields.filled("target");
    let weight = fields.integer("weight", 0..=65_535).and_then(|n| u32::try_from(n).ok()).unwrap_or(100);
    let owner = entities.owner(entity, &fields, "upstream", Kind::Upstream);
    fields.refuse_unknown(&[("port", "write it behind the target, as host:port")]);
    if text.is_none() && !report.failed() {
        fields.missing("target", "write host:port");
    }
    let service = text.and_then(|text| {
        let read = address(&text);
        if read.is_none() {
            report.discard(
                fields.path("target"),
                format!(
                    "{text:?} is no host with a port; write 10.1.2.3:5432, [fd00::1]:5432 or db.internal:5432"
                ),
            );
        }
        read
    });
    match owner? {
        None if !report.failed() => {
            fields.missing("upstream", "name the upstream, or write the target among its targets")
        }
        Some(owner) if !report.failed() => {
            let service = service.ok_or(Broken)?;
            return Ok((owner, Target { service, weight }));
        }
        _ => {}
    }
    Err(Broken)
}

/// `ip:port`, `[v6]:port`, or `host[:port]`.
fn address(text: &str) -> Option<Service> {
    let text = text.trim();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, digits)) if !host.contains(':') || host.ends_with(']') => {
            (host, digits.parse().ok().filter(|port| *port > 0)?)
        }
        _ => (text, PORT),
    };
    Some(Service { host: read_host(host)?, port })
}
