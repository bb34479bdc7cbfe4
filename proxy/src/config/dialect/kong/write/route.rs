//! Routes of connections.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::super::ends::{self, EndsList};
use super::listen::is_ssl;
use super::{File, Standing, entity_name, order, plugins};
use crate::config::dialect::write::Draft;
use crate::config::model::{
    ClientCertificates, Config, Downstream, Ends, Listener, Matcher, NamePattern, NameSent, Resolution, Route,
};

/// What no route of Kong's can ask for: without it, a route would take other connections than its own, or let in whom
/// it should not.
pub(super) fn lacks(route: &Route, listener: &Listener, is_version_1: bool) -> Option<String> {
    if is_for_nobody(route) {
        return None;
    }
    if listener.prelude.is_some() {
        return Some(
            "is asked for TLS in PostgreSQL's words, which no listener of Kong's answers".to_owned(),
        );
    }
    if let Downstream::Terminate(termination) = &route.downstream
        && matches!(termination.clients, ClientCertificates::Required(_))
    {
        let message =
            "asks clients for certificates, which Kong does not on streams, and would let everybody in";
        return Some(message.to_owned());
    }
    let is_catalogue =
        |mapping: &crate::config::model::Mapping| matches!(mapping.resolution, Resolution::Catalogue(_));
    if route.mappings.iter().any(is_catalogue) {
        return Some("is looked up in Consul's catalogue, which Kong does not read".to_owned());
    }
    match (&route.matcher, &route.downstream) {
        (Matcher::Tls { alpn, .. }, _) if !alpn.is_empty() => {
            Some("goes by application protocols (ALPN), and Kong by names alone".to_owned())
        }
        (Matcher::Tls { name: NamePattern::Everything, .. }, Downstream::Raw) => {
            Some("passes TLS of every name through, and Kong only that of names".to_owned())
        }
        (Matcher::Tls { .. }, Downstream::Raw) if begins_tls(route) => {
            Some("passes TLS through and begins TLS around it, which Kong does not".to_owned())
        }
        (Matcher::Tls { .. }, _) => None,
        (Matcher::Any, _) if is_version_1 => Some(
            "takes TLS as it is, and another route tells TLS from the rest: then Kong (_format_version 1.1) ends all \
             TLS"
            .to_owned(),
        ),
        (Matcher::Any, _) if is_ssl(listener, is_version_1) => {
            Some("takes what is not TLS where others go by name, and an address of Kong's does one or the other".to_owned())
        }
        (Matcher::Cleartext, _) if !ends_all_tls(route, listener) => Some(
            "takes what is not TLS, and Kong tells that apart only where it ends all other connections' TLS"
                .to_owned(),
        ),
        (Matcher::Any | Matcher::Cleartext, _) => None,
    }
}

/// Refuses whatever comes, as every address does without a route.
pub(super) fn is_for_nobody(route: &Route) -> bool {
    route.matcher == Matcher::Any && route.mappings.is_empty() && route.between.is_everyone()
}

fn begins_tls(route: &Route) -> bool {
    route.mappings.iter().any(|mapping| mapping.originate.is_some())
}

/// Whether TLS of every name ends for those whose cleartext a route takes.
fn ends_all_tls(route: &Route, listener: &Listener) -> bool {
    let everything = Matcher::Tls { name: NamePattern::Everything, alpn: Vec::new() };
    listener.routes.iter().any(|other| {
        other.matcher == everything
            && other.between == route.between
            && matches!(other.downstream, Downstream::Terminate(_))
    })
}

pub(super) fn write(standing: &Standing<'_>, config: &Config, file: &mut File, draft: &mut Draft<'_>) {
    let Standing { route, binds } = standing;
    let whose = match (route.mappings.first(), binds.first()) {
        (Some(mapping), _) => mapping.name.to_string(),
        (None, Some(bind)) => format!("address {bind}"),
        (None, None) => return file.keys.push(0),
    };
    let service = file.services.of(route, &whose, &mut file.certificates, draft);
    let protocol = match (&route.matcher, &route.downstream) {
        (Matcher::Tls { .. }, Downstream::Terminate(_)) => "tls",
        (Matcher::Tls { .. }, Downstream::Raw) => "tls_passthrough",
        (Matcher::Any | Matcher::Cleartext, _) => "tcp",
    };
    if route.refused.0 > 0 {
        let share = route.refused.0;
        draft
            .lose(&whose, format!("a share of {share} is refused, and Kong has no such; the others take it"));
    }
    let preserve_host = route.mappings.iter().any(|mapping| {
        mapping.originate.as_ref().is_some_and(|origination| origination.server_name == NameSent::Client)
    });
    let snis = match &route.matcher {
        Matcher::Tls { name, .. } if *name != NamePattern::Everything => Some([name.to_string()]),
        _ => None,
    };
    let name = entity_name(&whose, &mut file.taken, draft);
    let sources = EndsList::of(&route.between.sources);
    let destinations = EndsList::of(&destinations(standing, &whose, config, draft));
    file.keys.push(order::key(&route.matcher, &sources, &destinations));
    let ends = |list: &EndsList| list.all.iter().map(|one| shown_ends(*one)).collect::<Vec<_>>();
    let mut written = json!({
        "name": name,
        "protocols": [protocol],
        "snis": snis,
        "sources": ends(&sources),
        "destinations": ends(&destinations),
        "preserve_host": preserve_host.then_some(true),
        "plugins": plugins::of(route, protocol, &whose, draft),
    });
    if let Some(service) = service {
        written["service"] = json!({ "name": service });
    }
    file.routes.push(written);
}

/// The port of each address, and the address where that is not every one.
fn destinations(
    Standing { route, binds }: &Standing<'_>,
    whose: &str,
    config: &Config,
    draft: &mut Draft<'_>,
) -> Vec<Ends> {
    let mut destinations: Vec<Ends> = Vec::new();
    if is_everywhere(route, binds, config) {
        return destinations;
    }
    for bind in binds {
        let asked: Vec<Option<IpNet>> = match &route.between.destinations[..] {
            [] => vec![address(*bind, binds, config)],
            ends => ends.iter().map(|ends| ends.network.or(address(*bind, binds, config))).collect(),
        };
        if bind.ip().is_unspecified() && has_others(*bind, config) {
            draft.lose(
                whose,
                format!("stands on {bind} beside a narrower address, where Kong has it take connections too"),
            );
        }
        for network in asked {
            let written = Ends { network, port: Some(bind.port()) };
            if !destinations.contains(&written) {
                destinations.push(written);
            }
        }
    }
    destinations
}

/// Whether a route asks for something, and for no address besides: it stands on all of them.
fn is_everywhere(route: &Route, binds: &[SocketAddr], config: &Config) -> bool {
    let is_named = matches!(&route.matcher, Matcher::Tls { name, .. } if *name != NamePattern::Everything);
    (is_named || !route.between.sources.is_empty())
        && route.between.destinations.is_empty()
        && config.listeners.iter().all(|listener| binds.contains(&listener.bind))
}

/// What tells an address from others with its port; `None` where nothing has to.
fn address(bind: SocketAddr, binds: &[SocketAddr], config: &Config) -> Option<IpNet> {
    if !bind.ip().is_unspecified() {
        return Some(bind.ip().into());
    }
    let others = config.listeners.iter().map(|listener| listener.bind);
    let is_everywhere =
        others.filter(|other| other.port() == bind.port()).all(|other| binds.contains(&other));
    let all = if bind.is_ipv4() { IpNet::V4(Default::default()) } else { IpNet::V6(Default::default()) };
    (!is_everywhere).then_some(all)
}

/// Whether another address of the family and port is within a wildcard.
fn has_others(bind: SocketAddr, config: &Config) -> bool {
    let others = config.listeners.iter().map(|listener| listener.bind);
    let mut near = others.filter(|other| other.port() == bind.port() && other.is_ipv4() == bind.is_ipv4());
    near.any(|other| other != bind)
}

fn shown_ends(Ends { network, port }: Ends) -> Value {
    json!({ "ip": network.map(shown), "port": port })
}

/// An address where it is but one: Kong's router has those come before networks.
pub(super) fn shown(network: IpNet) -> String {
    if ends::is_one(network) { network.addr().to_string() } else { network.to_string() }
}
