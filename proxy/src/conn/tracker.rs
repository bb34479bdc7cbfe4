//! Every open connection: counted, bounded, listed, reported at close.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::record::{ConnRecord, Facts};
use crate::telemetry::{CloseReason, ConnSnapshot, Handshake, Routed, Side, Telemetry, Transfer};

/// A connection over the limit: how many are open, and which limit it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The limit that was reached.
    pub limit: u32,
}

/// The registry of open connections.
#[derive(Debug)]
pub struct Tracker {
    limit: u32,
    next_id: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Facts>>>,
    active: watch::Sender<usize>,
    telemetry: Telemetry,
}

impl Tracker {
    /// A tracker that admits at most `limit` connections at a time.
    #[must_use]
    pub fn new(limit: u32, telemetry: Telemetry) -> Arc<Self> {
        Arc::new(Self {
            limit,
            next_id: AtomicU64::new(1),
            open: Mutex::default(),
            active: watch::Sender::new(0),
            telemetry,
        })
    }

    /// Admits a connection.
    ///
    /// # Errors
    /// The limit on open connections, when it is reached.
    pub fn open(self: &Arc<Self>, listener: SocketAddr, peer: SocketAddr) -> Result<ConnRecord, Refused> {
        let facts = Arc::new(Facts {
            id: self.next_id.fetch_add(1, Relaxed),
            listener,
            peer,
            introduced: OnceLock::new(),
            opened: Instant::now(),
            mapping: OnceLock::new(),
            sni: OnceLock::new(),
            tls: OnceLock::new(),
            upstream: OnceLock::new(),
            attempts: AtomicU32::new(0),
            upstream_tls: OnceLock::new(),
            relay: OnceLock::new(),
            fallback: OnceLock::new(),
            bandwidth: OnceLock::new(),
            connect_micros: AtomicU64::new(0),
            routed: OnceLock::new(),
            tried: OnceLock::new(),
        });
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.len() >= self.limit as usize {
                return Err(Refused { limit: self.limit });
            }
            open.insert(facts.id, Arc::clone(&facts));
        }
        self.active.send_modify(|n| *n += 1);
        self.telemetry.opened(&snapshot(&facts));
        Ok(ConnRecord::new(facts, Arc::clone(self)))
    }

    /// How many are open.
    #[must_use]
    pub fn active(&self) -> usize {
        *self.active.borrow()
    }

    /// The limit on open connections.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Resolves once nothing is open.
    pub async fn idle(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.active.subscribe().wait_for(|n| *n == 0).await;
    }

    /// Every open connection, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<ConnSnapshot> {
        let mut facts: Vec<_> = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.values().map(Arc::clone).collect()
        };
        facts.sort_by_key(|f| f.id);
        facts.iter().map(|f| snapshot(f)).collect()
    }

    pub(super) fn relayed(&self, facts: &Facts) {
        self.telemetry.relayed(&snapshot(facts));
    }

    pub(super) fn handshake(&self, side: Side, how: Handshake, took: Duration) {
        self.telemetry.handshake(side, how, took);
    }

    pub(super) fn fell_back(&self, reason: &'static str) {
        self.telemetry.fell_back(reason);
    }

    /// The order matters: no longer listed, then accounted for, so that no scrape counts it twice;
    /// and only then gone, so that a drain waits for its line in the access log.
    pub(super) fn closed(&self, facts: &Facts, reason: CloseReason) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&facts.id);
        self.telemetry.closed(&snapshot(facts), reason);
        self.active.send_modify(|n| *n -= 1);
    }
}

fn snapshot(facts: &Facts) -> ConnSnapshot {
    let relay = facts.relay.get();
    let Transfer { received, sent, received_in_kernel, sent_in_kernel } =
        relay.map(|r| r.progress.transfer()).unwrap_or_default();
    ConnSnapshot {
        id: facts.id,
        listener: facts.listener,
        peer: facts.client(),
        proxy: facts.introduced.get().map(|_| facts.peer),
        mapping: facts.mapping.get().map(|m| Arc::clone(&m.name)),
        stats_name: facts.mapping.get().map(|m| Arc::clone(&m.stats_name)),
        sni: facts.sni.get().map(Arc::clone),
        tls: facts.tls.get().map(Arc::clone),
        upstream: facts.upstream.get().copied(),
        attempts: facts.attempts.load(Relaxed),
        upstream_tls: facts.upstream_tls.get().map(Arc::clone),
        relay: relay.map(|r| r.kind.as_str()),
        fallback: facts.fallback.get().copied(),
        bandwidth: facts.bandwidth.get().copied(),
        received,
        sent,
        received_in_kernel,
        sent_in_kernel,
        duration_ms: millis(facts.opened.elapsed()),
        connect_us: facts.connect_micros.load(Relaxed),
        routed: facts.routed.get().map(|(logs, after)| Routed {
            logs: Arc::clone(logs),
            after_us: u64::try_from(after.as_micros()).unwrap_or(u64::MAX),
            tried: facts.tried.get().cloned().unwrap_or_default(),
        }),
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
