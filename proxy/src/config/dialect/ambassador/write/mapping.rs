//! A mapping as `TCPMapping`s.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::endpoints::Found;
use super::{Shared, Standing, annotations, named};
use crate::config::dialect::write::{Draft, object};
use crate::config::model::{Downstream, Host, Mapping, Matcher, Route};

/// Writes one for each of its addresses, or one for all where those are the addresses of mappings that name none.
pub(super) fn write(standing: &Standing<'_>, shared: &mut Shared, draft: &mut Draft<'_>) {
    let everywhere = draft.settings.ambassador.bind_address.iter().copied().collect();
    if standing.addresses == everywhere {
        return one(standing, None, shared, draft);
    }
    for address in &standing.addresses {
        one(standing, Some(*address), shared, draft);
    }
}

fn one(standing: &Standing<'_>, address: Option<IpAddr>, shared: &mut Shared, draft: &mut Draft<'_>) {
    let Standing { route, mapping, port, .. } = standing;
    let name = named(mapping, &mut shared.mappings, draft);
    let (mut notes, limits) = annotations::of(standing, draft);
    let Found { service, resolver } = shared.resolvers.find(mapping, &name, draft);
    let (scheme, context) = match &mapping.originate {
        None => ("", None),
        Some(origination) => shared.contexts.originate(origination, &mapping.service.host, &mut notes, draft),
    };
    let own_name = mapping.stats_name != mapping.name.0;
    let mut spec = json!({
        "port": port,
        "address": address,
        "host": host(route),
        "service": format!("{scheme}{service}"),
        "tls": context,
        "resolver": resolver,
        "weight": weight(route, mapping, draft),
        "stats_name": own_name.then_some(&mapping.stats_name),
        "circuit_breakers": limits,
        "idle_timeout_ms": idle(mapping, draft),
    });
    families(mapping, &mut spec);
    let body = Map::from_iter([("spec".to_owned(), spec)]);
    draft.add(object("getambassador.io/v3alpha1", "TCPMapping", &name, notes, body));
}

fn host(route: &Route) -> Option<String> {
    match &route.matcher {
        Matcher::Any | Matcher::Cleartext => None,
        Matcher::Tls { name, .. } => Some(name.to_string()),
    }
}

/// Percent, which is all that a `TCPMapping` has.
fn weight(route: &Route, mapping: &Mapping, draft: &mut Draft<'_>) -> Option<u32> {
    let total: u32 = route.mappings.iter().map(|mapping| mapping.weight.0).sum();
    if route.mappings.len() < 2 || total == 0 {
        return (route.mappings.len() > 1).then_some(0);
    }
    let percent = |weight: u32| (u64::from(weight) * 100, u64::from(total));
    let exact = route.mappings.iter().all(|other| percent(other.weight.0).0 % u64::from(total) == 0);
    if !exact {
        draft.lose(
            &mapping.name.0,
            format!("weights of {total} in all become whole percents, the last with the rest"),
        );
    }
    let before = route.mappings.iter().take_while(|other| other.name != mapping.name);
    let rounded = |weight: u32| u32::try_from(u64::from(weight) * 100 / u64::from(total)).unwrap_or(100);
    let is_last = route.mappings.last().is_some_and(|last| last.name == mapping.name);
    Some(match is_last {
        true => 100 - before.map(|other| rounded(other.weight.0)).sum::<u32>(),
        false => rounded(mapping.weight.0),
    })
}

/// 0 says that there is none, and is written where the setting would give one.
fn idle(mapping: &Mapping, draft: &Draft<'_>) -> Option<u64> {
    let idle = mapping.timeouts.idle;
    (idle != draft.settings.timeouts.idle).then(|| idle.map_or(0, annotations::millis))
}

fn families(mapping: &Mapping, spec: &mut Value) {
    if !matches!(mapping.service.host, Host::Name(_)) {
        return;
    }
    if !mapping.families.ipv4 {
        spec["enable_ipv4"] = json!(false);
    }
    if !mapping.families.ipv6 {
        spec["enable_ipv6"] = json!(false);
    }
}

/// Whether clients' TLS is passed on by name.
pub(super) fn passes_through(route: &Route) -> bool {
    route.downstream == Downstream::Raw && matches!(route.matcher, Matcher::Tls { .. })
}
