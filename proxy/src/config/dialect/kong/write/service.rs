//! Services: where connections go, and how.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::certificates::Certificates;
use super::{entity_name, upstream};
use crate::config::dialect::write::{Draft, Taken};
use crate::config::model::{
    Authorities, Balancing, Config, Host, Mapping, NameSent, NamesChecked, Origination, Parameters,
    ProxyVersion, RelayChoice, Route, SanPattern, Timeouts, Verification,
};

/// The longest time that Kong takes, in milliseconds: 24 days, which is its way to say never.
const NEVER: u64 = 2_147_483_646;

/// As many as Kong takes, which is more than webpki does.
const DEEPEST: u8 = 64;

/// Services and upstreams that have been written.
#[derive(Default)]
pub(super) struct Services {
    /// By what is in them but for the name.
    services: Vec<(Map<String, Value>, String)>,
    upstreams: Vec<(Map<String, Value>, String)>,
    taken: Taken,
    taken_upstreams: Taken,
}

impl Services {
    /// The service that a route's connections go to; a route without mappings has none.
    pub(super) fn of(
        &mut self,
        route: &Route,
        whose: &str,
        certificates: &mut Certificates,
        draft: &mut Draft<'_>,
    ) -> Option<String> {
        let mapping = route.mappings.first()?;
        let alike = |other: &Mapping| Mapping {
            name: mapping.name.clone(),
            stats_name: Arc::clone(&mapping.stats_name),
            weight: mapping.weight,
            service: mapping.service.clone(),
            resolution: mapping.resolution.clone(),
            ..other.clone()
        };
        if route.mappings.len() > 1 {
            let count = route.mappings.len();
            draft.lose(
                whose,
                format!("the {count} mappings of its route become targets of one upstream, counted as one"),
            );
            if route.mappings.iter().any(|other| alike(other) != *mapping) {
                draft
                    .lose(whose, "mappings of its route are reached in different ways; all have the first's");
            }
        }
        let mut body = Map::new();
        let (host, port) = match upstream::of(route, draft) {
            Some(upstream) => {
                let name = self.upstream(upstream, whose, draft);
                (name, mapping.service.port)
            }
            None => match &mapping.service.host {
                Host::Ip(ip) => (ip.to_string(), mapping.service.port),
                Host::Name(name) => (name.to_string(), mapping.service.port),
            },
        };
        body.insert("host".to_owned(), json!(host));
        body.insert("port".to_owned(), json!(port));
        let protocol = if mapping.originate.is_some() { "tls" } else { "tcp" };
        body.insert("protocol".to_owned(), json!(protocol));
        body.insert("retries".to_owned(), json!(mapping.balancing.attempts.saturating_sub(1)));
        body.insert("connect_timeout".to_owned(), json!(millis(Some(mapping.timeouts.connect))));
        for field in ["read_timeout", "write_timeout"] {
            body.insert(field.to_owned(), json!(millis(mapping.timeouts.idle)));
        }
        if let Some(origination) = &mapping.originate {
            originate(origination, &mapping.service.host, whose, &mut body, certificates, draft);
        }
        without_words(mapping, draft);
        if let Some((_, name)) = self.services.iter().find(|(known, _)| *known == body) {
            return Some(name.clone());
        }
        let name = entity_name(whose, &mut self.taken, draft);
        self.services.push((body, name.clone()));
        Some(name)
    }

    fn upstream(&mut self, body: Map<String, Value>, whose: &str, draft: &Draft<'_>) -> String {
        if let Some((_, name)) = self.upstreams.iter().find(|(known, _)| *known == body) {
            return name.clone();
        }
        // With a label that no host has, so that no name of DNS is hidden.
        let name = format!("{}.upstream", entity_name(whose, &mut self.taken_upstreams, draft));
        self.upstreams.push((body, name.clone()));
        name
    }

    /// Services, then upstreams.
    pub(super) fn into_entities(self) -> (Vec<Value>, Vec<Value>) {
        let named = |(mut body, name): (Map<String, Value>, String)| {
            body.insert("name".to_owned(), json!(name));
            Value::Object(body)
        };
        (self.services.into_iter().map(named).collect(), self.upstreams.into_iter().map(named).collect())
    }
}

/// Kong sends PROXY headers to all of its upstreams, or to none.
pub(super) fn settings(config: &Config, draft: &mut Draft<'_>) {
    let is_sent = |mapping: &Mapping| mapping.proxy_protocol == Some(ProxyVersion::V1);
    if config.mappings().next().is_some() && config.mappings().all(is_sent) {
        return draft.set("nginx_sproxy_proxy_protocol", "on");
    }
    for mapping in config.mappings() {
        if let Some(version) = mapping.proxy_protocol {
            let version = version.as_str();
            draft.lose(
                &mapping.name.0,
                format!("sends a PROXY header ({version}), and Kong sends one of version 1 to all or none: none is sent"),
            );
        }
    }
}

fn millis(span: Option<Duration>) -> u64 {
    let millis = span.map_or(NEVER, |span| u64::try_from(span.as_millis()).unwrap_or(NEVER));
    millis.clamp(1, NEVER)
}

fn originate(
    origination: &Origination,
    host: &Host,
    whose: &str,
    body: &mut Map<String, Value>,
    certificates: &mut Certificates,
    draft: &mut Draft<'_>,
) {
    let Origination { name: _, identity, server_name, verification, parameters } = origination;
    let mut set = |field: &str, value: Value| drop(body.insert(field.to_owned(), value));
    if let Some(identity) = identity {
        let id = certificates.add(std::slice::from_ref(identity), draft);
        set("client_certificate", json!({ "id": id }));
    }
    if *server_name == NameSent::Nothing && matches!(host, Host::Name(_)) {
        draft.lose(whose, "asks its upstream for no name (SNI), and Kong for the host's");
    }
    if *parameters != Parameters::default() {
        draft.lose(whose, "restricts versions, ciphers, groups or protocols of TLS towards its upstream");
    }
    let Verification::Chain { authorities, names, depth } = verification else {
        return set("tls_verify", json!(false));
    };
    set("tls_verify", json!(true));
    set("tls_verify_depth", json!(depth.unwrap_or(DEEPEST)));
    if let Authorities::Given(trust) = authorities {
        set("ca_certificates", json!(certificates.authorities(trust, whose, draft)));
    }
    let is_sent = match (names, server_name, host) {
        (NamesChecked::Sent, ..) => true,
        (NamesChecked::OneOf(names), NameSent::Fixed(sent), _) => {
            is_only(names, &SanPattern::Dns(Arc::clone(sent)))
        }
        (NamesChecked::OneOf(names), NameSent::Host | NameSent::Nothing, Host::Name(host)) => {
            is_only(names, &SanPattern::Dns(Arc::clone(host)))
        }
        (NamesChecked::OneOf(names), NameSent::Host | NameSent::Nothing, Host::Ip(ip)) => {
            is_only(names, &SanPattern::Ip(*ip))
        }
        (NamesChecked::OneOf(_) | NamesChecked::Any, ..) => false,
    };
    if !is_sent {
        draft.lose(whose, "looks for other names in its upstream's certificate than the one that is sent, which is all that Kong does");
    }
}

fn is_only(names: &[SanPattern], wanted: &SanPattern) -> bool {
    matches!(names, [name] if name == wanted)
}

/// What a mapping has and no service of Kong's.
fn without_words(mapping: &Mapping, draft: &mut Draft<'_>) {
    // Named one by one, so that what is new is thought of here; what is not looked at here is written.
    let Mapping {
        name,
        stats_name: _,
        weight: _,
        service: _,
        resolution: _,
        originate: _,
        proxy_protocol: _,
        prelude,
        families,
        balancing,
        relay,
        timeouts: Timeouts { connect: _, idle: _, half_closed, max_age },
        limits,
    } = mapping;
    let Balancing { policy: _, attempts: _, backup, source, ejection: _, check: _, slow_start, quorum: _ } =
        balancing;
    let default = draft.settings.timeouts;
    let lacking = [
        (*limits != Default::default(), "limits"),
        (prelude.is_some(), "words before TLS (sluice.dev/starttls)"),
        (*relay != RelayChoice::Auto, "a choice of relay"),
        (*half_closed != default.half_closed, "a time for half-closed connections"),
        (*max_age != default.max_age, "an age of connections"),
        (!families.ipv4, "a family of addresses"),
        (backup.is_some(), "a backup"),
        (*source != Default::default(), "a source address"),
        (!slow_start.is_zero(), "a slow start"),
    ];
    let lacking: Vec<_> = lacking.iter().filter_map(|(lacks, what)| lacks.then_some(*what)).collect();
    if !lacking.is_empty() {
        draft.lose(&name.0, format!("no service of Kong's has {}", lacking.join(", ")));
    }
}
