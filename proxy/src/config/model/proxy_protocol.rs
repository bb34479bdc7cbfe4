//! The PROXY protocol in the model: who may speak for clients, and what upstreams are told of them.

use std::net::IpAddr;

use ipnet::IpNet;

/// Whose connections begin with a PROXY header. Anybody else is a client of its own, whose first byte is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxySources {
    /// Everybody's, as in Ambassador.
    Everyone,
    /// Those from these networks; at least one.
    Networks(Vec<IpNet>),
    /// Everybody's, and the client that one tells of counts where the peer is of these networks: nginx'
    /// `set_real_ip_from`. None counts where there are none.
    Believed(Vec<IpNet>),
}

impl ProxySources {
    /// Whether a peer's connections do.
    #[must_use]
    pub fn include(&self, peer: IpAddr) -> bool {
        match self {
            Self::Everyone | Self::Believed(_) => true,
            Self::Networks(networks) => contain(networks, peer),
        }
    }

    /// Whether a peer whose connections do is believed what it says of its client.
    #[must_use]
    pub fn believe(&self, peer: IpAddr) -> bool {
        match self {
            Self::Everyone => true,
            Self::Networks(networks) | Self::Believed(networks) => contain(networks, peer),
        }
    }
}

fn contain(networks: &[IpNet], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    networks.iter().any(|network| network.contains(&peer))
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// A line of text: addresses and ports.
    V1,
    /// Binary, with what is known of the client's TLS.
    V2 {
        /// Whether it has a checksum (PP2_TYPE_CRC32C).
        checksum: bool,
    },
}

impl ProxyVersion {
    /// As users write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 { checksum: false } => "v2",
            Self::V2 { checksum: true } => "v2-crc32c",
        }
    }
}
