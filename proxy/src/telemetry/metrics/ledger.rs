//! What closed connections moved, and which labels are in use.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::super::{ConnSnapshot, Transfer};

/// The label of connections that no mapping took.
const NO_MAPPING: &str = "none";

/// Sums of closed connections, per mapping label.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sums: HashMap<Arc<str>, Transfer>,
    mappings: HashSet<Arc<str>>,
    listeners: HashSet<SocketAddr>,
    /// Listeners of earlier configurations whose series are still there.
    retired_listeners: HashSet<SocketAddr>,
    /// While a scrape lists open connections: those that closed meanwhile, and are in `sums`.
    closed_meanwhile: Option<HashSet<u64>>,
}

impl Ledger {
    /// The label of a connection's mapping, remembered for its removal.
    pub(super) fn know(&mut self, conn: &ConnSnapshot) -> Arc<str> {
        let label = label(conn);
        self.sums.entry(Arc::clone(&label)).or_default();
        label
    }

    /// Adds what a connection moved in all.
    pub(super) fn close(&mut self, conn: &ConnSnapshot) -> Arc<str> {
        let label = self.know(conn);
        self.sums.entry(Arc::clone(&label)).and_modify(|sum| add(sum, conn));
        if let Some(meanwhile) = &mut self.closed_meanwhile {
            meanwhile.insert(conn.id);
        }
        label
    }

    /// Takes the labels of a configuration in place of those of the one before.
    pub(super) fn configure<'a>(
        &mut self,
        listeners: impl Iterator<Item = SocketAddr>,
        mappings: impl Iterator<Item = &'a Arc<str>>,
    ) {
        let before = std::mem::replace(&mut self.listeners, listeners.collect());
        self.retired_listeners.extend(before);
        self.retired_listeners.retain(|l| !self.listeners.contains(l));
        self.mappings = mappings.map(Arc::clone).collect();
        for label in &self.mappings {
            self.sums.entry(Arc::clone(label)).or_default();
        }
    }

    /// Whether a label is configured, or was and is not forgotten yet.
    pub(super) fn knows(&self, label: &str) -> bool {
        self.sums.contains_key(label)
    }

    /// Begins a scrape: from now on, closing connections are noted by number.
    pub(super) fn begin(&mut self) {
        self.closed_meanwhile = Some(HashSet::new());
    }

    /// Ends a scrape: the bytes of every label, each connection of `live` counted once, whether it
    /// closed since it was listed or not.
    pub(super) fn totals(&mut self, live: &[ConnSnapshot]) -> HashMap<Arc<str>, Transfer> {
        let closed = self.closed_meanwhile.take().unwrap_or_default();
        for conn in live.iter().filter(|c| c.relay.is_some()) {
            self.know(conn);
        }
        let mut totals = self.sums.clone();
        for conn in live.iter().filter(|c| !closed.contains(&c.id)) {
            totals.entry(label(conn)).and_modify(|sum| add(sum, conn));
        }
        totals
    }

    /// Forgets labels that are neither configured nor `live`, and returns them.
    pub(super) fn forget_mappings(&mut self, live: &HashSet<Arc<str>>) -> Vec<Arc<str>> {
        let gone = |l: &Arc<str>| !self.mappings.contains(l) && !live.contains(l) && **l != *NO_MAPPING;
        let gone: Vec<_> = self.sums.keys().filter(|l| gone(l)).map(Arc::clone).collect();
        self.sums.retain(|label, _| !gone.contains(label));
        gone
    }

    /// Forgets listeners that are not configured and for which `idle` holds, and returns them.
    pub(super) fn forget_listeners(&mut self, idle: impl Fn(SocketAddr) -> bool) -> Vec<SocketAddr> {
        self.retired_listeners.extract_if(|l| idle(*l)).collect()
    }
}

/// The label of a connection's mapping.
pub(super) fn label(conn: &ConnSnapshot) -> Arc<str> {
    conn.stats_name.as_ref().map_or_else(|| NO_MAPPING.into(), Arc::clone)
}

fn add(sum: &mut Transfer, conn: &ConnSnapshot) {
    sum.received += conn.received;
    sum.sent += conn.sent;
    sum.received_in_kernel += conn.received_in_kernel;
    sum.sent_in_kernel += conn.sent_in_kernel;
}
