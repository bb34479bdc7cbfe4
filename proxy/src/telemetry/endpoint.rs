//! An upstream's endpoint as those see it who count and list endpoints, and what attempts to connect come to.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

/// One endpoint of a mapping as `/endpoints` and the metrics show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointSnapshot {
    /// The mapping's name.
    pub mapping: Arc<str>,
    /// The mapping's metric label.
    #[serde(skip)]
    pub stats_name: Arc<str>,
    /// Its address.
    pub endpoint: SocketAddr,
    /// The service that it is of.
    pub service: String,
    /// Used only while none of the others is healthy.
    pub backup: bool,
    /// `up`, `ejected` (connections failed), `down` (checks failed), `drained` or `disabled` (by an operator).
    pub state: &'static str,
    /// Its share of connections, relative to the others.
    pub weight: u32,
    /// How much of its weight counts while it starts slowly.
    pub grown_percent: u32,
    /// Connections that sluice has open to it.
    pub active: u32,
    /// Connect failures in a row.
    pub failures: u32,
    /// Connections in a row that were not made in time, where the mapping counts them apart.
    pub timeouts: u32,
    /// How long it lately took to connect to, in microseconds; fades while nobody connects.
    pub connect_us: Option<u128>,
    /// How long it is still left alone, in milliseconds; nothing where only a check or an operator ends it.
    pub ejected_ms: Option<u64>,
}

/// What an attempt to connect came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// A connection.
    Connected,
    /// The endpoint refused.
    Refused,
    /// No answer in time.
    Timeout,
    /// Any other error on the way.
    Unreachable,
    /// Another attempt for the same connection was faster.
    Overtaken,
    /// This host had no port, no descriptor or not the source address.
    NotMade,
}

impl Attempt {
    /// Every outcome, so that metrics exist before their first event.
    pub const ALL: [Self; 6] =
        [Self::Connected, Self::Refused, Self::Timeout, Self::Unreachable, Self::Overtaken, Self::NotMade];

    /// The word for labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Overtaken => "overtaken",
            Self::NotMade => "not_made",
        }
    }
}
