//! `Host`: a name and the certificate for it.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::block::{At, Block, Defaults, Origin, SecretName, name};
use super::declared::Declared;
use super::glob::overlap;
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;

/// What a `Host` has for HTTP alone.
const HTTP: [&str; 7] = [
    "ambassador_id",
    "ambassadorId",
    "acmeProvider",
    "mappingSelector",
    "previewUrl",
    "requestPolicy",
    "selector",
];

/// A `Host`.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) labels: Vec<(String, String)>,
    /// A glob in lower case.
    pub(super) hostname: String,
    /// `tlsSecret` as the certificate, and the fields of `tls`.
    pub(super) declared: Declared,
    pub(super) link: Link,
}

/// The `TLSContext` that a `Host` takes the rest from.
pub(super) enum Link {
    /// `tlsContext`.
    Named { field: String, name: String },
    /// Of its own name, if there is one.
    Implied,
    /// None, as it has a `tls` of its own.
    None,
}

/// How well a `Host` fits a name; the smallest is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    Exact,
    /// A glob, the longer the better.
    Wildcard(Reverse<usize>),
    Everything,
    /// One of the names that the mapping's own glob stands for.
    Part,
}

impl Host {
    /// How well it fits a mapping's host, if at all.
    pub(super) fn fit(&self, host: &str) -> Option<Fit> {
        match self.hostname.as_str() {
            hostname if hostname == host => Some(Fit::Exact),
            hostname if !overlap(hostname, host) => None,
            "*" => Some(Fit::Everything),
            hostname if hostname.contains('*') => Some(Fit::Wildcard(Reverse(hostname.len()))),
            _ => Some(Fit::Part),
        }
    }

    /// The `TLSContext` that is taken into service by its name alone.
    pub(super) fn implied_link(&self) -> String {
        format!("{}-context", self.name)
    }

    /// Whether it says anything about certificates.
    pub(super) fn has_tls(&self) -> bool {
        self.declared.block.certificate.is_some() || matches!(self.link, Link::Named { .. })
    }
}

/// Reads every `Host`, in Ambassador's order: by name, then namespace.
pub(super) fn read(
    hosts: Vec<(&Resource<'_>, Report)>,
    defaults: &Defaults<'_>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Host> {
    let mut read: Vec<Host> = Vec::new();
    let mut places = HashMap::new();
    for (resource, report) in hosts {
        let Some(host) = host(resource, report, defaults, found) else {
            continue;
        };
        match places.get(&(host.name.clone(), host.namespace.clone())) {
            Some(&index) => {
                let before: Host = std::mem::replace(&mut read[index], host);
                before.declared.report.replaced_by(&resource.place);
                found.extend(before.declared.report.into_diagnostics());
            }
            None => {
                places.insert((host.name.clone(), host.namespace.clone()), read.len());
                read.push(host);
            }
        }
    }
    read.sort_by_key(|host| format!("{}.{}", host.name, host.namespace));
    read
}

fn host(
    resource: &Resource<'_>,
    report: Report,
    defaults: &Defaults<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Host> {
    let namespace = resource.namespace().unwrap_or_else(|| defaults.own_namespace.to_owned());
    if !resource.is_flat() && !resource.body.contains_key("spec") {
        // Kubernetes takes it so; it has no certificate.
        return None;
    }
    let read = resource.spec(&report).map(|fields| {
        fields.ignore(&HTTP);
        let hostname = fields.filled("hostname").unwrap_or_else(|| "*".to_owned());
        let hostname = hostname.trim().trim_end_matches('.').to_ascii_lowercase();
        if hostname.contains(':') {
            let message =
                format!("{hostname:?} has a port, which only HTTP knows; no TCPMapping takes this Host");
            report.info(fields.path("hostname"), message);
        }
        let (block, link) = tls(&fields, &namespace, defaults, &report);
        fields.warn_unknown(&[("secret", "use tlsSecret"), ("host", "use hostname")]);
        (hostname, block, link)
    });
    let Some((hostname, block, link)) = read else {
        found.extend(report.into_diagnostics());
        return None;
    };
    let (name, labels) = (resource.name().unwrap_or_default(), resource.labels());
    Some(Host { name, namespace, labels, hostname, declared: Declared::new(block, report), link })
}

fn tls(fields: &Fields<'_>, namespace: &str, defaults: &Defaults<'_>, report: &Report) -> (Block, Link) {
    let inline = fields.child("tls");
    let mut block = inline.as_ref().map_or_else(Block::default, |inline| {
        let block = Block::read(inline, namespace, defaults, report);
        inline.warn_unknown(&[]);
        block
    });
    let link = fields.child("tlsContext").and_then(|link| {
        let (field, name) = (link.path("name"), link.filled("name"));
        link.warn_unknown(&[("namespace", "TLSContexts are found by name in every namespace")]);
        name.map(|name| Link::Named { field, name })
    });
    if inline.is_some() && link.is_some() {
        report.discard(fields.path("tls"), "stands beside tlsContext; keep one of them");
    }
    let secret = fields.child("tlsSecret").and_then(|secret| {
        let named = name(&secret, "name", report);
        let namespace = secret.filled("namespace").unwrap_or_else(|| namespace.to_owned());
        secret.warn_unknown(&[]);
        let field = secret.path("name");
        named.map(|name| Origin { field, at: At::Secret(SecretName { namespace, name }) })
    });
    if let (Some(_), Some(own)) = (&secret, &block.certificate) {
        report.discard(own.field.clone(), "stands beside tlsSecret; keep one of them");
    }
    if secret.is_some() {
        block.certificate = secret;
    } else if inline.is_some() || link.is_some() {
        let message = "is missing, where Ambassador ignores tls and tlsContext; sluice honours them";
        report.info(fields.path("tlsSecret"), message);
    }
    let implied = if inline.is_some() { Link::None } else { Link::Implied };
    (block, link.unwrap_or(implied))
}
