//! From documents to the model: which dialect a document is written in, and a folder per dialect.

mod ambassador;
mod cluster;
mod config_map;
mod fields;
mod gateway;
mod kong;
mod log_to;
mod merge;
mod names;
mod ports;
mod report;
mod resource;
mod secret;
mod selector;
mod strangers;
mod words;
mod write;
mod yaml;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;

use serde_yaml::Value;

use super::diagnostic::{Diagnostic, Severity};
use super::inventory::Inventory;
use super::material::Files;
use super::model::{Config, ResourceStatus};
use super::settings::Settings;

pub(super) use report::Place;
pub use selector::{LabelSelector, SelectorError};
pub(super) use words::nearest;
pub use write::{Language, Written, write};
pub(super) use yaml::{Document, parse};

use cluster::Cluster;
use config_map::ConfigMaps;
use merge::Holders;
use resource::Resource;
use secret::Secrets;
use strangers::Strangers;

/// What a set of documents means.
pub(super) struct Lowered {
    pub(super) config: Config,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What controllers would write beside the resources, for dialects that have such a place.
    pub(super) statuses: Vec<ResourceStatus>,
    /// Resources seen, served or not.
    pub(super) resources: usize,
    pub(super) inventory: Inventory,
}

/// Finds everything the documents ask for; what is in error is left out alone. Certificates that they keep
/// in files are read from `files`.
pub(super) fn lower<'a>(
    documents: impl Iterator<Item = &'a Document>,
    files: &RefCell<Files>,
    settings: &Settings,
) -> Lowered {
    let mut diagnostics = Vec::new();
    let (mut secrets, mut cluster) = (Secrets::default(), Cluster::default());
    let (mut config_maps, mut namespaces) = (ConfigMaps::default(), HashMap::new());
    let mut strangers = Strangers::default();
    let (mut ambassador, mut gateway, mut kong) = (Vec::new(), Vec::new(), Vec::new());
    let (mut resources, mut inventory) = (0, Inventory::default());
    for document in documents {
        if let Dialect::Kong = detect(&document.value) {
            kong.push(document);
            continue;
        }
        let before = diagnostics.len();
        let expanded = resource::expand(document, &settings.ambassador.namespace, &mut diagnostics);
        if expanded.is_empty() && diagnostics.len() > before {
            inventory.wonder(&looks(&document.value));
        }
        for resource in expanded {
            resources += 1;
            let is_known = cluster.add(&resource, &settings.ambassador)
                || config_maps.add(&resource, &settings.ambassador)
                || labelled(&resource, &mut namespaces);
            let described = format!("kind {} ({})", resource.kind, resource.api_version);
            let dialect = group(&resource.api_version);
            let is_recognised = match dialect {
                Dialect::Ambassador => ambassador::knows(&resource.kind),
                Dialect::Gateway => gateway::knows(&resource),
                Dialect::Kubernetes => is_known || resource.kind == "Secret" || resource.carried().is_some(),
                Dialect::Kong => false,
            };
            if is_recognised {
                inventory.recognise(dialect.name(), &resource.kind);
            } else {
                inventory.wonder(&format!("{} ({})", resource.kind, resource.api_version));
            }
            match dialect {
                Dialect::Ambassador => ambassador.push(resource),
                Dialect::Gateway => gateway.push(resource),
                // What it carries comes by itself.
                _ if resource.carried().is_some() || is_known => {}
                _ if resource.kind == "Secret" => {
                    secrets.add(&resource, &settings.ambassador, &mut diagnostics)
                }
                _ => strangers.meet(&described, &resource.place),
            }
        }
    }
    let sources = ambassador::Sources { secrets: &secrets, cluster: &cluster, files, settings };
    let mut claims = ambassador::lower(&ambassador, sources, &mut strangers, &mut diagnostics);
    let environment = |name: &str| std::env::var(name).ok();
    let sources = kong::Sources { files, settings, environment: &environment };
    let (of_kong, entities) = kong::lower(&kong, sources, &mut diagnostics);
    claims.extend(of_kong);
    resources += entities.len();
    for kind in entities {
        inventory.recognise(Dialect::Kong.name(), kind);
    }
    let sources = gateway::Sources {
        secrets: &secrets,
        config_maps: &config_maps,
        cluster: &cluster,
        namespaces: &namespaces,
        files,
        holders: &Holders::new(&claims),
        settings,
    };
    // Last: its status tells which addresses others have.
    let lowered = gateway::lower(&gateway, sources, &mut strangers, &mut diagnostics);
    claims.extend(lowered.claims);
    let config = merge::merge(claims, &mut diagnostics);
    diagnostics.extend(strangers.into_diagnostics());
    Lowered { config, diagnostics, statuses: lowered.statuses, resources, inventory }
}

/// Notes the labels of a Namespace; false where the resource is none.
fn labelled(resource: &Resource<'_>, namespaces: &mut HashMap<String, Vec<(String, String)>>) -> bool {
    if (resource.api_version.as_str(), resource.kind.as_str()) != ("v1", "Namespace") {
        return false;
    }
    if let Some(name) = resource.name() {
        namespaces.insert(name, resource.labels());
    }
    true
}

/// A family of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Ambassador,
    Gateway,
    Kong,
    /// A Kubernetes object that says nothing about routes, except perhaps in an annotation.
    Kubernetes,
}

impl Dialect {
    /// What people call it.
    const fn name(self) -> &'static str {
        match self {
            Self::Ambassador => "Ambassador",
            Self::Gateway => "Gateway API",
            Self::Kong => "Kong",
            Self::Kubernetes => "Kubernetes",
        }
    }
}

/// What may be seen of a document that is no resource of anybody's, to be read on behind a number: its first keys, which
/// tell a docker-compose file from values of a chart.
fn looks(value: &Value) -> String {
    const KEYS: usize = 3;
    match value {
        Value::Mapping(body) => {
            let mut keys: Vec<String> = body
                .keys()
                .filter_map(Value::as_str)
                .take(KEYS)
                .map(|key| key.chars().take(40).collect())
                .collect();
            if body.len() > keys.len() {
                keys.push("…".to_owned());
            }
            format!("document with {}", keys.join(", "))
        }
        Value::Sequence(_) => "list".to_owned(),
        _ => "text without any field".to_owned(),
    }
}

fn detect(value: &Value) -> Dialect {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match text("apiVersion") {
        _ if kong::looks_like_one(value) => Dialect::Kong,
        Some(api_version) => group(api_version),
        None => Dialect::Kubernetes,
    }
}

fn group(api_version: &str) -> Dialect {
    match api_version.split_once('/') {
        // The x. group was the developer preview of v3alpha1; ambassador/v1 stood in annotations.
        Some(("getambassador.io" | "x.getambassador.io" | "ambassador", _)) => Dialect::Ambassador,
        Some(("gateway.networking.k8s.io" | "gateway.networking.x-k8s.io" | "gateway.k8s.aws", _)) => {
            Dialect::Gateway
        }
        _ => Dialect::Kubernetes,
    }
}

/// A finding about the settings that choose resources, in the words of the environment.
fn about_setting(name: &str, message: String) -> Diagnostic {
    let file = std::path::Path::new(name).into();
    Diagnostic { discarded: true, ..Place { file, document: 0 }.diagnostic(Severity::Error, message) }
}
