//! `ReferenceGrant`: who may refer to what is in the grant's namespace.

use super::id::{Head, Id};
use super::kind::GROUP;
use super::reference::ObjectRef;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;

/// Every grant of a configuration; they add up.
#[derive(Debug, Default)]
pub(super) struct Grants(Vec<Grant>);

/// Any of the one may refer to any of the other.
#[derive(Debug)]
struct Grant {
    namespace: String,
    /// Group, kind and namespace.
    from: Vec<(String, String, String)>,
    /// Group, kind, and the name, if it is not all of them.
    to: Vec<(String, String, Option<String>)>,
}

impl Grants {
    /// Takes a grant in, unless the report says what is wrong with it.
    pub(super) fn add(&mut self, resource: &Resource<'_>, head: &Head, report: &Report) {
        let Some(spec) = resource.spec(report) else {
            return;
        };
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for entry in spec.children("from").unwrap_or_default() {
            let (group, kind, namespace) =
                (entry.text("group"), entry.filled("kind"), entry.filled("namespace"));
            for (name, missing) in [("kind", kind.is_none()), ("namespace", namespace.is_none())] {
                if missing {
                    entry.missing(name, "say who may refer to this namespace");
                }
            }
            if entry.raw("group").is_none() {
                entry.missing(
                    "group",
                    "without it nobody is meant; a route's and a Gateway's is gateway.networking.k8s.io",
                );
            }
            entry.warn_unknown(&[]);
            from.extend(
                kind.zip(namespace).map(|(kind, namespace)| (group.unwrap_or_default(), kind, namespace)),
            );
        }
        for entry in spec.children("to").unwrap_or_default() {
            let (group, kind, name) = (entry.text("group"), entry.filled("kind"), entry.filled("name"));
            if kind.is_none() {
                entry.missing("kind", "say what may be referred to");
            }
            // Everything would be granted where one thing was meant.
            if name.is_none() && entry.raw("name").is_some() {
                report.discard(
                    entry.path("name"),
                    "is empty; name one object, or leave it out for all of them",
                );
            }
            entry.warn_unknown(&[]);
            to.extend(kind.map(|kind| (group.unwrap_or_default(), kind, name)));
        }
        spec.warn_unknown(&[]);
        for (name, empty) in [("from", from.is_empty()), ("to", to.is_empty())] {
            if empty && !report.failed() {
                spec.missing(name, "a grant has one entry or more on either side");
            }
        }
        if !report.failed() {
            self.0.push(Grant { namespace: head.id.namespace.clone(), from, to });
        }
    }

    /// Whether a kind of the Gateway API in the namespace `own` may refer to an object: to its neighbours, and to
    /// what a grant says.
    pub(super) fn allow(&self, kind: &str, own: &str, object: &ObjectRef) -> bool {
        let Id { namespace, name } = object.id(own);
        if namespace == own {
            return true;
        }
        let from = |(group, from, whence): &(String, String, String)| {
            group == GROUP && from == kind && whence == own
        };
        let to = |(group, to, only): &(String, String, Option<String>)| {
            *group == object.group && *to == object.kind && only.as_ref().is_none_or(|only| *only == name)
        };
        let mut grants = self.0.iter().filter(|grant| grant.namespace == namespace);
        grants.any(|grant| grant.from.iter().any(from) && grant.to.iter().any(to))
    }
}
