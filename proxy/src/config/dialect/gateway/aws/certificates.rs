//! Certificates that AWS keeps, which are looked for here (`certificate-map`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureAlgorithm;

use crate::config::CertificatePlace;
use crate::config::dialect::gateway::hostname::Hostname;
use crate::config::dialect::report::Report;
use crate::config::dialect::secret::Secrets;
use crate::config::material::{self, Files, Taken};
use crate::config::model::Identity;
use crate::config::settings::Settings;

/// The map and what its places hold.
pub(super) struct Certificates<'a> {
    settings: &'a Settings,
    secrets: &'a Secrets,
    files: &'a RefCell<Files>,
    /// What came of each place, by the namespace that it was asked from.
    known: RefCell<HashMap<(String, String), Result<Loaded, String>>>,
}

/// A certificate; and what is wrong with its files, where what was last good in them had to do.
#[derive(Clone)]
struct Loaded {
    identity: Identity,
    stale: Option<String>,
}

impl<'a> Certificates<'a> {
    pub(super) fn new(settings: &'a Settings, secrets: &'a Secrets, files: &'a RefCell<Files>) -> Self {
        Self { settings, secrets, files, known: RefCell::default() }
    }

    /// The certificate of an ARN, which `report` names in `field`; `namespace` is where Secrets are looked for.
    ///
    /// # Errors
    /// Why there is none, in a sentence that ends with the way out.
    pub(super) fn get(
        &self,
        arn: &str,
        namespace: &str,
        field: &str,
        report: &Report,
    ) -> Result<Identity, String> {
        let Some(place) = self.settings.certificate_map.get(arn) else {
            return Err(format!(
                "{arn} is a certificate that AWS keeps; say where it is here, in the setting certificate-map, with \
                 the line {arn}=SECRET, or {arn}=CHAIN.pem,KEY.pem"
            ));
        };
        let loaded = self.load(arn, place, namespace);
        let Loaded { identity, stale } =
            loaded.map_err(|why| format!("certificate-map, {arn}={place}: {why}"))?;
        if let Some(error) = stale {
            report.error(field, format!("{error}; what was last good in it stays"));
        }
        match material::out_of_date(&identity) {
            Some(fault) if self.settings.ambassador.force_secret_validation => {
                Err(format!("{}: {fault} (force-secret-validation); renew it", identity.source))
            }
            Some(fault) => {
                report
                    .warn(field, format!("{}: {fault}; it is used all the same: renew it", identity.source));
                Ok(identity)
            }
            None => Ok(identity),
        }
    }

    /// Those of the map that are for a hostname, as AWS finds them where none is named: exact names come first.
    pub(super) fn discover(&self, hostname: &Hostname, namespace: &str) -> Vec<Identity> {
        let wanted = hostname.to_string();
        let suffix = wanted.find('.').map(|dot| format!("*{}", &wanted[dot..]));
        let (mut exact, mut wide) = (Vec::new(), Vec::new());
        for (arn, place) in self.settings.certificate_map.iter() {
            let Ok(Loaded { identity, .. }) = self.load(arn, place, namespace) else {
                continue;
            };
            let names = material::names(&identity);
            if names.contains(&wanted) {
                exact.push(identity);
            } else if suffix.as_ref().is_some_and(|suffix| names.contains(suffix)) {
                wide.push(identity);
            }
        }
        exact.append(&mut wide);
        exact
    }

    fn load(&self, arn: &str, place: &CertificatePlace, namespace: &str) -> Result<Loaded, String> {
        let key = (arn.to_owned(), namespace.to_owned());
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let loaded = match place {
            CertificatePlace::Secret { namespace: own, name } => {
                self.secrets.get(own.as_deref().unwrap_or(namespace), name).and_then(|secret| {
                    let pair = secret.identity();
                    let proven = pair
                        .and_then(|(chain, key)| material::identity(Arc::clone(&secret.label), &chain, &key));
                    let loaded = proven.map(|identity| Loaded { identity, stale: None });
                    loaded.map_err(|error| error.to_string())
                })
            }
            CertificatePlace::Files { chain, key } => {
                let read = self.files.borrow_mut().identity(chain, key);
                let loaded = read.map(|Taken { value, stale }| {
                    let stale = stale.map(|error| error.to_string());
                    Loaded { identity: value, stale }
                });
                loaded.map_err(|error| error.to_string())
            }
        };
        self.known.borrow_mut().insert(key, loaded.clone());
        loaded
    }
}

/// Sorts those that AWS prefers first, where several have a name: ECDSA, then what is good for longest.
pub(super) fn prefer(certificates: &mut [Identity]) {
    let is_ecdsa = |identity: &Identity| identity.key.key.algorithm() == SignatureAlgorithm::ECDSA;
    certificates.sort_by_key(|identity| (!is_ecdsa(identity), std::cmp::Reverse(identity.expires)));
}
