//! What a TLS handshake came to, as those see it who count, list and log connections.

use std::borrow::Cow;

use serde::Serialize;

/// Facts of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    pub version: &'static str,
    /// The suite's name in IANA's registry.
    pub cipher: Cow<'static, str>,
    /// The protocol agreed on (ALPN).
    pub alpn: Option<String>,
    /// The subject of the certificate that the peer showed.
    pub subject: Option<String>,
    /// The common name in it.
    #[serde(skip)]
    pub common_name: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// How a handshake ended: the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// With certificates and all.
    Full,
    /// By a ticket or a session that both remembered.
    Resumed,
    /// Not.
    Failed,
}

impl Handshake {
    /// Every way, so that metrics exist before their first event.
    pub const ALL: [Self; 3] = [Self::Full, Self::Resumed, Self::Failed];

    /// The word for labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Failed => "failed",
        }
    }
}
