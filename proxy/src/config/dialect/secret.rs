//! Kubernetes Secrets, found by namespace and name and decoded only where somebody refers to them.

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::BASE64;
use serde_yaml::{Mapping, Value};

use super::report::{Place, Report};
use super::resource::Resource;
use crate::config::diagnostic::Diagnostic;
use crate::config::material::{Flaw, MaterialError, Piece};
use crate::config::settings::Ambassador;

/// The types that hold certificates; a Secret without one is Opaque.
const TYPES: [&str; 3] = ["kubernetes.io/tls", "Opaque", ISTIO];
const ISTIO: &str = "istio.io/key-and-cert";
/// What a chain and its key are called.
const TLS_KEYS: [&str; 2] = ["tls.crt", "tls.key"];
const ISTIO_KEYS: [&str; 2] = ["cert-chain.pem", "key.pem"];

/// Every Secret of a configuration. Its content stays out of `Debug` and of every message.
#[derive(Default)]
pub(super) struct Secrets(HashMap<(String, String), Stored>);

struct Stored {
    place: Place,
    body: Mapping,
}

/// One Secret, as its users see it.
pub(super) struct Secret<'a> {
    /// `Secret namespace/name`.
    pub(super) label: Arc<str>,
    body: &'a Mapping,
}

impl Secrets {
    /// Takes a Secret in; one that stands twice counts where it stands last.
    pub(super) fn add(
        &mut self,
        resource: &Resource<'_>,
        settings: &Ambassador,
        found: &mut Vec<Diagnostic>,
    ) {
        let Some(name) = resource.name() else {
            let report = Report::new(resource.place.clone(), "Secret".to_owned(), "Secret");
            report.discard("metadata.name", "is missing; give the Secret a name");
            return found.extend(report.into_diagnostics());
        };
        let namespace = resource.namespace().unwrap_or_else(|| settings.namespace.clone());
        let own_alone = settings.certs_single_namespace.unwrap_or(settings.single_namespace);
        if own_alone && namespace != settings.namespace {
            return;
        }
        let label = format!("Secret {namespace}/{name}");
        let stored = Stored { place: resource.place.clone(), body: resource.body.clone().into_owned() };
        if let Some(before) = self.0.insert((namespace, name), stored) {
            let report = Report::new(before.place, label, "Secret");
            report.replaced_by(&resource.place);
            found.extend(report.into_diagnostics());
        }
    }

    /// The Secret of that name, or why there is none to use; reads on behind nothing.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Result<Secret<'_>, String> {
        let key = (namespace.to_owned(), name.to_owned());
        let Some(stored) = self.0.get(&key) else {
            return Err(format!("there is no Secret {namespace}/{name}{}", self.elsewhere(namespace, name)));
        };
        let secret = Secret { label: format!("Secret {namespace}/{name}").into(), body: &stored.body };
        match secret.kind() {
            kind if TYPES.contains(&kind) => Ok(secret),
            kind => Err(format!(
                "Secret {namespace}/{name} has the type {kind:?}, which holds no certificate; it must be one of {}",
                TYPES.join(", ")
            )),
        }
    }

    fn elsewhere(&self, namespace: &str, name: &str) -> String {
        let mut others: Vec<_> = self
            .0
            .keys()
            .filter(|(other, same)| same == name && other != namespace)
            .map(|key| &key.0)
            .collect();
        others.sort();
        match others.first() {
            Some(other) => format!("; there is one in the namespace {other:?}"),
            None => String::new(),
        }
    }
}

impl Secret<'_> {
    /// A certificate chain and its key, under Kubernetes' names or Istio's.
    pub(super) fn identity(&self) -> Result<(Piece, Piece), MaterialError> {
        let [[chain, key], [other_chain, other_key]] =
            if self.is_istio() { [ISTIO_KEYS, TLS_KEYS] } else { [TLS_KEYS, ISTIO_KEYS] };
        let either = |name, other| self.piece(name).or_else(|| self.piece(other));
        let (chain_piece, key_piece) = (either(chain, other_chain), either(key, other_key));
        let chain_piece = chain_piece.unwrap_or_else(|| Err(self.lacks(chain, Flaw::NoCertificate)))?;
        let key_piece = key_piece.unwrap_or_else(|| Err(self.lacks(key, Flaw::NoKey)))?;
        Ok((chain_piece, key_piece))
    }

    /// Authorities: `ca.crt` first, as cert-manager writes it, then what Ambassador reads.
    pub(super) fn authorities(&self) -> Result<Piece, MaterialError> {
        ["ca.crt", "root-cert.pem", "tls.crt", "user.crt"]
            .iter()
            .find_map(|name| self.piece(name))
            .unwrap_or_else(|| Err(self.lacks("ca.crt", Flaw::NoCertificate)))
    }

    /// The authority that comes with an Istio certificate, unasked.
    pub(super) fn implied_authorities(&self) -> Option<Result<Piece, MaterialError>> {
        if self.is_istio() { self.piece("root-cert.pem") } else { None }
    }

    /// What authorities have revoked.
    pub(super) fn revocation_lists(&self) -> Result<Piece, MaterialError> {
        self.piece("crl.pem").unwrap_or_else(|| Err(self.lacks("crl.pem", Flaw::NoList)))
    }

    fn kind(&self) -> &str {
        self.body.get("type").and_then(Value::as_str).unwrap_or("Opaque")
    }

    fn is_istio(&self) -> bool {
        self.kind() == ISTIO
    }

    /// As Kubernetes would store it: `stringData` overwrites `data`. An empty value is as good as none.
    fn piece(&self, key: &str) -> Option<Result<Piece, MaterialError>> {
        let value = |home: &str| self.body.get(home).and_then(|home| home.get(key)).filter(|v| !v.is_null());
        let name = self.name_of(key);
        let fault = |flaw| MaterialError { name: self.name_of(key), flaw };
        let bytes = match (value("stringData"), value("data")) {
            (Some(Value::String(text)), _) => Ok(text.clone().into_bytes()),
            (None, Some(Value::String(text))) => decode(text).ok_or_else(|| fault(Flaw::Base64)),
            (None, None) => return None,
            _ => Err(fault(Flaw::NotText)),
        };
        match bytes {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => Some(Ok(Piece { name, bytes })),
            Err(error) => Some(Err(error)),
        }
    }

    fn lacks(&self, key: &str, flaw: Flaw) -> MaterialError {
        MaterialError { name: self.name_of(key), flaw }
    }

    fn name_of(&self, key: &str) -> String {
        format!("{key} of {}", self.label)
    }
}

/// Wrapped or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(&packed).ok()
}
