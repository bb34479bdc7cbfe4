//! What the mappings of one port must agree about.

use std::net::SocketAddr;

use super::Candidate;
use crate::config::model::{Access, Downstream, Matcher, Prelude};

/// Discards the members of one port that cannot be served together: the first decides what belongs to the port,
/// except that those with a host, of which there may be many, come before one without.
pub(super) fn reconcile(bind: SocketAddr, members: &[&Candidate]) {
    // Of those that were discarded at another of their addresses that was told there.
    let members = || members.iter().copied().filter(|member| !member.report.failed());
    let with_host = members().find(|member| member.matcher != Matcher::Any);
    let with_host = with_host.map(|member| member.report.whereabouts());
    let mut kept: Vec<&Candidate> = Vec::new();
    for member in members() {
        if let Some((field, why)) = open_beside_restricted(bind, member, members()) {
            member.report.discard(field, why);
            continue;
        }
        match conflict(bind, member, &kept, with_host.as_deref()) {
            None => {
                overlap(member, &kept);
                kept.push(member);
            }
            Some((field, why)) => member.report.discard(field, why),
        }
    }
}

/// Why a member cannot be served beside the others, and the field that says so.
fn conflict(
    bind: SocketAddr,
    member: &Candidate,
    kept: &[&Candidate],
    with_host: Option<&str>,
) -> Option<(String, String)> {
    if let (Matcher::Any, Some(other)) = (&member.matcher, with_host) {
        return Some((
            "spec.host".to_owned(),
            format!(
                "is missing, and {other} on {bind} has one, so clients are told apart by it; give this one a host, \
                 or a port of its own"
            ),
        ));
    }
    let first = kept.first()?;
    if first.prelude != member.prelude {
        return Some((
            "metadata.annotations.sluice.dev/starttls".to_owned(),
            format!(
                "is {} here and {} in {}, and all of {bind} must agree; make them the same, or use another port",
                shown(member.prelude),
                shown(first.prelude),
                first.report.whereabouts()
            ),
        ));
    }
    let same = kept.iter().find(|other| other.matcher == member.matcher)?;
    if let Some(annotation) = member.route.differs(&same.route) {
        return Some(disagreement(bind, annotation, same));
    }
    let both = |downstream: &Downstream| matches!(downstream, Downstream::Raw);
    (both(&same.downstream) != both(&member.downstream)).then(|| {
        let (this, that) = match member.downstream {
            Downstream::Raw => ("passed through", "terminated"),
            Downstream::Terminate(_) => ("terminated", "passed through"),
        };
        let other = same.report.whereabouts();
        (
            "spec.host".to_owned(),
            format!("is {this} here and {that} by {other} on {bind}; give them different hosts, or the same sluice.dev/tls-mode"),
        )
    })
}

/// A member that would let in whom another of its route keeps out, whichever comes first.
fn open_beside_restricted<'a>(
    bind: SocketAddr,
    member: &Candidate,
    mut members: impl Iterator<Item = &'a Candidate>,
) -> Option<(String, String)> {
    if member.route.access != Access::default() {
        return None;
    }
    let restricted =
        members.find(|other| other.matcher == member.matcher && other.route.access != Access::default())?;
    Some(disagreement(bind, member.route.differs(&restricted.route)?, restricted))
}

/// What a route's mappings must agree about, since it is decided before one of them is chosen.
fn disagreement(bind: SocketAddr, annotation: &'static str, other: &Candidate) -> (String, String) {
    let other = other.report.whereabouts();
    let why = format!(
        "is not the same here as in {other}, with which it shares connections on {bind}; make them the same"
    );
    (format!("metadata.annotations.{annotation}"), why)
}

fn shown(prelude: Option<Prelude>) -> &'static str {
    match prelude {
        Some(Prelude::Postgres) => "postgres",
        None => "unset",
    }
}

/// Warns where two routes of one name ask for the same protocol: the earlier takes it.
fn overlap(member: &Candidate, kept: &[&Candidate]) {
    let Matcher::Tls { name, alpn } = &member.matcher else {
        return;
    };
    for other in kept.iter().filter(|other| other.matcher != member.matcher) {
        let Matcher::Tls { name: other_name, alpn: other_alpn } = &other.matcher else {
            continue;
        };
        if name == other_name
            && let Some(shared) = alpn.iter().find(|protocol| other_alpn.contains(protocol))
        {
            let shared = String::from_utf8_lossy(shared);
            let message = format!(
                "{shared:?} is also asked for by {} for the same host; clients that offer it go there",
                other.report.whereabouts()
            );
            member.report.warn("metadata.annotations.sluice.dev/tls-alpn", message);
        }
    }
}
