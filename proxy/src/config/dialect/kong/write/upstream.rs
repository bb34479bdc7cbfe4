//! Upstreams: several services behind one name, and how one of them is chosen.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::dialect::write::Draft;
use crate::config::model::{
    Balancing, Check, Ejection, Host, Mapping, NameSent, Policy, Question, Resolution, Route, Service,
};

/// A target's where nobody says one.
const WEIGHT: u32 = 100;
const HEAVIEST: u32 = 65_535;
/// The most that Kong counts to.
const MOST: u32 = 255;

/// The upstream of a route's mappings, without its name; `None` where a service alone says it all.
pub(super) fn of(route: &Route, draft: &mut Draft<'_>) -> Option<Map<String, Value>> {
    let mapping = route.mappings.first()?;
    let header = host_header(mapping);
    let balancing = &mapping.balancing;
    let is_needed = route.mappings.len() > 1
        || mapping.resolution != Resolution::Dns
        || header.is_some()
        || balancing.policy != Policy::default()
        || balancing.check.is_some()
        || balancing.quorum.is_some_and(|quorum| quorum > 0)
        || ejects(&balancing.ejection);
    if !is_needed {
        return None;
    }
    let whose = &*mapping.name.0;
    let mut upstream = Map::new();
    if let Some(algorithm) = algorithm(balancing.policy, whose, draft) {
        upstream.insert("algorithm".to_owned(), json!(algorithm));
    }
    if balancing.policy == Policy::SourceHash {
        upstream.insert("hash_on".to_owned(), json!("ip"));
    }
    if let Some(name) = header {
        upstream.insert("host_header".to_owned(), json!(name));
    }
    upstream.insert("targets".to_owned(), targets(route, draft));
    upstream.insert("healthchecks".to_owned(), health(balancing, whose, draft));
    Some(upstream)
}

/// A name to ask for that is not the host's own.
fn host_header(mapping: &Mapping) -> Option<&str> {
    match &mapping.originate.as_ref()?.server_name {
        NameSent::Fixed(name) => {
            let is_host = matches!(&mapping.service.host, Host::Name(host) if host == name);
            // Of several targets each would be asked for its own.
            (!is_host || mapping.resolution != Resolution::Dns).then_some(name)
        }
        NameSent::Nothing | NameSent::Host | NameSent::Client => None,
    }
}

fn algorithm(policy: Policy, whose: &str, draft: &mut Draft<'_>) -> Option<&'static str> {
    match policy {
        Policy::RoundRobin => None,
        Policy::LeastConnections => Some("least-connections"),
        Policy::Random => {
            draft.lose(
                whose,
                "chooses the less busy of two at random; least-connections, the nearest, is written",
            );
            Some("least-connections")
        }
        Policy::SourceHash => Some("consistent-hashing"),
        Policy::Latency => Some("latency"),
    }
}

/// With shares in the ratio of the mappings', and within each of the targets'.
fn targets(route: &Route, draft: &mut Draft<'_>) -> Value {
    let mut targets: Vec<(String, u32)> = Vec::new();
    let alone = route.mappings.len() == 1;
    for mapping in &route.mappings {
        let weight = if alone { WEIGHT } else { mapping.weight.0 };
        match &mapping.resolution {
            Resolution::Fixed(endpoints) => {
                targets.extend(endpoints.iter().map(|endpoint| (endpoint.to_string(), weight)));
            }
            Resolution::Targets(several) => targets.extend(several.iter().map(|target| {
                let weight = if alone { target.weight } else { weight.saturating_mul(target.weight) };
                (shown(&target.service), weight)
            })),
            Resolution::Dns | Resolution::Catalogue(_) => targets.push((shown(&mapping.service), weight)),
        }
    }
    if let Some(mapping) = route.mappings.first()
        && targets.iter().any(|(_, weight)| *weight > HEAVIEST)
    {
        draft.lose(&mapping.name.0, format!("has weights beyond {HEAVIEST}, and they become that"));
    }
    // Of the same target there is no second.
    let mut once: Vec<(String, u32)> = Vec::with_capacity(targets.len());
    for (target, weight) in targets {
        match once.iter_mut().find(|(known, _)| *known == target) {
            Some((_, sum)) => *sum = sum.saturating_add(weight),
            None => once.push((target, weight)),
        }
    }
    let written =
        once.iter().map(|(target, weight)| json!({ "target": target, "weight": weight.min(&HEAVIEST) }));
    written.collect()
}

fn shown(service: &Service) -> String {
    service.to_string()
}

/// Whether somebody asked for a rule of ejection that leaves endpoints alone.
fn ejects(ejection: &Ejection) -> bool {
    *ejection != Ejection::default() && (ejection.after > 0 || ejection.after_timeouts.is_some_and(|n| n > 0))
}

fn health(balancing: &Balancing, whose: &str, draft: &mut Draft<'_>) -> Value {
    let Balancing { check, ejection, quorum, .. } = balancing;
    let is_judged = check.is_some() || ejects(ejection);
    if is_judged && quorum.is_none() {
        draft.lose(whose, "tries every endpoint where none is healthy; Kong refuses then");
    }
    let active = check.as_ref().map(|check| active(check, whose, draft));
    let passive = ejects(ejection).then(|| passive(ejection, whose, draft));
    json!({
        "threshold": quorum.filter(|quorum| *quorum > 0),
        "active": active,
        "passive": passive,
    })
}

fn active(check: &Check, whose: &str, draft: &mut Draft<'_>) -> Value {
    match &check.question {
        Question::Exchange { send, expect } if send.is_empty() && expect.is_empty() => {}
        Question::Exchange { .. } | Question::Http { .. } => {
            draft.lose(
                whose,
                "asks endpoints a question, and Kong's checks of connections ask for no more than one",
            );
        }
    }
    if check.port.is_some() {
        draft.lose(whose, "checks another port than the one connected to, which Kong does not");
    }
    if check.unhealthy_timeouts.is_none() {
        draft.lose(
            whose,
            "counts checks without an answer in time with those that fail; Kong counts them apart",
        );
    }
    // No number of successes is enough.
    let healthy = if check.healthy == u32::MAX { 0 } else { counter(check.healthy) };
    json!({
        "type": "tcp",
        "timeout": check.timeout.as_secs_f64(),
        "healthy": { "interval": seconds(check.interval), "successes": healthy },
        "unhealthy": {
            "interval": seconds(check.unhealthy_interval),
            "tcp_failures": counter(check.unhealthy),
            "timeouts": counter(check.unhealthy_timeouts.unwrap_or(check.unhealthy)),
        },
    })
}

fn passive(ejection: &Ejection, whose: &str, draft: &mut Draft<'_>) -> Value {
    if ejection.base.is_some() {
        draft.lose(
            whose,
            "tries endpoints that failed again after a while; in Kong only a check brings them back",
        );
    }
    if ejection.after_timeouts.is_none() {
        draft.lose(
            whose,
            "counts connections that were not made in time with those that failed; Kong counts them apart",
        );
    }
    if ejection.share < 100 {
        let share = ejection.share;
        draft.lose(whose, format!("leaves no more than {share} percent of endpoints alone; Kong leaves all"));
    }
    json!({ "type": "tcp", "unhealthy": {
        "tcp_failures": counter(ejection.after),
        "timeouts": counter(ejection.after_timeouts.unwrap_or(ejection.after)),
    }})
}

fn counter(number: u32) -> u32 {
    number.min(MOST)
}

fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}
