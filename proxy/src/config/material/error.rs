//! Why material cannot be used, in words that never repeat any of it.

use thiserror::Error;

use crate::config::source::ReadError;

/// What is wrong with which piece.
#[derive(Debug, Error)]
#[error("{name} {flaw}")]
pub(in crate::config) struct MaterialError {
    /// What people call the piece.
    pub(in crate::config) name: String,
    pub(in crate::config) flaw: Flaw,
}

/// What is wrong with a piece; reads on behind its name. None of them repeats content: a key might be in
/// a place where a certificate should be.
#[derive(Debug, Error)]
pub(in crate::config) enum Flaw {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] ReadError),
    #[error("is not base64; `base64 -w0 < FILE` makes it, and stringData takes the PEM as it is")]
    Base64,
    #[error("is not a text")]
    NotText,
    #[error("is no well-formed PEM: a BEGIN line without its END, or something else than base64 between")]
    Pem,
    #[error("holds no certificate (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    #[error("holds no private key (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    #[error("holds no revocation list (-----BEGIN X509 CRL-----)")]
    NoList,
    #[error(
        "holds an encrypted private key, and nobody is there to type its passphrase; \
         decrypt it with `openssl pkey -in KEY -out KEY.plain`"
    )]
    Encrypted,
    #[error("holds a certificate that is no valid X.509 (number {0})")]
    Certificate(usize),
    #[error("holds a revocation list that is no valid X.509 CRL of version 2 (number {0})")]
    List(usize),
    #[error(
        "holds a private key that cannot be used; RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, \
         and Ed25519 can"
    )]
    Key,
    #[error("and {0} do not belong together; the first certificate must be the one of the private key")]
    Mismatch(String),
}
