//! What Kong calls protocols: of services, of routes and of the plugins for them.

use std::fmt;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Grpc,
    Grpcs,
    Http,
    Https,
    Tcp,
    Tls,
    TlsPassthrough,
    Udp,
    Ws,
    Wss,
}

/// Of the protocols of one route all are of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// None of sluice's business.
    Http,
    /// `tcp`, `tls`, `udp`.
    Stream,
    Passthrough,
}

impl Protocol {
    /// In the order in which Kong names them.
    pub(super) const ALL: [(&'static str, Self); 10] = [
        ("grpc", Self::Grpc),
        ("grpcs", Self::Grpcs),
        ("http", Self::Http),
        ("https", Self::Https),
        ("tcp", Self::Tcp),
        ("tls", Self::Tls),
        ("tls_passthrough", Self::TlsPassthrough),
        ("udp", Self::Udp),
        ("ws", Self::Ws),
        ("wss", Self::Wss),
    ];

    pub(super) fn group(self) -> Group {
        match self {
            Self::Grpc | Self::Grpcs | Self::Http | Self::Https | Self::Ws | Self::Wss => Group::Http,
            Self::Tcp | Self::Tls | Self::Udp => Group::Stream,
            Self::TlsPassthrough => Group::Passthrough,
        }
    }

    pub(super) fn read(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, protocol)| *protocol)
    }

    /// `grpc, grpcs, …`
    pub(super) fn words() -> String {
        Self::ALL.map(|(word, _)| word).join(", ")
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::ALL.iter().find(|(_, protocol)| protocol == self).map(|(word, _)| *word);
        f.write_str(word.unwrap_or_default())
    }
}
