//! Addresses, and on each the routes that have effect there, in the order of Kong's router.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::downstream::Terminations;
use super::entity::Version;
use super::index::Index;
use super::mapping::Mappings;
use super::plugin::Effects;
use super::protocol::Protocol;
use super::route::Route;
use super::stream_listen;
use super::surroundings::{Address, Surroundings};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::dialect::merge::Claim;
use crate::config::dialect::report::Place;
use crate::config::model;
use crate::config::model::{Between, Downstream, Ends, Listener, Mapping, Matcher, NamePattern, Weight};

/// What listeners are put together from.
pub(super) struct Assembly<'a> {
    pub(super) entities: &'a Index,
    pub(super) routes: &'a [Route],
    pub(super) surroundings: &'a Surroundings,
    pub(super) mappings: &'a Mappings<'a>,
    pub(super) terminations: &'a Terminations<'a>,
    /// What plugins do to routes, by their place among the entities.
    pub(super) effects: &'a HashMap<usize, Effects>,
    /// Routes that are on some address.
    pub(super) placed: RefCell<BTreeSet<usize>>,
}

/// Which connections of a listener a route takes, and what becomes of their TLS.
struct Arm {
    matcher: Matcher,
    ends_tls: bool,
}

/// An arm with its place among the others.
struct Placed<'a> {
    route: &'a Route,
    arm: Arm,
    between: Between,
}

impl Assembly<'_> {
    /// Every address is listened on, as with Kong: whom no route takes is refused.
    pub(super) fn claims(&self, place: &Place) -> Vec<Claim> {
        let addresses = self.surroundings.addresses.iter();
        let claims = addresses.map(|address| {
            let (routes, first) = self.routes_of(address);
            let first = first.map(|route| self.entities.all[route].report.place().clone());
            let listener = Listener {
                bind: address.bind,
                proxy_protocol: address.proxy_protocol.clone(),
                prelude: None,
                socket: address.socket,
                routes,
            };
            let resource = format!("stream_listen {}", address.bind);
            Claim { listener, resource, place: first.unwrap_or_else(|| place.clone()) }
        });
        claims.collect()
    }

    /// The routes in order, and the place of the oldest of them.
    fn routes_of(&self, address: &Address) -> (Vec<model::Route>, Option<usize>) {
        let mut placed = Vec::new();
        for route in self.routes {
            let Some(between) = on(&route.between, address) else { continue };
            for arm in arms(route, address.ssl) {
                placed.push(Placed { route, arm, between: between.clone() });
            }
        }
        placed.sort_by_key(|Placed { route, arm, .. }| {
            // Who means TLS comes before who takes it because Kong 1 ended it.
            let is_meant = matches!(arm.matcher, Matcher::Tls { .. }) == route.has(Protocol::Tls);
            (Reverse(route.priority), arm.matcher.rank(), !is_meant, route.index)
        });
        let mut routes: Vec<model::Route> = Vec::with_capacity(placed.len());
        let mut holders: HashMap<(Matcher, Between), &Route> = HashMap::new();
        for Placed { route, arm, between } in placed {
            let key = (arm.matcher.clone(), between.clone());
            if let Some(holder) = holders.get(&key) {
                self.shadowed(route, holder, address, &arm.matcher);
                continue;
            }
            if let Some(lowered) = self.route(route, arm, between) {
                self.placed.borrow_mut().insert(route.index);
                holders.insert(key, route);
                routes.push(lowered);
            }
        }
        if routes.is_empty() {
            routes.push(model::Route::new(Matcher::Any, Downstream::Raw, Vec::new()));
        }
        (routes, holders.values().map(|route| route.index).min())
    }

    fn shadowed(&self, route: &Route, holder: &Route, address: &Address, matcher: &Matcher) {
        // Kong 1 has some routes take both kinds of connections; that another means one of them is as it should be.
        if route.index == holder.index || route.version == Version::OnSight && *matcher != Matcher::Cleartext
        {
            self.placed.borrow_mut().insert(route.index);
            return;
        }
        let entity = &self.entities.all[route.index];
        let holder = &self.entities.all[holder.index];
        self.placed.borrow_mut().insert(route.index);
        let message = format!(
            "takes no connection on {}: {} ({}) asks for the same and stands before it; have it ask for something else",
            address.bind,
            holder.label(),
            holder.place()
        );
        entity.report.warn(entity.path.clone(), message);
    }

    fn route(&self, route: &Route, Arm { matcher, ends_tls }: Arm, between: Between) -> Option<model::Route> {
        let mapping: Option<Mapping> = self.mappings.of(route).ok()?;
        let downstream = match ends_tls {
            true => Downstream::Terminate(self.terminations.get()?),
            false => Downstream::Raw,
        };
        let effects = self.effects.get(&route.index);
        Some(model::Route {
            matcher,
            between,
            access: effects.map(|effects| effects.access.clone()).unwrap_or_default(),
            downstream,
            mappings: mapping.into_iter().collect(),
            refused: Weight(0),
            logs: effects.map(|effects| Arc::clone(&effects.logs)).unwrap_or_default(),
        })
    }

    /// Says of each route that is on no address why that is.
    pub(super) fn explain(&self) {
        for route in self.routes {
            let entity = &self.entities.all[route.index];
            if self.placed.borrow().contains(&route.index) || entity.report.failed() {
                continue;
            }
            if let Some(why) = self.nowhere(route) {
                entity.report.warn(entity.at(why.0), why.1);
            }
        }
    }

    fn nowhere(&self, route: &Route) -> Option<(&'static str, String)> {
        if self.mappings.of(route).is_err() {
            return None;
        }
        let near: Vec<_> = self
            .surroundings
            .addresses
            .iter()
            .filter(|address| on(&route.between, address).is_some())
            .collect();
        let Some(address) = near.first() else {
            let ports: BTreeSet<_> = route.between.destinations.iter().filter_map(|ends| ends.port).collect();
            let lacking: Vec<_> = ports
                .iter()
                .filter(|port| !self.surroundings.has_port(**port))
                .map(|port| format!("0.0.0.0:{port}"))
                .collect();
            let message = match lacking.is_empty() {
                true => "none of these is an address of stream_listen, so the route takes no connection; correct one of them".to_owned(),
                false => format!(
                    "no address of stream_listen has such a port, so the route takes no connection; add {} to stream_listen",
                    lacking.join(", ")
                ),
            };
            return Some(("destinations", message));
        };
        let bind = address.bind;
        if self.terminations.get().is_none() && route.has(Protocol::Tls) {
            return None;
        }
        let message = match address.ssl {
            true => format!(
                "a tcp route has no effect on {bind}, which has the flag ssl; remove the flag from stream_listen, or write \
                 protocols: [tls]"
            ),
            false if route.has(Protocol::Tcp) => format!(
                "without TLS no client of {bind} asks for a name; add the flag ssl to it in stream_listen, or remove snis"
            ),
            false => format!(
                "has no effect on {bind}, whose bytes are not looked at; add the flag ssl to it in stream_listen, or write \
                 protocols: [tcp], which hands TLS on as it is"
            ),
        };
        Some(("protocols", message))
    }
}

/// What a route asks of the ends of connections to an address, where it takes any. The port of a listener is known,
/// and so is its address unless it is a wildcard; neither has to be asked for again.
fn on(between: &Between, address: &Address) -> Option<Between> {
    let bind = address.bind;
    let mut destinations: Vec<Ends> = Vec::new();
    for ends in &between.destinations {
        let far = ends.network.is_some_and(|network| match bind.ip().is_unspecified() {
            true => network.addr().is_ipv4() != bind.is_ipv4(),
            false => !network.contains(&bind.ip()),
        });
        if far || ends.port.is_some_and(|port| port != address.port) {
            continue;
        }
        let known = ends.network.filter(|network| bind.ip().is_unspecified() && network.prefix_len() > 0);
        destinations.push(Ends { network: known, port: None });
    }
    if destinations.is_empty() && !between.destinations.is_empty() {
        return None;
    }
    if destinations.iter().any(|ends| ends.network.is_none()) {
        destinations.clear();
    }
    Some(Between { sources: between.sources.clone(), destinations })
}

/// Which connections of a listener a route takes.
fn arms(route: &Route, ssl: bool) -> Vec<Arm> {
    let named = |ends_tls: bool| {
        let tls = move |name: &NamePattern| Arm {
            matcher: Matcher::Tls { name: name.clone(), alpn: Vec::new() },
            ends_tls,
        };
        match route.names.is_empty() {
            true => vec![tls(&NamePattern::Everything)],
            false => route.names.iter().map(tls).collect(),
        }
    };
    let unnamed = |matcher: Matcher| match route.names.is_empty() {
        true => vec![Arm { matcher, ends_tls: false }],
        // Who asks for a name takes no client that has none.
        false => Vec::new(),
    };
    let on_sight = route.version == Version::OnSight && !ssl;
    let mut arms = Vec::new();
    if route.has(Protocol::TlsPassthrough) && (ssl || on_sight) {
        arms.extend(named(false));
    }
    if route.has(Protocol::Tls) && (ssl || on_sight) || route.has(Protocol::Tcp) && on_sight {
        arms.extend(named(true));
    }
    if route.has(Protocol::Tcp) && !ssl {
        arms.extend(unnamed(if on_sight { Matcher::Cleartext } else { Matcher::Any }));
    }
    arms
}

/// Says of every file with routes of connections that nobody listens, and with which setting somebody would.
pub(super) fn nobody_listens(
    entities: &Index,
    routes: &[Route],
    stream_listen: &str,
    found: &mut Vec<Diagnostic>,
) {
    let lacks = match stream_listen::is_off(stream_listen) {
        true => "is off",
        false => "has no entry of use",
    };
    let mut files: Vec<(&Place, usize, BTreeSet<u16>, bool)> = Vec::new();
    for route in routes {
        let entity = &entities.all[route.index];
        let ports = route.between.destinations.iter().filter_map(|ends| ends.port);
        let ssl = route.version == Version::ByFlag && !route.has(Protocol::Tcp);
        match files.iter_mut().find(|(place, ..)| *place == entity.place()) {
            Some((_, count, known, all_ssl)) => {
                *count += 1;
                known.extend(ports);
                *all_ssl &= ssl;
            }
            None => files.push((entity.place(), 1, ports.collect(), ssl)),
        }
    }
    for (place, count, ports, ssl) in files {
        let ports = if ports.is_empty() { BTreeSet::from([if ssl { 8443 } else { 9000 }]) } else { ports };
        let flag = if ssl { " ssl" } else { "" };
        let listen: Vec<_> = ports.iter().map(|port| format!("0.0.0.0:{port}{flag}")).collect();
        let message = format!(
            "stream_listen {lacks}, so no route of connections ({count}) is served; set it, for example \
             --kong-stream-listen \"{0}\", KONG_STREAM_LISTEN=\"{0}\" or kong-stream-listen: \"{0}\" in the settings file",
            listen.join(", "),
        );
        let finding = place.diagnostic(Severity::Error, message);
        found.push(Diagnostic { discarded: true, ..finding });
    }
}
