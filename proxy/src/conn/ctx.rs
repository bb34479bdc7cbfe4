//! What every connection is given.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Tracker;
use crate::config::settings::{Handshakes, Sockets};
use crate::relay::Relays;
use crate::relay::kernel::MappingState;
use crate::route::RouteTable;
use crate::upstream::Dialer;

/// The table of routes in service.
pub type Routes = RouteTable<Option<MappingState>>;

/// A connection as the listener hands it over.
#[derive(Debug)]
pub struct Accepted {
    /// The client's socket, non-blocking, not registered anywhere.
    pub socket: OwnedFd,
    /// The client's address.
    pub peer: SocketAddr,
    /// The listener's address as configured.
    pub listener: SocketAddr,
    /// The routes in service when it was accepted, which have the listener.
    pub routes: Arc<Routes>,
}

/// What every connection needs, made once.
#[derive(Debug)]
pub struct Ctx {
    /// Every open connection.
    pub tracker: Arc<Tracker>,
    /// Makes upstream connections.
    pub dialer: Dialer,
    /// Moves the bytes.
    pub relays: Relays,
    /// How upstream sockets watch their peer.
    pub sockets: Sockets,
    /// What clients may take before they are served.
    pub handshakes: Handshakes,
    /// Places for clients' TLS handshakes.
    pub places: Semaphore,
    /// Swapped by a reload; a connection is given its snapshot when it is accepted.
    pub routes: RwLock<Arc<Routes>>,
    /// Cancelled when the drain time is over.
    pub stop: CancellationToken,
}

impl Ctx {
    /// The routes in service at this moment.
    #[must_use]
    pub fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// As many places as the settings say.
    #[must_use]
    pub fn places(handshakes: &Handshakes) -> Semaphore {
        let most = usize::try_from(handshakes.most).unwrap_or(usize::MAX);
        Semaphore::new(if most == 0 { Semaphore::MAX_PERMITS } else { most.min(Semaphore::MAX_PERMITS) })
    }
}
