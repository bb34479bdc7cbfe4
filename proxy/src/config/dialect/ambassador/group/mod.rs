//! Mappings that share an address and port, and what each of them gets.

mod agree;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use self::agree::reconcile;
use super::overrides::RouteOverrides;
use super::weights::{Flaw, share};
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::merge::Claim;
use crate::config::dialect::report::Report;
use crate::config::model::{
    Downstream, Listener, Mapping, Matcher, Prelude, ProxySources, Route, SocketOptions, Weight,
};

/// A mapping that can be served, before its group is known.
#[derive(Debug)]
pub(super) struct Candidate {
    /// At least one.
    pub(super) binds: Vec<SocketAddr>,
    pub(super) matcher: Matcher,
    pub(super) downstream: Downstream,
    /// The same for all of an address, since its Listener says it.
    pub(super) proxy_protocol: Option<ProxySources>,
    /// What its clients say before TLS.
    pub(super) prelude: Option<Prelude>,
    /// What belongs to all mappings of its route.
    pub(super) route: RouteOverrides,
    /// As declared.
    pub(super) weight: Option<u16>,
    /// Its weight is still to be found.
    pub(super) mapping: Mapping,
    pub(super) report: Report,
}

/// Groups candidates into listeners and routes, and shares connections among them.
pub(super) fn assemble(candidates: Vec<Candidate>, found: &mut Vec<Diagnostic>) -> Vec<Claim> {
    let candidates = unique(candidates, found);
    let mut ports: BTreeMap<SocketAddr, Vec<&Candidate>> = BTreeMap::new();
    for candidate in &candidates {
        for bind in &candidate.binds {
            ports.entry(*bind).or_default().push(candidate);
        }
    }
    for (bind, members) in &ports {
        reconcile(*bind, members);
    }
    let mut claims = Vec::with_capacity(ports.len());
    for (bind, mut members) in ports {
        // Only now: who cannot be served at one of its addresses is not served at the others either.
        members.retain(|member| !member.report.failed());
        let Some(first) = members.first() else {
            continue;
        };
        let (resource, place) = (first.report.resource().to_owned(), first.report.place().clone());
        let prelude = first.prelude;
        let proxy_protocol = first.proxy_protocol.clone();
        let mut routes: Vec<_> = grouped(members).into_iter().map(|group| route(bind, &group)).collect();
        routes.sort_by_key(|route| route.matcher.rank());
        let listener = Listener { bind, proxy_protocol, prelude, socket: SocketOptions::default(), routes };
        claims.push(Claim { listener, resource, place });
    }
    found.extend(candidates.into_iter().flat_map(|candidate| candidate.report.into_diagnostics()));
    claims
}

/// Of mappings with the same kind, namespace and name the last one stays.
fn unique(candidates: Vec<Candidate>, found: &mut Vec<Diagnostic>) -> Vec<Candidate> {
    let mut last = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        last.insert(candidate.mapping.name.clone(), (index, candidate.report.place().clone()));
    }
    let mut kept = Vec::with_capacity(last.len());
    for (index, candidate) in candidates.into_iter().enumerate() {
        match last.get(&candidate.mapping.name) {
            Some((stays, place)) if *stays != index => {
                candidate.report.replaced_by(place);
                found.extend(candidate.report.into_diagnostics());
            }
            _ => kept.push(candidate),
        }
    }
    kept
}

/// By matcher, each where its first member stands.
fn grouped(members: Vec<&Candidate>) -> Vec<Vec<&Candidate>> {
    let mut groups: Vec<Vec<&Candidate>> = Vec::new();
    let mut places = HashMap::new();
    for member in members {
        let place = *places.entry(member.matcher.clone()).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(member);
    }
    groups
}

fn route(bind: SocketAddr, group: &[&Candidate]) -> Route {
    // Looked up by the same host, so the same for all.
    let (matcher, downstream) = (group[0].matcher.clone(), group[0].downstream.clone());
    let at = match &matcher {
        Matcher::Any | Matcher::Cleartext => bind.to_string(),
        Matcher::Tls { name, .. } => format!("{bind} for {name}"),
    };
    // The same for all too: who disagreed is not among them.
    let RouteOverrides { access, .. } = &group[0].route;
    let route = Route::new(matcher, downstream, weigh(&at, group));
    Route { access: access.clone(), logs: group[0].route.logs(), ..route }
}

fn weigh(at: &str, group: &[&Candidate]) -> Vec<Mapping> {
    let declared: Vec<_> = group.iter().map(|candidate| candidate.weight).collect();
    let shares = share(&declared);
    if let Some(flaw) = shares.flaw {
        explain(flaw, at, group);
    }
    let weighed = group.iter().zip(shares.weights);
    weighed.map(|(member, weight)| Mapping { weight: Weight(weight), ..member.mapping.clone() }).collect()
}

/// Tells the member on which the sum tips over, or which goes empty-handed.
fn explain(flaw: Flaw, at: &str, group: &[&Candidate]) {
    let unweighted = || group.iter().find(|member| member.weight.is_none());
    let weighted = || group.iter().rev().find(|member| member.weight.is_some());
    let member = if flaw == Flaw::NothingLeft { unweighted() } else { weighted() };
    let Some(member) = member else {
        return;
    };
    let all: Vec<_> = group.iter().map(|member| describe(member)).collect();
    let all = all.join(", ");
    let field = "spec.weight";
    match flaw {
        Flaw::Over(sum) => member.report.error(
            field,
            format!(
                "the weights on {at} sum to {sum} ({all}); they are used in proportion: make them sum to 100"
            ),
        ),
        Flaw::NothingLeft => member.report.error(
            field,
            format!(
                "the weights on {at} leave nothing of 100 for this mapping ({all}); it takes no connection"
            ),
        ),
        Flaw::Under(sum) => member.report.warn(
            field,
            format!(
                "the weights on {at} sum to {sum} ({all}); they are used in proportion: make them sum to 100"
            ),
        ),
        Flaw::Nobody => member.report.error(
            field,
            format!("every weight on {at} is 0 ({all}); nobody takes its connections: raise one"),
        ),
    }
}

fn describe(member: &Candidate) -> String {
    let name = member.report.resource();
    match member.weight {
        Some(weight) => format!("{name}: {weight}"),
        None => format!("{name}: none"),
    }
}
