//! The resources of a document: itself, a list's items, and documents inside annotations.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use serde_yaml::{Mapping, Value};

use super::fields::{Fields, scalar, show};
use super::report::{Place, Report};
use super::yaml::{self, Document};
use crate::config::diagnostic::{Diagnostic, Severity};

/// Where Ambassador kept its resources before it had types of its own in Kubernetes.
const CONFIG_ANNOTATION: &str = "getambassador.io/config";

/// One object with `apiVersion` and `kind`. No `Debug`: it may be a Secret.
pub(super) struct Resource<'a> {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) body: Cow<'a, Mapping>,
    pub(super) place: Place,
    /// Of the object whose annotation this stood in.
    pub(super) carrier: Option<Carrier>,
}

/// What a document in an annotation takes over from the object that carries it.
#[derive(Debug, Clone)]
pub(super) struct Carrier {
    pub(super) namespace: Option<String>,
    pub(super) labels: Vec<(String, String)>,
}

impl Resource<'_> {
    /// `metadata.name`, or `name` in a document of the annotation era.
    pub(super) fn name(&self) -> Option<String> {
        self.meta("name")
    }

    /// The namespace it states, or that of the object that carries it.
    pub(super) fn namespace(&self) -> Option<String> {
        let carried = || self.carrier.as_ref().and_then(|carrier| carrier.namespace.clone());
        self.meta("namespace").or_else(carried)
    }

    /// `kind namespace/name` as far as known.
    pub(super) fn label(&self, default_namespace: &str) -> String {
        let namespace = self.namespace();
        let namespace = namespace.as_deref().unwrap_or(default_namespace);
        match self.name() {
            Some(name) => format!("{} {namespace}/{name}", self.kind),
            None => self.kind.clone(),
        }
    }

    /// Whether fields stand at the top level, as they did inside annotations.
    pub(super) fn is_flat(&self) -> bool {
        !self.body.contains_key("spec") && !self.body.contains_key("metadata")
    }

    /// The mapping that holds what the resource asks for.
    pub(super) fn spec<'a>(&'a self, report: &'a Report) -> Option<Fields<'a>> {
        let top = Fields::new(&self.body, "", report);
        if self.is_flat() {
            top.ignore(&["apiVersion", "kind", "name", "namespace", "generation", "metadata_labels"]);
            return Some(top);
        }
        top.ignore(&["apiVersion", "kind", "metadata", "status"]);
        let present = top.raw("spec").is_some();
        let spec = top.child("spec");
        top.warn_unknown(&[]);
        if !present {
            top.missing("spec", "give it the resource's fields");
        }
        spec
    }

    /// The fields of `metadata`, where there is one.
    pub(super) fn metadata<'a>(&'a self, report: &'a Report) -> Option<Fields<'a>> {
        Fields::new(&self.body, "", report).child("metadata")
    }

    /// Labels of the resource, or of the object that carries it.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        if let Some(carrier) = &self.carrier {
            return carrier.labels.clone();
        }
        let report = Report::new(self.place.clone(), String::new(), "resource");
        match self.metadata(&report) {
            Some(metadata) => metadata.pairs("labels"),
            None => Fields::new(&self.body, "", &report).pairs("metadata_labels"),
        }
    }

    /// The documents that stand in its annotation, if it carries some.
    pub(super) fn carried(&self) -> Option<&str> {
        let annotations =
            mapping(&self.body, "metadata").and_then(|metadata| mapping(metadata, "annotations"));
        annotations?.get(CONFIG_ANNOTATION)?.as_str()
    }

    fn meta(&self, field: &str) -> Option<String> {
        let home = if self.is_flat() { Some(&*self.body) } else { mapping(&self.body, "metadata") };
        let text = home?.get(field).and_then(scalar)?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

/// All resources of a document; what is none is found fault with.
pub(super) fn expand<'a>(
    document: &'a Document,
    default_namespace: &str,
    found: &mut Vec<Diagnostic>,
) -> Vec<Resource<'a>> {
    let mut resources = Vec::new();
    object(&document.value, None, &document.place, &mut resources, found);
    let mut carried = Vec::new();
    for resource in &resources {
        annotated(resource, default_namespace, &mut carried, found);
    }
    resources.append(&mut carried);
    resources
}

/// `outer` is the apiVersion and kind of the items of a typed list, which may leave them out.
fn object<'a>(
    value: &'a Value,
    outer: Option<(&str, &str)>,
    place: &Place,
    resources: &mut Vec<Resource<'a>>,
    found: &mut Vec<Diagnostic>,
) {
    let mut reject = |message: String| {
        found.push(Diagnostic { discarded: true, ..place.diagnostic(Severity::Error, message) });
    };
    let Value::Mapping(body) = value else {
        return reject(format!("{} is no resource; write a mapping with apiVersion and kind", show(value)));
    };
    let text = |name: &str| body.get(name).and_then(scalar);
    let api_version = text("apiVersion").or_else(|| outer.map(|outer| outer.0.to_owned()));
    let kind = text("kind").or_else(|| outer.map(|outer| outer.1.to_owned()));
    let (Some(api_version), Some(kind)) = (api_version, kind) else {
        return reject(
            "no dialect has such a document: it has no apiVersion and kind; it is discarded".into(),
        );
    };
    match (kind.strip_suffix("List"), body.get("items")) {
        (Some(of), Some(Value::Sequence(items))) => {
            let outer = (!of.is_empty()).then_some((api_version.as_str(), of));
            for item in items {
                object(item, outer, place, resources, found);
            }
        }
        _ => {
            let (body, place) = (Cow::Borrowed(body), place.clone());
            resources.push(Resource { api_version, kind, body, place, carrier: None });
        }
    }
}

fn annotated(
    resource: &Resource<'_>,
    default_namespace: &str,
    carried: &mut Vec<Resource<'_>>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(text) = resource.carried() else {
        return;
    };
    let carrier = Carrier { namespace: resource.namespace(), labels: resource.labels() };
    let owner = resource.label(default_namespace);
    let field = format!("metadata.annotations[{CONFIG_ANNOTATION}]");
    let file: Arc<Path> = Arc::clone(&resource.place.file);
    let (documents, errors) = yaml::parse(&file, text);
    for error in errors {
        let message = format!("document {}: {}; it is discarded", error.place.document, error.message);
        let finding = resource.place.diagnostic(Severity::Error, message);
        let (resource, field) = (owner.clone(), field.clone());
        found.push(Diagnostic { resource, field, discarded: true, ..finding });
    }
    for document in documents {
        let mut inner = Vec::new();
        let before = found.len();
        object(&document.value, None, &resource.place, &mut inner, found);
        for finding in &mut found[before..] {
            (finding.resource, finding.field) = (owner.clone(), field.clone());
        }
        carried.extend(inner.into_iter().map(|inner| Resource {
            body: Cow::Owned(inner.body.into_owned()),
            carrier: Some(carrier.clone()),
            api_version: inner.api_version,
            kind: inner.kind,
            place: inner.place,
        }));
    }
}

fn mapping<'a>(map: &'a Mapping, name: &str) -> Option<&'a Mapping> {
    map.get(name).and_then(Value::as_mapping)
}
