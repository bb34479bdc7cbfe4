//! Everything that rustls needs for a configuration, built once, and kept over reloads while what was declared
//! stays the same: tickets and sessions outlive them.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::pki_types::TrustAnchor;

use super::originator::Originator;
use super::terminator::Terminator;
use crate::config::model::{Config, Downstream, Origination, Termination};

/// Every way of ending and beginning TLS in a configuration.
#[derive(Default)]
pub struct Contexts {
    // By name: few declarations share one, and comparing certificates of all would take its time.
    terminators: HashMap<Arc<str>, Vec<Arc<Terminator>>>,
    originators: HashMap<Arc<str>, Vec<Arc<Originator>>>,
}

/// A declaration that was proven, and still cannot be served. Whatever needs it is not.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {why}; what needs it is not served")]
pub struct Unbuildable {
    /// Who declared it.
    pub name: Arc<str>,
    /// What stands against it.
    #[source]
    pub why: Why,
}

/// What stands against a declaration.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// rustls refuses it.
    #[error(transparent)]
    Refused(#[from] rustls::Error),
    /// An authority, or a list of what it revoked, that webpki cannot use.
    #[error("an authority cannot be used: {0}")]
    Trust(webpki::Error),
    /// Nobody is trusted here.
    #[error("the system has no certificate authorities: {0}")]
    NoSystemRoots(String),
}

impl Contexts {
    /// Builds what `config` declares, or takes it from `previous` where it is the same.
    #[must_use]
    pub fn prepare(config: &Config, previous: Option<&Self>) -> (Self, Vec<Unbuildable>) {
        let (mut contexts, mut errors) = (Self::default(), Vec::new());
        let system = SystemRoots::default();
        for route in config.listeners.iter().flat_map(|listener| &listener.routes) {
            if let Downstream::Terminate(wanted) = &route.downstream
                && contexts.terminator(wanted).is_none()
            {
                let kept = previous.and_then(|p| p.terminator(wanted)).map(Ok);
                match kept.unwrap_or_else(|| Terminator::new(wanted).map(Arc::new)) {
                    Ok(made) => contexts.terminators.entry(Arc::clone(&wanted.name)).or_default().push(made),
                    Err(error) => {
                        errors.push(Unbuildable { name: Arc::clone(&wanted.name), why: error.into() })
                    }
                }
            }
            let upstreams = route.mappings.iter().filter_map(|mapping| mapping.originate.as_ref());
            let sinks = route.logs.sinks.iter().filter_map(|sink| sink.originate());
            for wanted in upstreams.chain(sinks) {
                if contexts.originator(wanted).is_some() {
                    continue;
                }
                let kept = previous.and_then(|p| p.originator(wanted)).map(Ok);
                match kept.unwrap_or_else(|| Originator::new(wanted, &system).map(Arc::new)) {
                    Ok(made) => contexts.originators.entry(Arc::clone(&wanted.name)).or_default().push(made),
                    Err(why) => errors.push(Unbuildable { name: Arc::clone(&wanted.name), why }),
                }
            }
        }
        errors.sort_by(|a, b| a.name.cmp(&b.name));
        errors.dedup_by(|a, b| a.name == b.name);
        (contexts, errors)
    }

    /// What ends TLS as declared; `None` for what could not be built.
    #[must_use]
    pub fn terminator(&self, wanted: &Arc<Termination>) -> Option<Arc<Terminator>> {
        // The same allocation is equal without a look at the certificates: Arc compares pointers first.
        let is = |made: &&Arc<Terminator>| made.termination() == wanted;
        self.terminators.get(&wanted.name)?.iter().find(is).map(Arc::clone)
    }

    /// What begins TLS as declared; `None` for what could not be built.
    #[must_use]
    pub fn originator(&self, wanted: &Arc<Origination>) -> Option<Arc<Originator>> {
        let is = |made: &&Arc<Originator>| made.origination() == wanted;
        self.originators.get(&wanted.name)?.iter().find(is).map(Arc::clone)
    }
}

impl fmt::Debug for Contexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = (self.terminators.keys(), self.originators.keys());
        f.debug_tuple("Contexts").field(&names).finish()
    }
}

/// The system's certificate authorities, read when the first asks for them.
#[derive(Default)]
pub(super) struct SystemRoots(OnceCell<Arc<[TrustAnchor<'static>]>>);

impl SystemRoots {
    pub(super) fn get(&self) -> Result<Arc<[TrustAnchor<'static>]>, Why> {
        if let Some(roots) = self.0.get() {
            return Ok(Arc::clone(roots));
        }
        let found = rustls_native_certs::load_native_certs();
        // What webpki cannot use is no authority for rustls either, here as in its own RootCertStore.
        let anchors = found.certs.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok());
        let roots: Arc<[_]> = anchors.map(|anchor| anchor.to_owned()).collect();
        if roots.is_empty() {
            let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
            return Err(Why::NoSystemRoots(errors.join("; ")));
        }
        Ok(Arc::clone(self.0.get_or_init(|| roots)))
    }
}
