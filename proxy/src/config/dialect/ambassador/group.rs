//! Mappings that share an address and port, and what each of them gets.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::weights::{Flaw, share};
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::report::Report;
use crate::config::model::{Config, Downstream, Listener, Mapping, Matcher, Route, Weight};

/// A mapping that can be served, before its group is known.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) bind: SocketAddr,
    /// As declared.
    pub(super) weight: Option<u16>,
    /// Its weight is still to be found.
    pub(super) mapping: Mapping,
    pub(super) report: Report,
}

/// Groups candidates into listeners and shares connections among them.
pub(super) fn assemble(candidates: Vec<Candidate>, found: &mut Vec<Diagnostic>) -> Config {
    let mut groups: BTreeMap<SocketAddr, Vec<Candidate>> = BTreeMap::new();
    for candidate in unique(candidates, found) {
        groups.entry(candidate.bind).or_default().push(candidate);
    }
    let listeners = groups.into_iter().map(|(bind, group)| {
        let route =
            Route { matcher: Matcher::Any, downstream: Downstream::Raw, mappings: weigh(bind, group, found) };
        Listener { bind, prelude: None, routes: vec![route] }
    });
    Config { listeners: listeners.collect() }
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
                let (file, document) = (place.file.display(), place.document);
                let message = format!(
                    "the same kind, namespace and name stands again in {file}#{document}, which replaces this one; \
                     rename one of them"
                );
                candidate.report.discard("", message);
                found.extend(candidate.report.into_diagnostics());
            }
            _ => kept.push(candidate),
        }
    }
    kept
}

fn weigh(bind: SocketAddr, group: Vec<Candidate>, found: &mut Vec<Diagnostic>) -> Vec<Mapping> {
    let declared: Vec<_> = group.iter().map(|candidate| candidate.weight).collect();
    let shares = share(&declared);
    if let Some(flaw) = shares.flaw {
        explain(flaw, bind, &group);
    }
    let weighed = group.into_iter().zip(shares.weights).map(|(candidate, weight)| {
        found.extend(candidate.report.into_diagnostics());
        Mapping { weight: Weight(weight), ..candidate.mapping }
    });
    weighed.collect()
}

/// Tells the member on which the sum tips over, or which goes empty-handed.
fn explain(flaw: Flaw, bind: SocketAddr, group: &[Candidate]) {
    let unweighted = || group.iter().find(|member| member.weight.is_none());
    let weighted = || group.iter().rev().find(|member| member.weight.is_some());
    let member = if flaw == Flaw::NothingLeft { unweighted() } else { weighted() };
    let Some(member) = member else {
        return;
    };
    let all: Vec<_> = group.iter().map(describe).collect();
    let all = all.join(", ");
    let field = "spec.weight";
    match flaw {
        Flaw::Over(sum) => member.report.error(
            field,
            format!("the weights on {bind} sum to {sum} ({all}); they are used in proportion: make them sum to 100"),
        ),
        Flaw::NothingLeft => member.report.error(
            field,
            format!("the weights on {bind} leave nothing of 100 for this mapping ({all}); it takes no connection"),
        ),
        Flaw::Under(sum) => member.report.warn(
            field,
            format!("the weights on {bind} sum to {sum} ({all}); they are used in proportion: make them sum to 100"),
        ),
        Flaw::Nobody => member.report.error(
            field,
            format!("every weight on {bind} is 0 ({all}); nobody takes its connections: raise one"),
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
