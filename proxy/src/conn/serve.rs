//! One connection, from accepted to closed.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::{ConnRecord, Tracker};
use crate::config::settings::Sockets;
use crate::relay::kernel::MappingState;
use crate::relay::{Relays, Terms};
use crate::route::{NoTarget, RouteTable, Target};
use crate::telemetry::CloseReason;
use crate::upstream::{DialError, Dialer};

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
    /// Swapped by a reload; a connection takes its snapshot once.
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
}

/// Serves a connection to its end and gives its account.
pub async fn serve(accepted: Accepted, record: ConnRecord, ctx: Arc<Ctx>) {
    let reason = forward(accepted, &record, &ctx).await;
    record.close(reason);
}

async fn forward(accepted: Accepted, record: &ConnRecord, ctx: &Ctx) -> CloseReason {
    let opened = Instant::now();
    let target = match ctx.routes().lookup(accepted.listener) {
        Ok(target) => target,
        Err(NoTarget::NoRoute) => return CloseReason::NoRoute,
        Err(NoTarget::NoWeight) => return CloseReason::NoUpstream,
    };
    let Target { mapping, state } = &*target;
    record.mapped(&mapping.name.0, &mapping.stats_name);

    let dialled = tokio::select! {
        dialled = ctx.dialer.dial(&mapping.service, mapping.families, mapping.timeouts.connect) => dialled,
        () = ctx.stop.cancelled() => return CloseReason::Drained,
    };
    let connected = match dialled {
        Ok(connected) => connected,
        Err(error) => return refused(&error, record, &mapping.name.0),
    };
    record.connected(connected.address, opened.elapsed());

    let begun = ctx.relays.begin(mapping.relay, state.as_ref().as_ref(), [accepted.socket, connected.socket]);
    record.relayed(begun.kind, Arc::clone(&begun.progress));
    let terms = Terms {
        idle: mapping.timeouts.idle,
        half_closed: mapping.timeouts.half_closed,
        expires: mapping.timeouts.max_age.map(|age| opened + age),
        sockets: ctx.sockets,
        stop: ctx.stop.clone(),
    };
    begun.run(terms, &|reason| record.fell_back(reason)).await
}

fn refused(error: &DialError, record: &ConnRecord, mapping: &str) -> CloseReason {
    tracing::debug!(conn = record.id(), mapping, %error, "no upstream connection");
    match error {
        DialError::Resolve(_) => CloseReason::ResolveFailed,
        DialError::Timeout { .. } => CloseReason::ConnectTimeout,
        DialError::NoLocalPort { .. } => CloseReason::NoLocalPort,
        DialError::NoDescriptor { .. } => CloseReason::Overflow,
        DialError::Failed { .. } => CloseReason::ConnectFailed,
    }
}
