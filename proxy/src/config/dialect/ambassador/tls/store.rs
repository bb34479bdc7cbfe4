//! Fetches what an [`Origin`] names, proves it, and says on the resource's report what is wrong.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::block::{At, KeyPair, Origin, SecretName};
use crate::config::dialect::report::Report;
use crate::config::dialect::secret::{Secret, Secrets};
use crate::config::material::{self, Files, MaterialError, Taken};
use crate::config::model::Identity;

/// Where certificates come from.
pub(super) struct Store<'a> {
    secrets: &'a Secrets,
    files: &'a RefCell<Files>,
    /// `AMBASSADOR_FORCE_SECRET_VALIDATION`: what is out of date is not used.
    force: bool,
}

/// Something is wrong, and a report knows what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Authorities and where they came from.
pub(super) struct Authorities {
    pub(super) source: Arc<str>,
    pub(super) roots: Vec<CertificateDer<'static>>,
}

impl<'a> Store<'a> {
    pub(super) fn new(secrets: &'a Secrets, files: &'a RefCell<Files>, force: bool) -> Self {
        Self { secrets, files, force }
    }

    pub(super) fn identity(&self, origin: &Origin<KeyPair>, report: &Report) -> Result<Identity, Broken> {
        let Origin { field, at } = origin;
        let identity = match at {
            At::Secret(name) => {
                let secret = self.secret(name, field, report)?;
                let pair = secret.identity();
                let proven =
                    pair.and_then(|(chain, key)| material::identity(Arc::clone(&secret.label), &chain, &key));
                good(proven, field, report)?
            }
            At::File(KeyPair { chain, key }) => {
                let read = self.files.borrow_mut().identity(chain, key);
                taken(read, field, report)?
            }
        };
        match material::out_of_date(&identity) {
            Some(fault) if self.force => {
                let message =
                    format!("{}: {fault} (AMBASSADOR_FORCE_SECRET_VALIDATION); renew it", identity.source);
                report.discard(field, message);
                Err(Broken)
            }
            Some(fault) => {
                report
                    .warn(field, format!("{}: {fault}; it is used all the same: renew it", identity.source));
                Ok(identity)
            }
            None => Ok(identity),
        }
    }

    pub(super) fn authorities(
        &self,
        origin: &Origin<PathBuf>,
        report: &Report,
    ) -> Result<Authorities, Broken> {
        let Origin { field, at } = origin;
        match at {
            At::Secret(name) => {
                let secret = self.secret(name, field, report)?;
                let roots = secret.authorities().and_then(|piece| material::roots(&piece));
                Ok(Authorities { source: secret.label, roots: good(roots, field, report)? })
            }
            At::File(path) => {
                let read = self.files.borrow_mut().roots(path);
                let source = path.display().to_string().into();
                Ok(Authorities { source, roots: taken(read, field, report)? })
            }
        }
    }

    /// The authority that an Istio Secret brings along with its certificate.
    pub(super) fn implied(
        &self,
        origin: &Origin<KeyPair>,
        report: &Report,
    ) -> Result<Option<Authorities>, Broken> {
        let At::Secret(SecretName { namespace, name }) = &origin.at else {
            return Ok(None);
        };
        let Ok(secret) = self.secrets.get(namespace, name) else {
            // Said where the certificate was looked for.
            return Err(Broken);
        };
        let Some(piece) = secret.implied_authorities() else {
            return Ok(None);
        };
        let roots = piece.and_then(|piece| material::roots(&piece));
        Ok(Some(Authorities { source: secret.label, roots: good(roots, &origin.field, report)? }))
    }

    pub(super) fn revocation_lists(
        &self,
        origin: &Origin<PathBuf>,
        report: &Report,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, Broken> {
        let Origin { field, at } = origin;
        let lists = match at {
            At::Secret(name) => {
                let secret = self.secret(name, field, report)?;
                let lists = secret.revocation_lists().and_then(|piece| material::revocation_lists(&piece));
                good(lists, field, report)?
            }
            At::File(path) => {
                let read = self.files.borrow_mut().revocation_lists(path);
                taken(read, field, report)?
            }
        };
        if let Some(fault) = material::overdue(&lists) {
            report.warn(field, format!("{fault}; what was revoked since is accepted: renew the list"));
        }
        Ok(lists)
    }

    fn secret(
        &self,
        SecretName { namespace, name }: &SecretName,
        field: &str,
        report: &Report,
    ) -> Result<Secret<'a>, Broken> {
        self.secrets.get(namespace, name).map_err(|why| {
            report.discard(field, why);
            Broken
        })
    }
}

fn good<T>(proven: Result<T, MaterialError>, field: &str, report: &Report) -> Result<T, Broken> {
    proven.map_err(|error| {
        report.discard(field, error);
        Broken
    })
}

fn taken<T>(read: Result<Taken<T>, MaterialError>, field: &str, report: &Report) -> Result<T, Broken> {
    let Taken { value, stale } = good(read, field, report)?;
    if let Some(error) = stale {
        report.error(field, format!("{error}; what was last good in it stays"));
    }
    Ok(value)
}
