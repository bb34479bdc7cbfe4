//! Authorities, and what they have revoked.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::identity::{day, now};
use super::{Flaw, MaterialError, Piece, pem};
use crate::config::model::Trust;
use crate::crypto;

/// Authorities, each of which rustls takes as an anchor.
pub(in crate::config) fn roots(piece: &Piece) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let certificates = pem::certificates(piece)?;
    let mut store = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        store.add(certificate.clone()).map_err(|_quotes| piece.flaw(Flaw::Certificate(index + 1)))?;
    }
    Ok(certificates)
}

/// The authorities of the system, as far as they are fit to be used; none where it has none.
pub(in crate::config) fn system_roots() -> Vec<CertificateDer<'static>> {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs().certs.into_iter();
    found.filter(|root| store.add(root.clone()).is_ok()).collect()
}

/// Why a certificate vouches for nobody, if that is so: it is no authority's, or out of date.
pub(in crate::config) fn unfit(root: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(root).ok()?;
    let ended = certificate.validity().not_after;
    match certificate.is_ca() {
        false => Some("is no authority's: its basicConstraints do not say CA:TRUE".to_owned()),
        true if now() > ended.timestamp() => Some(format!("ended on {}", day(ended))),
        true => None,
    }
}

/// Revocation lists as far as their form goes; [`prove`] has rustls' word.
pub(in crate::config) fn revocation_lists(
    piece: &Piece,
) -> Result<Vec<CertificateRevocationListDer<'static>>, MaterialError> {
    let lists = pem::revocation_lists(piece)?;
    for (index, list) in lists.iter().enumerate() {
        CertificateRevocationList::from_der(list).map_err(|_quotes| piece.flaw(Flaw::List(index + 1)))?;
    }
    Ok(lists)
}

/// Whether rustls builds a verifier of it.
pub(in crate::config) fn prove(trust: &Trust) -> Result<(), rustls::server::VerifierBuilderError> {
    let mut store = RootCertStore::empty();
    for root in &trust.roots {
        // Each was proven by `roots`.
        let _ = store.add(root.clone());
    }
    let provider = Arc::clone(crypto::provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider)
        .with_crls(trust.revoked.iter().cloned())
        .build()
        .map(drop)
}

/// When the next of these lists was due, if that is past.
pub(in crate::config) fn overdue(lists: &[CertificateRevocationListDer<'_>]) -> Option<String> {
    lists.iter().find_map(|list| {
        let (_, list) = CertificateRevocationList::from_der(list).ok()?;
        let due = list.next_update()?;
        (now() > due.timestamp()).then(|| format!("the next revocation list was due on {}", day(due)))
    })
}
