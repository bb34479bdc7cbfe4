//! The model written out again, in a dialect's words.

mod document;
mod material;
mod names;

use serde_json::Value;

pub(super) use document::object;
pub(super) use names::{ObjectName, Taken};

use self::material::Material;
use super::ambassador;
use crate::config::model::{Config, Identity, Trust};
use crate::config::settings::Settings;

/// Whose words a configuration is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `TCPMapping` and what goes with it (getambassador.io/v3alpha1).
    Ambassador,
}

/// A configuration in other words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// YAML documents.
    pub text: String,
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
        lost: Vec::new(),
    };
    match to {
        Language::Ambassador => ambassador::write(config, &mut draft),
    }
    draft.end()
}

/// What has been written so far.
pub(super) struct Draft<'a> {
    pub(super) settings: &'a Settings,
    documents: Vec<Value>,
    material: Material,
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

    /// The Secret that holds a certificate and its key.
    pub(super) fn secret(&mut self, identity: &Identity) -> ObjectName {
        self.material.identity(identity, &mut self.lost)
    }

    /// The Secrets that hold authorities, and what they have revoked.
    pub(super) fn authorities(&mut self, trust: &Trust) -> (ObjectName, Option<ObjectName>) {
        self.material.trust(trust)
    }

    fn end(self) -> Written {
        let mut text = String::new();
        for document in self.documents.iter().chain(&self.material.into_documents()) {
            text += "---\n";
            text += &document::text(document);
        }
        Written { text, lost: self.lost }
    }
}
