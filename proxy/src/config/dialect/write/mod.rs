//! The model written out again, in a dialect's words.

mod document;
mod material;
mod names;
pub(super) mod service;
mod shown;

use serde_json::Value;

pub(super) use document::object;
pub(super) use material::{certificates, key};
pub(super) use names::{ObjectName, Taken};
pub(super) use shown::shown;

use self::material::Material;
use super::{ambassador, gateway, kong};
use crate::config::model::{Config, Identity, Trust};
use crate::config::settings::Settings;

/// Whose words a configuration is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `TCPMapping` and what goes with it (getambassador.io/v3alpha1).
    Ambassador,
    /// A declarative file of Kong's.
    Kong,
    /// `Gateway`, `TCPRoute`, `TLSRoute` and what they refer to (gateway.networking.k8s.io).
    Gateway,
}

/// A configuration in other words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// YAML documents.
    pub text: String,
    /// What has to be set beside the documents, as `key = value`; their first lines say it too.
    pub settings: Vec<String>,
    /// What the documents do not say, a sentence each that begins with whom it is about.
    pub lost: Vec<String>,
}

/// Writes a configuration that was read under `settings`. Private keys are written only `with_keys`.
#[must_use]
pub fn write(config: &Config, settings: &Settings, to: Language, with_keys: bool) -> Written {
    let mut draft = Draft {
        settings,
        documents: Vec::new(),
        material: Material::new(&settings.ambassador.namespace, with_keys),
        needed: Vec::new(),
        lost: Vec::new(),
    };
    match to {
        Language::Ambassador => ambassador::write(config, &mut draft),
        Language::Kong => kong::write(config, &mut draft),
        Language::Gateway => gateway::write(config, &mut draft),
    }
    draft.end()
}

/// What has been written so far.
pub(super) struct Draft<'a> {
    pub(super) settings: &'a Settings,
    documents: Vec<Value>,
    material: Material,
    needed: Vec<String>,
    lost: Vec<String>,
}

impl Draft<'_> {
    /// Adds a document; what is null in it says nothing and is left out.
    pub(super) fn add(&mut self, document: Value) {
        self.documents.push(document);
    }

    /// Adds a document that may have been added already.
    pub(super) fn add_once(&mut self, document: Value) {
        if !self.documents.contains(&document) {
            self.documents.push(document);
        }
    }

    /// Notes what the dialect has no words for.
    pub(super) fn lose(&mut self, whose: &str, what: impl std::fmt::Display) {
        let sentence = format!("{whose}: {what}");
        // A mapping on several addresses loses the same on each.
        if !self.lost.contains(&sentence) {
            self.lost.push(sentence);
        }
    }

    /// Notes what has to be set beside the documents.
    pub(super) fn set(&mut self, key: &str, value: impl std::fmt::Display) {
        self.needed.push(format!("{key} = {value}"));
    }

    /// Whether private keys are written.
    pub(super) fn has_keys(&self) -> bool {
        self.material.with_keys
    }

    /// The Secret that holds a certificate and its key.
    pub(super) fn secret(&mut self, identity: &Identity) -> ObjectName {
        self.material.identity(identity, &mut self.lost)
    }

    /// The Secrets that hold authorities, and what they have revoked.
    pub(super) fn authorities(&mut self, trust: &Trust) -> (ObjectName, Option<ObjectName>) {
        self.material.trust(trust)
    }

    /// The ConfigMap of a namespace that holds authorities.
    pub(super) fn config_map(&mut self, trust: &Trust, namespace: Option<&str>) -> ObjectName {
        self.material.config_map(trust, namespace)
    }

    fn end(self) -> Written {
        let mut text: String = self.needed.iter().map(|setting| format!("# {setting}\n")).collect();
        for document in self.documents.iter().chain(&self.material.into_documents()) {
            text += "---\n";
            text += &document::text(document);
        }
        Written { text, settings: self.needed, lost: self.lost }
    }
}
