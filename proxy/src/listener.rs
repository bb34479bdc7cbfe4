//! Binds, accepts, and hands connections on: within limits, and without spinning when the
//! process is out of descriptors.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use rustix::net::SocketFlags;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

use crate::config::model::SourceLimits;
use crate::config::settings::{Limits, Sockets};
use crate::conn::{Accepted, Ctx, Sources, serve};
use crate::relay::socket::readable;
use crate::sockopt;
use crate::telemetry::Telemetry;

/// First and longest pause when accepting fails for want of descriptors or memory.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How often an address that could not be bound is tried again.
const BIND_AGAIN: Duration = Duration::from_secs(3);

/// A listening socket.
type Listener = AsyncFd<Socket>;

/// The listening sockets, one task each.
#[derive(Debug)]
pub struct Listeners {
    ctx: Arc<Ctx>,
    telemetry: Telemetry,
    sockets: Sockets,
    limits: Limits,
    sources: Arc<Sources>,
    running: BTreeMap<SocketAddr, JoinHandle<()>>,
}

/// An address that could not be bound; it is tried again until a reload drops it.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be bound: {source}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The kernel's answer.
    pub source: io::Error,
}

impl Listeners {
    /// None yet.
    #[must_use]
    pub fn new(ctx: Arc<Ctx>, telemetry: Telemetry, sockets: Sockets, limits: Limits) -> Self {
        Self { ctx, telemetry, sockets, limits, sources: Arc::default(), running: BTreeMap::new() }
    }

    /// Listens on exactly these addresses. Those that stay keep their sockets and lose no
    /// connection; those that go are closed.
    pub fn listen_on(&mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<BindError> {
        let mut before = std::mem::take(&mut self.running);
        let mut errors = Vec::new();
        for address in addresses {
            let task = before.remove(&address).unwrap_or_else(|| {
                let bound = bind(address, &self.sockets);
                let bound = bound.map_err(|source| errors.push(BindError { address, source })).ok();
                self.spawn(address, bound)
            });
            self.running.insert(address, task);
        }
        before.into_values().for_each(|task| task.abort());
        errors
    }

    /// Stops accepting.
    pub fn close(&mut self) {
        std::mem::take(&mut self.running).into_values().for_each(|task| task.abort());
    }

    fn spawn(&self, address: SocketAddr, bound: Option<Listener>) -> JoinHandle<()> {
        let (sockets, mut listener) = (self.sockets, bound);
        let gate = Gate {
            ctx: Arc::clone(&self.ctx),
            telemetry: self.telemetry.clone(),
            address,
            limit: self.limits.connections_per_listener,
            open: Arc::default(),
            sources: Arc::clone(&self.sources),
            source: SourceLimits {
                connections: NonZeroU32::new(self.limits.connections_per_source),
                rate: None,
            },
        };
        tokio::spawn(async move {
            let listener = loop {
                if let Some(listener) = listener.take() {
                    break listener;
                }
                tokio::time::sleep(BIND_AGAIN).await;
                listener = bind(address, &sockets).ok();
                if listener.is_some() {
                    tracing::info!(%address, "bound at last");
                }
            };
            gate.accept(listener).await;
        })
    }
}

/// What one listener's task lets in.
struct Gate {
    ctx: Arc<Ctx>,
    telemetry: Telemetry,
    address: SocketAddr,
    /// 0 for no limit of its own.
    limit: u32,
    open: Arc<AtomicU32>,
    /// What clients have, of all listeners.
    sources: Arc<Sources>,
    source: SourceLimits,
}

impl Gate {
    async fn accept(self, listener: Listener) {
        let mut pause = BACK_OFF.0;
        loop {
            match listener.async_io(Interest::READABLE, accept).await {
                Ok((socket, peer)) => {
                    pause = BACK_OFF.0;
                    self.admit(socket, peer);
                }
                Err(error) => {
                    let reason = accept_failure(&error);
                    self.telemetry.accept_error(self.address, reason);
                    if reason != "aborted" {
                        // The kernel keeps the connection queued: it waits, it is not lost.
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(BACK_OFF.1);
                    }
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
        let Ok(client) = self.sources.take(peer.ip(), &self.source) else {
            self.telemetry.refused("source");
            return;
        };
        let Ok(record) = self.ctx.tracker.open(self.address, peer) else {
            self.telemetry.refused("total");
            return;
        };
        let accepted = Accepted { socket, peer, listener: self.address };
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

/// Takes a connection from the queue, registered nowhere: relays bring their own registration, since
/// tokio's would wake us for every redirected segment.
fn accept(listener: &Socket) -> io::Result<(OwnedFd, SocketAddr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, peer) = rustix::net::acceptfrom_with(listener, flags)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    Ok((socket, peer.ok_or(io::ErrorKind::ConnectionAborted)?))
}

fn bind(address: SocketAddr, options: &Sockets) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    if address.is_ipv6() {
        // `::` and `0.0.0.0` are two addresses; each can be mapped on its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    sockopt::apply(SockRef::from(&socket))?;
    sockopt::watch_peer(SockRef::from(&socket), options)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    readable(socket)
}
