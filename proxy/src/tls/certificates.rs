//! Which certificate a client is shown: by the name that it asks for, then by what it can verify.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::model::{CertificateName, Certificates, Termination};

/// A [`Termination`]'s certificates, each name found in one look however many there are.
#[derive(Debug)]
pub(super) struct ByName {
    /// For every other name, for none, and for what is no name.
    rest: Keys,
    exact: HashMap<Arc<str>, Keys>,
    /// By what follows the first label.
    before: HashMap<Arc<str>, Keys>,
    /// By what the last label follows.
    behind: HashMap<Arc<str>, Keys>,
}

/// Certificates of different key types, of which the first is shown that the client can verify.
#[derive(Debug)]
struct Keys(Vec<Arc<CertifiedKey>>);

impl ByName {
    pub(super) fn new(termination: &Termination) -> Self {
        let rest = Keys::of(&termination.certificates);
        let (exact, before, behind) = Default::default();
        let mut made = Self { rest, exact, before, behind };
        for (name, certificates) in &termination.named {
            let (place, name) = match name {
                CertificateName::Exact(name) => (&mut made.exact, name),
                CertificateName::Before(suffix) => (&mut made.before, suffix),
                CertificateName::Behind(prefix) => (&mut made.behind, prefix),
            };
            place.entry(Arc::clone(name)).or_insert_with(|| Keys::of(certificates));
        }
        made
    }

    fn named(&self, name: &str) -> Option<&Keys> {
        let before = || self.before.get(&name[name.find('.')?..]);
        let behind = || self.behind.get(&name[..=name.rfind('.')?]);
        self.exact.get(name).or_else(before).or_else(behind)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // In lower case, and none where the client sent an address (rustls, hs.rs); a final dot is the root's.
        let name = client.server_name().map(|name| name.strip_suffix('.').unwrap_or(name));
        name.and_then(|name| self.named(name)).unwrap_or(&self.rest).fitting(&client)
    }
}

impl Keys {
    fn of(certificates: &Certificates) -> Self {
        Self(certificates.iter().map(|identity| Arc::clone(&identity.key)).collect())
    }

    fn fitting(&self, client: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(client.signature_schemes()).is_some();
        // With none that fits, the first has rustls say what is missing.
        self.0.iter().find(fits).or(self.0.first()).map(Arc::clone)
    }
}
