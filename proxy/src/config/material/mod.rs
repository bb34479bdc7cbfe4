//! Certificates, keys and revocation lists: from the PEM that users have to what the model takes, proven.

mod error;
mod files;
mod given;
mod identity;
mod pem;
mod trust;

#[cfg(test)]
pub(super) mod fixtures;
#[cfg(test)]
mod tests;

pub(super) use error::{Flaw, MaterialError};
pub(super) use files::{Files, Taken};
pub(super) use given::{Given, PEM, given, is_pem};
pub(super) use identity::{identity, names, out_of_date};
pub(super) use trust::{overdue, prove, revocation_lists, roots, system_roots, unfit};

/// A PEM text and what people call it: `tls.crt of Secret default/pay`, or its path.
///
/// It may be a private key, so it has no `Debug`.
pub(super) struct Piece {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Piece {
    fn flaw(&self, flaw: Flaw) -> MaterialError {
        MaterialError { name: self.name.clone(), flaw }
    }
}
