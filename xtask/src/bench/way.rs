//! What a peer does with a connection: how it comes in, and how it goes out.

use std::net::Ipv4Addr;

use super::line;
use super::tls::Key;

/// A listener's job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Cleartext in, cleartext out.
    Plain,
    /// TLS in with an ECDSA certificate, cleartext out.
    Ecdsa,
    /// TLS in with an RSA certificate, cleartext out.
    Rsa,
    /// TLS in with an ECDSA certificate, TLS out.
    Again,
    /// Cleartext in over a long line, cleartext out.
    Far,
}

impl Way {
    /// For the names of listeners.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "bench",
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
            Self::Again => "again",
            Self::Far => "far",
        }
    }

    /// Where a client finds it.
    pub(super) fn host(self) -> Ipv4Addr {
        if self == Self::Far { line::NEAR } else { Ipv4Addr::LOCALHOST }
    }

    /// The certificate that clients are shown; none in cleartext.
    pub(super) fn inside(self) -> Option<Key> {
        match self {
            Self::Plain | Self::Far => None,
            Self::Ecdsa | Self::Again => Some(Key::Ecdsa),
            Self::Rsa => Some(Key::Rsa),
        }
    }

    /// The certificate that the backend shows a proxy; none in cleartext.
    pub(super) fn outside(self) -> Option<Key> {
        (self == Self::Again).then_some(Key::Ecdsa)
    }
}
