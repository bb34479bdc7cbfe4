//! A certificate chain and its private key, proven to belong together.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::{FromDer, GeneralName};
use x509_parser::time::ASN1Time;

use super::{Flaw, MaterialError, Piece, pem};
use crate::config::model::{Identity, PrivateKey};
use crate::crypto;

/// Proves a chain and its key. Whether they are in date is another question: [`out_of_date`].
pub(in crate::config) fn identity(
    source: Arc<str>,
    chain: &Piece,
    key: &Piece,
) -> Result<Identity, MaterialError> {
    let certificates = pem::certificates(chain)?;
    let private_key = pem::private_key(key)?;
    let kept = PrivateKey::new(private_key.clone_key());
    let mut expires = i64::MAX;
    for (index, der) in certificates.iter().enumerate() {
        let invalid = |_quotes| chain.flaw(Flaw::Certificate(index + 1));
        let (_, certificate) = X509Certificate::from_der(der).map_err(invalid)?;
        expires = expires.min(certificate.validity().not_after.timestamp());
    }
    let signer = crypto::provider().key_provider.load_private_key(private_key);
    let signer = signer.map_err(|_quotes| key.flaw(Flaw::Key))?;
    let certified = CertifiedKey::new(certificates, signer);
    match certified.keys_match() {
        // A key that cannot tell its public half is taken on trust, as rustls does.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(Error::InconsistentKeys(_)) => return Err(chain.flaw(Flaw::Mismatch(key.name.clone()))),
        Err(_) => return Err(chain.flaw(Flaw::Certificate(1))),
    }
    Ok(Identity { source, key: Arc::new(certified), private_key: kept, expires })
}

/// Which certificate of the chain is over or has not begun, if one is: `the certificate of CN=pay ended on …`.
pub(in crate::config) fn out_of_date(identity: &Identity) -> Option<String> {
    let now = now();
    identity.key.cert.iter().find_map(|der| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        let (word, when) = match now {
            now if now > validity.not_after.timestamp() => ("ended on", validity.not_after),
            now if now < validity.not_before.timestamp() => ("begins only on", validity.not_before),
            _ => return None,
        };
        let subject = certificate.subject().to_string();
        let whose = if subject.is_empty() { String::new() } else { format!(" of {subject:?}") };
        Some(format!("the certificate{whose} {word} {}", day(when)))
    })
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// `2026-11-21 10:48:50 UTC`.
pub(super) fn day(time: ASN1Time) -> String {
    let time = time.to_datetime();
    let (hour, minute, second) = time.to_hms();
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", time.date())
}

/// The DNS names in the certificate's subjectAltName, in lower case; a star may stand for the first label.
pub(in crate::config) fn names(identity: &Identity) -> Vec<String> {
    let Some(der) = identity.key.cert.first() else {
        return Vec::new();
    };
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}
