//! Kubernetes ConfigMaps, found by namespace and name and read only where somebody refers to them.

use std::collections::HashMap;

use serde_yaml::{Mapping, Value};

use super::resource::Resource;
use crate::config::material::{Flaw, MaterialError, Piece};
use crate::config::settings::Ambassador;

/// Every ConfigMap of a configuration; of the same name the last counts.
#[derive(Default)]
pub(super) struct ConfigMaps(HashMap<(String, String), Mapping>);

impl ConfigMaps {
    /// Takes a resource in if it is one.
    pub(super) fn add(&mut self, resource: &Resource<'_>, settings: &Ambassador) -> bool {
        if (resource.api_version.as_str(), resource.kind.as_str()) != ("v1", "ConfigMap") {
            return false;
        }
        // Without a name nobody can refer to it.
        if let Some(name) = resource.name() {
            let namespace = resource.namespace().unwrap_or_else(|| settings.namespace.clone());
            self.0.insert((namespace, name), resource.body.clone().into_owned());
        }
        true
    }

    /// Authorities: its `ca.crt`; `None` where there is no such ConfigMap.
    pub(super) fn authorities(&self, namespace: &str, name: &str) -> Option<Result<Piece, MaterialError>> {
        let body = self.0.get(&(namespace.to_owned(), name.to_owned()))?;
        let text = body.get("data").and_then(|data| data.get("ca.crt")).and_then(Value::as_str);
        let name = format!("ca.crt of ConfigMap {namespace}/{name}");
        Some(match text.filter(|text| !text.is_empty()) {
            Some(text) => Ok(Piece { name, bytes: text.as_bytes().to_vec() }),
            None => Err(MaterialError { name, flaw: Flaw::NoCertificate }),
        })
    }
}
