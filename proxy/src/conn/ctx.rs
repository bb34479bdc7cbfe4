//! What every connection is given.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Limiter, Sources, Tracker, Usage};
use crate::config::settings::{Handshakes, Sockets};
use crate::relay::Relays;
use crate::relay::kernel::MappingState;
use crate::route::RouteTable;
use crate::telemetry::MappingUsage;
use crate::upstream::Dialer;

/// The table of routes in service.
pub type Routes = RouteTable<Kept>;

/// What is kept of a mapping for as long as its name stays, or a connection of it lives.
#[derive(Debug)]
pub struct Kept {
    /// Its place in the kernel's tables, where there is a kernel relay.
    pub kernel: Option<MappingState>,
    /// What it has in use.
    pub limiter: Limiter,
}

/// A connection as the listener hands it over.
#[derive(Debug)]
pub struct Accepted {
    /// The client's socket, non-blocking, not registered anywhere.
    pub socket: OwnedFd,
    /// The other end of it; a PROXY header may speak for somebody else ([`ConnRecord::peer`]).
    ///
    /// [`ConnRecord::peer`]: super::ConnRecord::peer
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
    pub dialer: Arc<Dialer>,
    /// Moves the bytes.
    pub relays: Relays,
    /// How upstream sockets watch their peer.
    pub sockets: Sockets,
    /// What clients may take before they are served.
    pub handshakes: Handshakes,
    /// Places for clients' TLS handshakes.
    pub places: Semaphore,
    /// What clients have, over all listeners.
    pub sources: Arc<Sources>,
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

    /// What every mapping in service has in use.
    #[must_use]
    pub fn usage(&self) -> Vec<MappingUsage> {
        let routes = self.routes();
        let usage = routes.targets().map(|target| {
            let Usage { connections, pending, sources } = target.state.limiter.usage();
            let (label, limits) = (Arc::clone(&target.mapping.stats_name), target.mapping.limits);
            MappingUsage { label, connections, pending, sources, limits }
        });
        usage.collect()
    }

    /// As many places as the settings say.
    #[must_use]
    pub fn places(handshakes: &Handshakes) -> Semaphore {
        let most = usize::try_from(handshakes.most).unwrap_or(usize::MAX);
        Semaphore::new(if most == 0 { Semaphore::MAX_PERMITS } else { most.min(Semaphore::MAX_PERMITS) })
    }
}
