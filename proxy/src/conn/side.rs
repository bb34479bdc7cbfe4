//! One side of a connection before it is relayed.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};

use tokio::net::TcpStream;

use crate::relay::tls::Leg;
use crate::relay::{Spoken, socket};
use crate::route::Listener;
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

    /// Has the kernel send no faster than this, in bytes per second, whichever relay follows.
    pub(super) fn pace(&self, bandwidth: NonZeroU64) -> Result<(), CloseReason> {
        let socket = match self {
            Self::Raw(raw) => raw.socket.as_fd(),
            Self::Secured(leg) => leg.as_fd(),
        };
        socket::pace(socket, bandwidth).map_err(|error| {
            tracing::error!(%error, "a socket could not be paced");
            CloseReason::Internal
        })
    }

    /// As the TLS relay takes it.
    pub(super) fn into_leg(self) -> Result<Leg, CloseReason> {
        match self {
            Self::Raw(raw) => Ok(Leg::plain(register(raw.socket)?)),
            Self::Secured(leg) => Ok(*leg),
        }
    }
}

/// The address that a client connected to, as far as the routes of its listener, which is on `address`, ask for it.
pub(super) fn destination<S>(socket: impl AsFd, address: SocketAddr, listener: &Listener<S>) -> SocketAddr {
    // A system call that most connections can do without.
    if !(address.ip().is_unspecified() && listener.asks_destinations()) {
        return address;
    }
    // A socket that has an address keeps it, reset or not.
    rustix::net::getsockname(socket).ok().and_then(|own| own.try_into().ok()).unwrap_or(address)
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
