//! The sections of a PEM text.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::{Flaw, MaterialError, Piece};

pub(super) fn certificates(piece: &Piece) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    all(piece, Flaw::NoCertificate)
}

pub(super) fn revocation_lists(
    piece: &Piece,
) -> Result<Vec<CertificateRevocationListDer<'static>>, MaterialError> {
    all(piece, Flaw::NoList)
}

/// The first key; PKCS#8, PKCS#1 and SEC1 are told apart by their labels.
pub(super) fn private_key(piece: &Piece) -> Result<PrivateKeyDer<'static>, MaterialError> {
    if is_encrypted(&piece.bytes) {
        return Err(piece.flaw(Flaw::Encrypted));
    }
    match PrivateKeyDer::pem_slice_iter(&piece.bytes).next() {
        Some(Ok(key)) => Ok(key),
        // The parser's errors quote lines of the text.
        Some(Err(_quotes)) => Err(piece.flaw(Flaw::Pem)),
        None => Err(piece.flaw(Flaw::NoKey)),
    }
}

fn all<T: PemObject>(piece: &Piece, none: Flaw) -> Result<Vec<T>, MaterialError> {
    let found: Result<Vec<T>, _> = T::pem_slice_iter(&piece.bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(piece.flaw(none)),
        Ok(found) => Ok(found),
        Err(_quotes) => Err(piece.flaw(Flaw::Pem)),
    }
}

/// PKCS#8's label, or the header of RFC 1421 that OpenSSL wrote before.
fn is_encrypted(pem: &[u8]) -> bool {
    let holds = |needle: &[u8]| pem.windows(needle.len()).any(|window| window == needle);
    holds(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds(b"Proc-Type: 4,ENCRYPTED")
}
