//! From documents to the model: which dialect a document is written in, and a folder per dialect.

mod ambassador;
mod cluster;
mod fields;
mod kong;
mod log_to;
mod merge;
mod names;
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

use serde_yaml::Value;

use super::diagnostic::{Diagnostic, Severity};
use super::material::Files;
use super::model::Config;
use super::settings::Settings;

pub(super) use report::Place;
pub use selector::{LabelSelector, SelectorError};
pub(super) use words::nearest;
pub use write::{Language, Written, write};
pub(super) use yaml::{Document, parse};

use cluster::Cluster;
use secret::Secrets;
use strangers::{Stranger, Strangers};

/// What a set of documents means.
pub(super) struct Lowered {
    pub(super) config: Config,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Resources seen, served or not.
    pub(super) resources: usize,
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
    let mut strangers = Strangers::default();
    let (mut ambassador, mut kong, mut resources) = (Vec::new(), Vec::new(), 0);
    for document in documents {
        if let Dialect::Kong = detect(&document.value) {
            kong.push(document);
            continue;
        }
        for resource in resource::expand(document, &settings.ambassador.namespace, &mut diagnostics) {
            resources += 1;
            let is_known = cluster.add(&resource, &settings.ambassador);
            let described = format!("kind {} ({})", resource.kind, resource.api_version);
            match group(&resource.api_version) {
                Dialect::Ambassador => ambassador.push(resource),
                Dialect::Gateway => strangers.meet(Stranger::Later, &described, &resource.place),
                // What it carries comes by itself.
                _ if resource.carried().is_some() || is_known => {}
                _ if resource.kind == "Secret" => {
                    secrets.add(&resource, &settings.ambassador, &mut diagnostics)
                }
                _ => strangers.meet(Stranger::Unknown, &described, &resource.place),
            }
        }
    }
    let sources = ambassador::Sources { secrets: &secrets, cluster: &cluster, files, settings };
    let mut claims = ambassador::lower(&ambassador, sources, &mut strangers, &mut diagnostics);
    let environment = |name: &str| std::env::var(name).ok();
    let sources = kong::Sources { files, settings, environment: &environment };
    let (of_kong, entities) = kong::lower(&kong, sources, &mut diagnostics);
    claims.extend(of_kong);
    resources += entities;
    let config = merge::merge(claims, &mut diagnostics);
    diagnostics.extend(strangers.into_diagnostics());
    Lowered { config, diagnostics, resources }
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

fn detect(value: &Value) -> Dialect {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match (value.get("_format_version"), text("apiVersion")) {
        (Some(_), _) => Dialect::Kong,
        (None, Some(api_version)) => group(api_version),
        (None, None) => Dialect::Kubernetes,
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
