//! One side of a connection before it is relayed.

use std::io;
use std::os::fd::OwnedFd;

use tokio::net::TcpStream;

use crate::relay::Spoken;
use crate::relay::tls::Leg;
use crate::telemetry::CloseReason;

/// Bytes as they are, in a socket that is registered nowhere, or a session over them.
#[derive(Debug)]
pub(super) enum Side {
    /// For any relay.
    Raw(Raw),
    /// For the TLS relay. Boxed, as most connections have none.
    Secured(Box<Leg>),
}

/// A socket whose bytes go on as they are.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) socket: OwnedFd,
    /// What was said on it before.
    pub(super) spoken: Spoken,
}

impl Side {
    /// A socket that nobody has looked into.
    pub(super) fn untouched(socket: OwnedFd) -> Self {
        Self::Raw(Raw { socket, spoken: Spoken::default() })
    }

    /// As the TLS relay takes it.
    pub(super) fn into_leg(self) -> Result<Leg, CloseReason> {
        match self {
            Self::Raw(raw) => Ok(Leg::plain(register(raw.socket)?)),
            Self::Secured(leg) => Ok(*leg),
        }
    }
}

/// Has tokio watch a socket.
pub(super) fn register(socket: OwnedFd) -> Result<TcpStream, CloseReason> {
    TcpStream::from_std(socket.into()).map_err(|error| internal(&error))
}

/// Has tokio forget a socket.
pub(super) fn release(stream: TcpStream) -> Result<OwnedFd, CloseReason> {
    stream.into_std().map(OwnedFd::from).map_err(|error| internal(&error))
}

fn internal(error: &io::Error) -> CloseReason {
    tracing::error!(%error, "tokio refused a socket");
    CloseReason::Internal
}
