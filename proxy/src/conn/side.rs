//! One side of a connection before it is relayed.

use std::io;
use std::net::SocketAddr;
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
    /// The socket's own address; `None` where the kernel does not tell.
    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        let address = match self {
            Self::Raw(raw) => rustix::net::getsockname(&raw.socket),
            Self::Secured(leg) => rustix::net::getsockname(leg.socket()),
        };
        SocketAddr::try_from(address.ok()?).ok()
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
