//! From attachments to listeners, routes in the order in which they are tried.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::attach::{Attachment, Attachments};
use super::backend::Backend;
use super::class::Class;
use super::conflict::HOSTNAME;
use super::hostname::Hostname;
use super::judged::Gateway;
use super::kind::Kind;
use super::mapping::Mappings;
use super::route::Route;
use super::sites::Sites;
use super::spec::{ListenerSpec, Mode, Protocol};
use super::terminate::NO_AUTHORITY;
use crate::config::dialect::merge::Claim;
use crate::config::model::{self, Access, Downstream, Listener, Matcher, NamePattern, SocketOptions};

/// All that was attached to something.
pub(super) struct Attached<'a> {
    pub(super) gateways: &'a [Gateway],
    /// By age.
    pub(super) routes: &'a [(Route, Vec<Backend>)],
    pub(super) attachments: &'a Attachments,
}

impl Attached<'_> {
    /// What is served at the sites; a site without a route is not.
    pub(super) fn assemble(&self, sites: &Sites, mappings: &mut Mappings<'_>) -> Vec<Claim> {
        let claim = |(bind, members): (&SocketAddr, &Vec<(usize, usize)>)| {
            let routes = self.routes_of(*bind, members, mappings);
            let (bind, socket) = (*bind, SocketOptions::default());
            let listener = Listener { bind, proxy_protocol: None, prelude: None, socket, routes };
            let report = &self.gateways[members.first()?.0].report;
            let (resource, place) = (report.resource().to_owned(), report.place().clone());
            (!listener.routes.is_empty()).then_some(Claim { listener, resource, place })
        };
        sites.iter().filter_map(claim).collect()
    }

    fn routes_of(
        &self,
        bind: SocketAddr,
        members: &[(usize, usize)],
        mappings: &mut Mappings<'_>,
    ) -> Vec<model::Route> {
        let mut members: Vec<_> = members
            .iter()
            .copied()
            .chain(self.withheld(bind, members))
            .map(|(gateway, listener)| (gateway, listener, &self.gateways[gateway].spec.listeners[listener]))
            .collect();
        // A connection is its narrowest listener's, and of no other.
        members.sort_by_key(|(.., spec)| {
            spec.hostname.as_ref().map_or((2, Reverse(0)), |name| {
                let (is_wildcard, length) = name.rank();
                (u8::from(is_wildcard), length)
            })
        });
        let (mut routes, mut seen) = (Vec::new(), HashSet::new());
        let mut any = false;
        for (place, (gateway, listener, spec)) in members.iter().enumerate() {
            let is_alone = members.len() == 1;
            for route in self.routes_at(*gateway, *listener, (spec, is_alone), mappings) {
                any = true;
                if seen.insert(route.matcher.clone()) {
                    routes.push(route);
                }
            }
            // Names of this listener that none of its routes takes are not for those behind it.
            if let (Some(name), true) = (&spec.hostname, overlaps(spec, &members[place + 1..])) {
                let matcher = Matcher::Tls { name: name.pattern(), alpn: Vec::new() };
                if seen.insert(matcher.clone()) {
                    routes.push(model::Route::new(matcher, Downstream::Raw, Vec::new()));
                }
            }
        }
        if any { routes } else { Vec::new() }
    }

    /// Listeners beside these that are not taken up, whose names are not for wider ones all the same: who asks clients
    /// for certificates there does not want others to be served without.
    fn withheld(&self, bind: SocketAddr, members: &[(usize, usize)]) -> Vec<(usize, usize)> {
        let of = |(gateway, listener): (usize, usize)| &self.gateways[gateway].spec.listeners[listener];
        let is_served =
            |name: &Hostname| members.iter().any(|member| of(*member).hostname.as_ref() == Some(name));
        let gateways: BTreeSet<_> = members.iter().map(|(gateway, _)| *gateway).collect();
        let listeners = gateways.into_iter().flat_map(|gateway| {
            (0..self.gateways[gateway].listeners.len()).map(move |listener| (gateway, listener))
        });
        let is_withheld = |place: &(usize, usize)| {
            let (spec, judged) = (of(*place), &self.gateways[place.0].listeners[place.1]);
            spec.protocol == Protocol::Tls
                && judged.binds.contains(&bind)
                && judged
                    .refused
                    .as_ref()
                    .is_some_and(|fault| [NO_AUTHORITY, HOSTNAME].contains(&fault.reason))
                && spec.hostname.as_ref().is_some_and(|name| !is_served(name))
        };
        listeners.filter(is_withheld).collect()
    }

    fn routes_at(
        &self,
        gateway: usize,
        listener: usize,
        (spec, is_alone): (&ListenerSpec, bool),
        mappings: &mut Mappings<'_>,
    ) -> Vec<model::Route> {
        let judged = &self.gateways[gateway].listeners[listener];
        let of_aws = self.gateways[gateway].class == Class::AwsNlb;
        if !judged.is_programmed(spec) {
            return Vec::new();
        }
        let downstream = match &judged.termination {
            Some(termination) => Downstream::Terminate(Arc::clone(termination)),
            None => Downstream::Raw,
        };
        let (mut routes, mut is_taken) = (Vec::new(), false);
        for attachment in self.attachments.get(&(gateway, listener)).into_iter().flatten() {
            let (route, backends) = &self.routes[attachment.route];
            // A network load balancer tells no connections apart by name.
            let takes_all = route.kind == Kind::TcpRoute || of_aws;
            if takes_all && std::mem::replace(&mut is_taken, true) {
                let message = format!(
                    "an older route has the listener {:?} of {}; this one takes no connection there",
                    spec.name,
                    self.gateways[gateway].report.resource()
                );
                route.report.warn("spec.parentRefs", message);
                continue;
            }
            let (shares, refused) = mappings.of(route, backends, &self.gateways[gateway], spec);
            let matchers = match (of_aws && is_alone, spec.mode) {
                (true, Some(Mode::Terminate)) => {
                    vec![(Matcher::Tls { name: NamePattern::Everything, alpn: Vec::new() }, None)]
                }
                (true, _) => vec![(Matcher::Any, None)],
                (false, _) => matchers(route, attachment, spec),
            };
            let allow = mappings.sources(&self.gateways[gateway]);
            for (matcher, own) in matchers {
                let route = model::Route {
                    refused,
                    access: Access { allow: allow.clone(), ..Access::default() },
                    ..model::Route::new(matcher, downstream.clone(), shares.clone())
                };
                routes.push((own, attachment.route, route));
            }
        }
        // Of the same names those of the narrower hostname come first, and of the same hostname the oldest.
        routes.sort_by_key(|(own, _, route)| (route.matcher.rank(), own.as_ref().map(Hostname::rank)));
        let mut first: HashMap<(&Matcher, &Option<Hostname>), usize> = HashMap::new();
        for (own, place, route) in &routes {
            let winner = *first.entry((&route.matcher, own)).or_insert(*place);
            if let (true, Matcher::Tls { name, .. }) = (winner != *place, &route.matcher) {
                let message = format!(
                    "{name} is {}'s at the listener {:?} of {}, which is older; this one takes no connection for it there",
                    self.routes[winner].0.report.whereabouts(),
                    spec.name,
                    self.gateways[gateway].report.resource()
                );
                self.routes[*place].0.report.warn("spec.hostnames", message);
            }
        }
        drop(first);
        routes.into_iter().map(|(.., route)| route).collect()
    }
}

/// What a route takes at a listener, each with the hostname that it says itself.
fn matchers(route: &Route, attachment: &Attachment, spec: &ListenerSpec) -> Vec<(Matcher, Option<Hostname>)> {
    let tls = |name: NamePattern| Matcher::Tls { name, alpn: Vec::new() };
    if spec.protocol == Protocol::Tcp {
        return vec![(Matcher::Any, None)];
    }
    if !attachment.names.is_empty() {
        let names = attachment.names.iter();
        return names.map(|(both, own)| (tls(both.pattern()), Some(own.clone()))).collect();
    }
    vec![match &spec.hostname {
        Some(name) => (tls(name.pattern()), None),
        None if spec.mode == Some(Mode::Passthrough) && route.kind == Kind::TcpRoute => (Matcher::Any, None),
        None => (tls(NamePattern::Everything), None),
    }]
}

fn overlaps(spec: &ListenerSpec, others: &[(usize, usize, &ListenerSpec)]) -> bool {
    let overlap = |other: &ListenerSpec| match (&spec.hostname, &other.hostname) {
        (Some(own), Some(other)) => own.intersect(other).is_some(),
        _ => true,
    };
    others.iter().any(|(.., other)| overlap(other))
}
