//! TLS: where it ends, where it begins, and where certificates come from.

mod contexts;
mod groups;
mod hosts;
mod lookup;
mod originate;
mod overrides;
mod secrets;

use super::*;
use crate::config::material::fixtures::{Pair, any};
use crate::config::model::{
    Authorities, ClientCertificates, Downstream, Matcher, NameSent, NamesChecked, Origination, Route,
    SanPattern, Termination, Verification,
};

/// One string of YAML, whatever it holds.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A document of Ambassador's.
pub(super) fn resource(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: getambassador.io/v3alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n---\n"
    )
}

pub(super) fn context(name: &str, spec: &str) -> String {
    resource("TLSContext", name, spec)
}

fn host(name: &str, spec: &str) -> String {
    resource("Host", name, spec)
}

/// A mapping of that name on port 7000, with more lines of `spec`.
fn named(name: &str, lines: &[&str]) -> String {
    with_spec(lines).replace("{name: m}", &format!("{{name: {name}}}")) + "---\n"
}

/// A Secret with some entries.
pub(super) fn secret_of(name: &str, kind: &str, entries: &[(&str, &str)]) -> String {
    let entries: Vec<_> = entries.iter().map(|(key, text)| format!("{key}: {}", quoted(text))).collect();
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: {kind}\nstringData: {{{}}}\n---\n",
        entries.join(", ")
    )
}

/// A Secret with a certificate and its key.
pub(super) fn secret_with(name: &str, pair: &Pair) -> String {
    secret_of(name, "kubernetes.io/tls", &[("tls.crt", &pair.chain), ("tls.key", &pair.key)])
}

/// The same with just any.
pub(super) fn secret(name: &str) -> String {
    secret_with(name, any())
}

/// The same document in another namespace.
fn elsewhere(document: &str, namespace: &str) -> String {
    document.replacen("metadata: {name:", &format!("metadata: {{namespace: {namespace}, name:"), 1)
}

impl Outcome {
    /// One line a route: `bind names downstream members`.
    pub(super) fn routes(&self) -> Vec<String> {
        let listeners = self.config.listeners.iter();
        listeners
            .flat_map(|listener| {
                listener.routes.iter().map(|route| format!("{} {}", listener.bind, line(route)))
            })
            .collect()
    }

    fn termination(&self) -> &Termination {
        match &self.config.listeners[0].routes[0].downstream {
            Downstream::Terminate(termination) => termination,
            Downstream::Raw => panic!("raw: {:?}", self.all()),
        }
    }

    fn origination(&self) -> &Origination {
        self.only().originate.as_ref().unwrap()
    }

    /// What is said about a kind, without its place.
    fn about(&self, label: &str) -> Vec<String> {
        let found = self.all();
        found.iter().filter_map(|line| Some(line.split_once(&format!("{label}: "))?.1.to_owned())).collect()
    }
}

fn line(route: &Route) -> String {
    let names = match &route.matcher {
        Matcher::Any => "any".to_owned(),
        Matcher::Cleartext => "cleartext".to_owned(),
        Matcher::Tls { name, alpn } => {
            let alpn: Vec<_> = alpn.iter().map(|protocol| String::from_utf8_lossy(protocol)).collect();
            if alpn.is_empty() { name.to_string() } else { format!("{name}+{}", alpn.join("+")) }
        }
    };
    let downstream = match &route.downstream {
        Downstream::Raw => "raw".to_owned(),
        Downstream::Terminate(termination) => {
            format!("{} ({})", termination.name, termination.certificates[0].source)
        }
    };
    let members: Vec<_> = route
        .mappings
        .iter()
        .map(|mapping| mapping.name.0.strip_prefix("TCPMapping default/").unwrap_or(&mapping.name.0))
        .collect();
    format!("{names} {downstream} {}", members.join("+"))
}

/// `name sni certificate verification`.
pub(super) fn shown(origination: &Origination) -> String {
    let verification = match &origination.verification {
        Verification::None => "none".to_owned(),
        Verification::Chain { authorities, names, depth } => {
            let authorities = match authorities {
                Authorities::System => "system".to_owned(),
                Authorities::Given(trust) => format!("by {}", trust.source),
            };
            let san = |name: &SanPattern| match name {
                SanPattern::Dns(name) => format!(" dns:{name}"),
                SanPattern::Uri(uri) => format!(" {uri}"),
                SanPattern::Ip(ip) => format!(" ip:{ip}"),
            };
            let names = match names {
                NamesChecked::Any => String::new(),
                NamesChecked::Sent => " as sent".to_owned(),
                NamesChecked::OneOf(names) => names.iter().map(san).collect(),
            };
            let depth = depth.map(|depth| format!(" within {depth}")).unwrap_or_default();
            format!("{authorities}{names}{depth}")
        }
    };
    let sni = match &origination.server_name {
        NameSent::Fixed(name) => name,
        NameSent::Nothing => "-",
        NameSent::Host => "(host)",
        NameSent::Client => "(client)",
    };
    let certificate = origination.identity.as_ref().map_or("-", |identity| &identity.source);
    format!("{}, {sni}, {certificate}, {verification}", origination.name)
}

fn clients(termination: &Termination) -> String {
    match &termination.clients {
        ClientCertificates::Ignored => "ignored".to_owned(),
        ClientCertificates::Verified(trust) => format!("verified by {}", trust.source),
        ClientCertificates::Required(trust) => format!("required by {}", trust.source),
    }
}
