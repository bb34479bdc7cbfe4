//! What one address lets in: within limits, without spinning when the process is out of descriptors, and to
//! the last connection in its queues.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::socket::{Listener, accept, refuse_newcomers, without_filter};
use crate::config::model::SourceLimits;
use crate::config::settings::Limits;
use crate::conn::{Accepted, Ctx, serve};
use crate::telemetry::Telemetry;

/// First and longest pause when accepting fails for want of descriptors or memory.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How long a queue has to stay empty before its socket is closed: handshakes under way come to their end
/// within a round trip.
const QUIET: Duration = Duration::from_millis(100);

/// Longest that a socket stays open after it was given up, where its queue does not stay empty or no
/// descriptor is free.
const PATIENCE: Duration = Duration::from_secs(2);

/// What one address lets in.
pub(super) struct Gate {
    ctx: Arc<Ctx>,
    telemetry: Telemetry,
    address: SocketAddr,
    /// 0 for no limit of its own.
    limit: u32,
    open: Arc<AtomicU32>,
    /// Of each client, over all addresses.
    source: SourceLimits,
    retired: CancellationToken,
}

impl Gate {
    /// Accepts nothing yet.
    pub(super) fn new(
        address: SocketAddr,
        limits: &Limits,
        ctx: &Arc<Ctx>,
        telemetry: Telemetry,
        retired: CancellationToken,
    ) -> Self {
        let source = SourceLimits { connections: NonZeroU32::new(limits.connections_per_source), rate: None };
        let limit = limits.connections_per_listener;
        Self { ctx: Arc::clone(ctx), telemetry, address, limit, open: Arc::default(), source, retired }
    }

    /// Accepts from all these sockets, a task each, until the address is given up and their queues are empty.
    pub(super) async fn open(self, sockets: Vec<Arc<Listener>>) {
        let gate = Arc::new(self);
        let mut tasks = JoinSet::new();
        for socket in sockets {
            let gate = Arc::clone(&gate);
            tasks.spawn(async move { gate.accept_from(socket).await });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn accept_from(&self, listener: Arc<Listener>) {
        let mut pause = BACK_OFF.0;
        {
            let mut given_up = pin!(self.retired.cancelled());
            loop {
                let accepted = tokio::select! {
                    biased;
                    () = &mut given_up => break,
                    accepted = listener.async_io(Interest::READABLE, accept) => accepted,
                };
                self.take(accepted, &mut pause).await;
            }
        }
        self.empty(listener, pause).await;
    }

    /// Takes what is left in the queue of a socket. Closing it would reset those connections, which their
    /// clients take for established; so newcomers are kept out first, and handshakes awaited.
    async fn empty(&self, listener: Arc<Listener>, mut pause: Duration) {
        if let Err(error) = refuse_newcomers(listener.get_ref()) {
            tracing::debug!(address = %self.address, %error, "newcomers are let in until the queue is empty");
        }
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let next = listener.async_io(Interest::READABLE, accept);
            let Ok(accepted) = tokio::time::timeout(QUIET, next).await else {
                return;
            };
            if let Ok((socket, _)) = &accepted {
                without_filter(socket);
            }
            self.take(accepted, &mut pause).await;
        }
        tracing::warn!(address = %self.address, "closed with connections in its queue");
    }

    async fn take(&self, accepted: io::Result<(OwnedFd, SocketAddr)>, pause: &mut Duration) {
        match accepted {
            Ok((socket, peer)) => {
                *pause = BACK_OFF.0;
                self.admit(socket, peer);
            }
            Err(error) => {
                let reason = accept_failure(&error);
                self.telemetry.accept_error(self.address, reason);
                if reason != "aborted" {
                    // The kernel keeps the connection queued: it waits, it is not lost.
                    tokio::time::sleep(*pause).await;
                    *pause = (*pause * 2).min(BACK_OFF.1);
                }
            }
        }
    }

    /// Serves a connection, or resets it where a limit is reached.
    fn admit(&self, socket: OwnedFd, peer: SocketAddr) {
        self.telemetry.accepted(self.address);
        let seat = Seat::take(&self.open);
        if self.limit > 0 && seat.taken > self.limit {
            self.telemetry.refused("listener");
            return;
        }
        let Ok(client) = self.ctx.sources.take(peer.ip(), &self.source) else {
            self.telemetry.refused("source");
            return;
        };
        let Ok(record) = self.ctx.tracker.open(self.address, peer) else {
            self.telemetry.refused("total");
            return;
        };
        let accepted = Accepted { socket, peer, listener: self.address, routes: self.ctx.routes() };
        let ctx = Arc::clone(&self.ctx);
        tokio::spawn(async move {
            serve(accepted, record, ctx).await;
            drop((seat, client));
        });
    }
}

/// One of the connections of a listener.
struct Seat {
    open: Arc<AtomicU32>,
    /// How many are taken, this one included.
    taken: u32,
}

impl Seat {
    fn take(open: &Arc<AtomicU32>) -> Self {
        Self { open: Arc::clone(open), taken: open.fetch_add(1, Relaxed) + 1 }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

fn accept_failure(error: &io::Error) -> &'static str {
    use rustix::io::Errno as E;
    match E::from_io_error(error) {
        Some(E::MFILE | E::NFILE) => "no_descriptors",
        Some(E::NOBUFS | E::NOMEM) => "no_memory",
        // The client was gone before we came: nothing to wait for.
        Some(E::CONNABORTED | E::CONNRESET | E::INTR | E::PROTO) => "aborted",
        _ => "other",
    }
}
