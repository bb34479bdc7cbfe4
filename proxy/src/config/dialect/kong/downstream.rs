//! How the TLS of clients is ended: one way for all routes, with a certificate for each name.

use std::cell::{OnceCell, RefCell};
use std::sync::{Arc, LazyLock};

use super::certificate::Store;
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::about_setting;
use crate::config::material::{self, Files, Given, MaterialError, Piece, Taken, given};
use crate::config::model::{Certificates, ClientCertificates, Identity, Parameters, Termination};
use crate::config::settings::Kong;

/// For names without a certificate where nobody gives one, as Kong makes it; the same for the life of the process,
/// so that a reload changes nothing.
static OF_LOCALHOST: LazyLock<Option<Identity>> = LazyLock::new(of_localhost);

/// Ends clients' TLS; put together when the first route wants it.
pub(super) struct Terminations<'a> {
    pub(super) store: &'a Store,
    pub(super) files: &'a RefCell<Files>,
    pub(super) settings: &'a Kong,
    made: OnceCell<Option<Arc<Termination>>>,
    found: RefCell<Vec<Diagnostic>>,
}

impl<'a> Terminations<'a> {
    pub(super) fn new(store: &'a Store, files: &'a RefCell<Files>, settings: &'a Kong) -> Self {
        Self { store, files, settings, made: OnceCell::new(), found: RefCell::default() }
    }

    /// `None` where there is no default certificate, which the settings are blamed for.
    pub(super) fn get(&self) -> Option<Arc<Termination>> {
        self.made.get_or_init(|| self.make().map(Arc::new)).clone()
    }

    pub(super) fn finish(self, found: &mut Vec<Diagnostic>) {
        found.extend(self.found.into_inner());
    }

    fn make(&self) -> Option<Termination> {
        let default = match &self.store.for_all {
            Some(certificates) => certificates.clone(),
            None => self.of_settings()?,
        };
        Some(Termination {
            name: "certificates of Kong".into(),
            certificates: default,
            named: self.store.named.clone(),
            clients: ClientCertificates::Ignored,
            parameters: Parameters::default(),
        })
    }

    fn of_settings(&self) -> Option<Certificates> {
        let files = |text: &'a str| {
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect::<Vec<_>>()
        };
        let (chains, keys) = (files(&self.settings.ssl_cert), files(&self.settings.ssl_cert_key));
        if chains.len() != keys.len() {
            let message =
                format!("{} certificates and {} keys; name a key for each", chains.len(), keys.len());
            self.found.borrow_mut().push(about_setting("ssl_cert_key", message));
            return None;
        }
        if chains.is_empty() {
            if OF_LOCALHOST.is_none() {
                let message =
                    "is not set, and no certificate could be made; set it, and ssl_cert_key".to_owned();
                self.found.borrow_mut().push(about_setting("ssl_cert", message));
            }
            return OF_LOCALHOST.clone().map(|identity| vec![identity]);
        }
        let mut identities = Vec::with_capacity(chains.len());
        for (chain, key) in chains.into_iter().zip(keys) {
            let read = given("ssl_cert", chain).and_then(|chain| Ok((chain, given("ssl_cert_key", key)?)));
            match read.map_err(Some).and_then(|pair| self.identity(pair)) {
                Ok(Taken { value, stale }) => {
                    if let Some(error) = stale {
                        let message = format!("{error}; what was last good in it stays");
                        self.found.borrow_mut().push(about_setting("ssl_cert", message));
                    }
                    identities.push(value);
                }
                Err(error) => {
                    let why = error.map_or_else(
                        || "one of ssl_cert and ssl_cert_key is a file and the other a PEM text; give both in one way".into(),
                        |error| error.to_string(),
                    );
                    let message = format!("{why}; TLS is not ended with another certificate in its stead");
                    self.found.borrow_mut().push(about_setting("ssl_cert", message));
                    return None;
                }
            }
        }
        Some(identities)
    }

    /// `None` for an error is a pair of which one is a file and the other is not.
    fn identity(&self, pair: (Given<'_>, Given<'_>)) -> Result<Taken<Identity>, Option<MaterialError>> {
        match pair {
            (Given::File(chain), Given::File(key)) => {
                self.files.borrow_mut().identity(chain, key).map_err(Some)
            }
            (Given::Text(chain), Given::Text(key)) => {
                let value = material::identity("ssl_cert".into(), &chain, &key).map_err(Some)?;
                Ok(Taken { value, stale: None })
            }
            _ => Err(None),
        }
    }
}

fn of_localhost() -> Option<Identity> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).ok()?;
    let piece = |name: &str, text: String| Piece { name: name.to_owned(), bytes: text.into_bytes() };
    let chain = piece("certificate of localhost", made.cert.pem());
    let key = piece("key of localhost", made.signing_key.serialize_pem());
    material::identity("made for localhost".into(), &chain, &key).ok()
}
