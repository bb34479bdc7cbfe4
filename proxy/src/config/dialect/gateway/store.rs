//! Certificates and authorities that Gateways and policies refer to, proven.

use std::sync::Arc;

use super::grant::Grants;
use super::reference::ObjectRef;
use super::status::Fault;
use crate::config::dialect::config_map::ConfigMaps;
use crate::config::dialect::report::Report;
use crate::config::dialect::secret::Secrets;
use crate::config::material;
use crate::config::model::{Identity, Trust};

/// Where certificates come from, and who may have them.
#[derive(Clone, Copy)]
pub(super) struct Store<'a> {
    pub(super) secrets: &'a Secrets,
    pub(super) config_maps: &'a ConfigMaps,
    pub(super) grants: &'a Grants,
    /// Certificates out of date are not used.
    pub(super) force: bool,
}

/// The API's words for what may be wrong with a reference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// There is no such object, or nothing good in it.
    pub(super) broken: &'static str,
    /// It is of a kind that cannot be used.
    pub(super) kind: &'static str,
}

/// No grant lets one namespace refer to another.
pub(super) const NOT_PERMITTED: &str = "RefNotPermitted";

/// Whoever refers to something: its kind, namespace and report.
#[derive(Clone, Copy)]
pub(super) struct Referrer<'a> {
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
    pub(super) report: &'a Report,
}

impl Store<'_> {
    /// A certificate and its key, from a Secret.
    ///
    /// # Errors
    /// Why there is none to use.
    pub(super) fn identity(
        &self,
        object: &ObjectRef,
        by: Referrer<'_>,
        words: Words,
    ) -> Result<Identity, Fault> {
        if !object.is("", "Secret") {
            let message = format!("{} is no Secret of Kubernetes", object.shown(by.namespace));
            return Err(Fault::new(words.kind, message));
        }
        self.permitted(object, by)?;
        let id = object.id(by.namespace);
        let broken = |message: String| Fault::new(words.broken, message);
        let secret = self.secrets.get(&id.namespace, &id.name).map_err(broken)?;
        let pair = secret.identity();
        let proven =
            pair.and_then(|(chain, key)| material::identity(Arc::clone(&secret.label), &chain, &key));
        let identity = proven.map_err(|error| broken(error.to_string()))?;
        match material::out_of_date(&identity) {
            Some(fault) if self.force => {
                Err(broken(format!("{}: {fault} (force-secret-validation); renew it", identity.source)))
            }
            Some(fault) => {
                let message = format!("{}: {fault}; it is used all the same: renew it", identity.source);
                by.report.warn(&object.field, message);
                Ok(identity)
            }
            None => Ok(identity),
        }
    }

    /// The authorities of those objects that are good, and what is wrong with the first of the others.
    pub(super) fn trust(
        &self,
        objects: &[ObjectRef],
        by: Referrer<'_>,
        words: Words,
    ) -> (Option<Trust>, Option<Fault>) {
        let (mut roots, mut sources, mut fault) = (Vec::new(), Vec::new(), None);
        for object in objects {
            match self.authorities(object, by, words) {
                Ok(found) => {
                    roots.extend(found);
                    sources.push(object.shown(by.namespace));
                }
                Err(wrong) => {
                    by.report.error(&object.field, &wrong.message);
                    fault = fault.or(Some(wrong));
                }
            }
        }
        let trust = Trust { source: sources.join(", ").into(), roots, revoked: Vec::new() };
        ((!trust.roots.is_empty()).then_some(trust), fault)
    }

    fn authorities(
        &self,
        object: &ObjectRef,
        by: Referrer<'_>,
        words: Words,
    ) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, Fault> {
        let id = object.id(by.namespace);
        let broken = |message: String| Fault::new(words.broken, message);
        let piece = if object.is("", "ConfigMap") {
            self.permitted(object, by)?;
            let found = self.config_maps.authorities(&id.namespace, &id.name);
            found.ok_or_else(|| broken(format!("there is no ConfigMap {id}")))?
        } else if object.is("", "Secret") {
            self.permitted(object, by)?;
            self.secrets.get(&id.namespace, &id.name).map_err(broken)?.authorities()
        } else {
            let message = format!("{} is neither a ConfigMap nor a Secret", object.shown(by.namespace));
            return Err(Fault::new(words.kind, message));
        };
        piece.and_then(|piece| material::roots(&piece)).map_err(|error| broken(error.to_string()))
    }

    fn permitted(&self, object: &ObjectRef, by: Referrer<'_>) -> Result<(), Fault> {
        permitted(self.grants, object, by.kind, by.namespace)
    }
}

/// Whether a kind of the Gateway API in a namespace may refer to an object.
///
/// # Errors
/// No grant says so.
pub(super) fn permitted(grants: &Grants, object: &ObjectRef, kind: &str, own: &str) -> Result<(), Fault> {
    if grants.allow(kind, own, object) {
        return Ok(());
    }
    let message = format!(
        "{} is in another namespace, where no ReferenceGrant lets {kind}s of {own:?} refer to it",
        object.shown(own)
    );
    Err(Fault::new(NOT_PERMITTED, message))
}
