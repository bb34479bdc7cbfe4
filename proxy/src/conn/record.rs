//! What is known of one connection while it lives, and its last word.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::tracker::Tracker;
use crate::classify::Introduced;
use crate::config::model::RouteLogs;
use crate::telemetry::{CloseReason, Handshake, Progress, RelayKind, Side, TlsFacts};
use crate::upstream::Seat;

/// Facts of one open connection; shared with whoever lists connections.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) id: u64,
    pub(super) listener: SocketAddr,
    /// The other end of the client's socket.
    pub(super) peer: SocketAddr,
    /// Whose connection it is, where a PROXY header says so.
    pub(super) introduced: OnceLock<Introduced>,
    pub(super) opened: Instant,
    pub(super) mapping: OnceLock<Mapped>,
    /// The name that the client asked for.
    pub(super) sni: OnceLock<Arc<str>>,
    pub(super) tls: OnceLock<Arc<TlsFacts>>,
    pub(super) upstream: OnceLock<SocketAddr>,
    /// Attempts to connect to an endpoint.
    pub(super) attempts: AtomicU32,
    pub(super) upstream_tls: OnceLock<Arc<TlsFacts>>,
    pub(super) relay: OnceLock<Relayed>,
    /// Why the kernel does not carry both directions.
    pub(super) fallback: OnceLock<&'static str>,
    /// Bytes per second, each way.
    pub(super) bandwidth: OnceLock<u64>,
    pub(super) connect_micros: AtomicU64,
    /// Sinks of its route, where it has any, and when it was chosen.
    pub(super) routed: OnceLock<(Arc<RouteLogs>, Duration)>,
    /// Endpoints that were tried, for those sinks.
    pub(super) tried: OnceLock<Vec<SocketAddr>>,
}

/// Which mapping a connection was given to.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) name: Arc<str>,
    pub(super) stats_name: Arc<str>,
}

/// How a connection is relayed.
#[derive(Debug)]
pub(super) struct Relayed {
    pub(super) kind: RelayKind,
    pub(super) progress: Arc<dyn Progress>,
}

/// An open connection's guard: counted while it lives, explained by [`ConnRecord::close`].
#[derive(Debug)]
pub struct ConnRecord {
    facts: Arc<Facts>,
    tracker: Arc<Tracker>,
    reason: CloseReason,
    /// Counts it at its endpoint.
    seat: OnceLock<Seat>,
}

impl Facts {
    /// The client's address.
    pub(super) fn client(&self) -> SocketAddr {
        self.introduced.get().map_or(self.peer, |introduced| introduced.source)
    }
}

impl ConnRecord {
    pub(super) fn new(facts: Arc<Facts>, tracker: Arc<Tracker>) -> Self {
        // A task that is dropped half-way (runtime shutdown) was ended by us.
        Self { facts, tracker, reason: CloseReason::Drained, seat: OnceLock::new() }
    }

    /// Number of the connection, unique in this process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.facts.id
    }

    /// The client's address: what a PROXY header said, else the other end of its socket.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.facts.client()
    }

    /// Whose connection it is, where a PROXY header says so.
    #[must_use]
    pub fn introduction(&self) -> Option<Introduced> {
        self.facts.introduced.get().copied()
    }

    /// Notes what a PROXY header said.
    pub fn introduced(&self, introduced: Introduced) {
        let _ = self.facts.introduced.set(introduced);
    }

    /// The name that the client asked for, where it was looked at.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.facts.sni.get().map(|name| &**name)
    }

    /// The client's TLS, where it ends here.
    #[must_use]
    pub fn client_tls(&self) -> Option<&TlsFacts> {
        self.facts.tls.get().map(|facts| &**facts)
    }

    /// Notes the sinks of its route, where it has any.
    pub fn routed(&self, logs: &Arc<RouteLogs>) {
        if !logs.sinks.is_empty() {
            let _ = self.facts.routed.set((Arc::clone(logs), self.facts.opened.elapsed()));
        }
    }

    /// Notes the mapping that takes the connection.
    pub fn mapped(&self, name: &Arc<str>, stats_name: &Arc<str>) {
        let _ = self.facts.mapping.set(Mapped { name: Arc::clone(name), stats_name: Arc::clone(stats_name) });
    }

    /// Notes the name that the client asked for.
    pub fn asked_for(&self, server_name: Option<&str>) {
        if let Some(name) = server_name {
            let _ = self.facts.sni.set(name.into());
        }
    }

    /// Notes the client's TLS, ended here.
    pub fn terminated(&self, facts: TlsFacts, took: Duration) {
        self.tracker.handshake(Side::Downstream, how(&facts), took);
        let _ = self.facts.tls.set(Arc::new(facts));
    }

    /// Notes the upstream's TLS, begun here.
    pub fn originated(&self, facts: TlsFacts, took: Duration) {
        self.tracker.handshake(Side::Upstream, how(&facts), took);
        let _ = self.facts.upstream_tls.set(Arc::new(facts));
    }

    /// Notes a TLS handshake that came to nothing.
    pub fn handshake_failed(&self, side: Side, took: Duration) {
        self.tracker.handshake(side, Handshake::Failed, took);
    }

    /// Notes which endpoints were tried.
    pub fn attempted(&self, tried: Vec<SocketAddr>) {
        self.facts.attempts.store(u32::try_from(tried.len()).unwrap_or(u32::MAX), Relaxed);
        if self.facts.routed.get().is_some() {
            let _ = self.facts.tried.set(tried);
        }
    }

    /// Notes the upstream's address and how long connecting took, and keeps the connection's place there.
    pub fn connected(&self, upstream: SocketAddr, seat: Seat, took: Duration) {
        let _ = self.facts.upstream.set(upstream);
        let _ = self.seat.set(seat);
        self.facts.connect_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Notes the bytes per second, each way, that the kernel holds it to.
    pub fn paced(&self, bandwidth: NonZeroU64) {
        let _ = self.facts.bandwidth.set(bandwidth.get());
    }

    /// Notes the relay.
    pub fn relayed(&self, kind: RelayKind, progress: Arc<dyn Progress>) {
        let _ = self.facts.relay.set(Relayed { kind, progress });
        self.tracker.relayed(&self.facts);
    }

    /// Notes why the kernel does not carry both directions.
    pub fn fell_back(&self, reason: &'static str) {
        if self.facts.fallback.set(reason).is_ok() {
            self.tracker.fell_back(reason);
        }
    }

    /// Ends the connection: one access-log line, counters, guards released.
    pub fn close(mut self, reason: CloseReason) {
        self.reason = reason;
    }
}

impl Drop for ConnRecord {
    fn drop(&mut self) {
        self.tracker.closed(&self.facts, self.reason);
    }
}

fn how(facts: &TlsFacts) -> Handshake {
    if facts.resumed { Handshake::Resumed } else { Handshake::Full }
}
