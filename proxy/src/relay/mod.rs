//! Moves bytes between two sockets until both directions are done.

mod choose;
mod clock;
#[cfg(feature = "ebpf")]
pub mod kernel;
#[cfg(not(feature = "ebpf"))]
#[path = "no_kernel.rs"]
pub mod kernel;
pub mod socket;
pub mod splice;
mod step;
pub mod tls;

use std::time::{Duration, Instant};

pub use choose::{Begun, Relays};
pub use step::Step;
use tokio_util::sync::CancellationToken;

use crate::config::settings::Sockets;
use crate::telemetry::CloseReason;

/// What may end a relay besides its two peers.
#[derive(Debug, Clone)]
pub struct Terms {
    /// No byte in either direction for this long; `None` waits for ever.
    pub idle: Option<Duration>,
    /// One direction finished, no byte in the other for this long; `None` waits for ever.
    pub half_closed: Option<Duration>,
    /// The connection's last moment.
    pub expires: Option<Instant>,
    /// How the upstream's socket watches its peer, once the connection has lived for a while.
    pub sockets: Sockets,
    /// Cancelled when the drain time is over.
    pub stop: CancellationToken,
}

/// What was said on a socket before its relay had it, in a protocol's prelude.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spoken {
    /// Bytes read from it.
    pub heard: u64,
    /// Bytes written to it.
    pub said: u64,
    /// What was read may have been a part of a segment: the kernel hands segments out whole, so the rest of
    /// it is to be read before the kernel relay can join.
    pub in_part: bool,
}

impl Spoken {
    /// This, and then that.
    #[must_use]
    pub fn and(self, then: Self) -> Self {
        Self {
            heard: self.heard + then.heard,
            said: self.said + then.said,
            in_part: self.in_part || then.in_part,
        }
    }
}

/// How a relay ended before both directions were complete: which socket failed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The client's socket reported a reset or a vanished peer.
    #[error("downstream {0}")]
    Downstream(Failure),
    /// The upstream's socket reported a reset or a vanished peer.
    #[error("upstream {0}")]
    Upstream(Failure),
    /// Received, relayed and accepted bytes disagree.
    #[error("counters disagree at the end of a stream")]
    Integrity,
}

/// What a socket's error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// ECONNRESET, EPIPE.
    #[error("reset")]
    Reset,
    /// ETIMEDOUT, EHOSTUNREACH and the like: nothing is acknowledged any more.
    #[error("timed out")]
    Timeout,
    /// TCP's stream ended before TLS's (close_notify).
    #[error("truncated")]
    Truncated,
    /// It broke the TLS protocol, or sent an alert.
    #[error("in the wrong")]
    Tls,
    /// An error that sockets in order do not have.
    #[error("failed")]
    Unexpected,
}

impl Failure {
    /// Reads a socket call's error.
    #[must_use]
    pub fn of(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        match error.kind() {
            K::ConnectionReset | K::BrokenPipe | K::NotConnected | K::ConnectionAborted => Self::Reset,
            K::TimedOut | K::HostUnreachable | K::NetworkUnreachable => Self::Timeout,
            _ => {
                tracing::error!(%error, "unexpected socket error in a relay");
                Self::Unexpected
            }
        }
    }
}

/// Which socket of a direction failed, and how.
#[derive(Debug, Clone, Copy)]
enum Broken {
    Source(Failure),
    Destination(Failure),
}

impl Broken {
    fn in_direction(self, source: fn(Failure) -> Fault, destination: fn(Failure) -> Fault) -> Fault {
        match self {
            Self::Source(failure) => source(failure),
            Self::Destination(failure) => destination(failure),
        }
    }
}

impl From<Fault> for CloseReason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Downstream(Failure::Reset) => Self::DownstreamReset,
            Fault::Downstream(Failure::Timeout) => Self::DownstreamTimeout,
            Fault::Upstream(Failure::Reset) => Self::UpstreamReset,
            Fault::Upstream(Failure::Timeout) => Self::UpstreamTimeout,
            Fault::Downstream(Failure::Truncated) => Self::DownstreamTruncated,
            Fault::Upstream(Failure::Truncated) => Self::UpstreamTruncated,
            Fault::Downstream(Failure::Tls) => Self::DownstreamTls,
            Fault::Upstream(Failure::Tls) => Self::UpstreamTls,
            Fault::Downstream(Failure::Unexpected) | Fault::Upstream(Failure::Unexpected) => Self::Internal,
            Fault::Integrity => Self::Integrity,
        }
    }
}
