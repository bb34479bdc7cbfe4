//! What each client has: an IPv4 address, or the /64 of an IPv6 address, which is what one host is given.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::bucket;
use crate::config::model::SourceLimits;

/// Clients without an open connection that are remembered for their rate, before they are forgotten: whoever
/// comes from more addresses than these within their buckets' time is not bounded by address anyway.
const MOST: usize = 1 << 16;

/// The smallest table worth a look for clients that can be forgotten.
const FEW: usize = 1 << 10;

/// What clients have, for as long as it matters. Memory is bounded: by the open connections, and
/// by 131,072 entries of 40 bytes beside them.
#[derive(Debug)]
pub struct Sources {
    begun: Instant,
    table: Mutex<Table>,
}

/// Which limit of a client was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// On open connections.
    Connections,
    /// On new connections.
    Rate,
}

/// One of the connections of a client, for as long as it lives.
#[derive(Debug)]
pub struct Seat {
    sources: Arc<Sources>,
    source: Source,
}

#[derive(Debug)]
struct Table {
    known: HashMap<Source, Known>,
    /// How many may be known before those that do not matter are looked for.
    look_at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4(Ipv4Addr),
    /// The upper 64 bits.
    V6(u64),
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    open: u32,
    /// See [`bucket::take`].
    full_at: u64,
}

impl Default for Sources {
    fn default() -> Self {
        Self { begun: Instant::now(), table: Mutex::new(Table { known: HashMap::new(), look_at: FEW }) }
    }
}

impl Sources {
    /// Takes a seat for a client's connection; `None` where nothing is limited, and so nothing remembered.
    ///
    /// # Errors
    /// The limit that the client has reached.
    pub fn take(self: &Arc<Self>, client: IpAddr, limits: &SourceLimits) -> Result<Option<Seat>, Excess> {
        if *limits == SourceLimits::default() {
            return Ok(None);
        }
        let (source, now) = (Source::of(client), self.now());
        let mut table = self.table();
        if table.known.len() >= table.look_at {
            table.forget(now);
        }
        let mut known = table.known.get(&source).copied().unwrap_or_default();
        if limits.connections.is_some_and(|most| known.open >= most.get()) {
            return Err(Excess::Connections);
        }
        if let Some(rate) = &limits.rate {
            known.full_at = bucket::take(known.full_at, rate, now).ok_or(Excess::Rate)?;
        }
        known.open += 1;
        table.known.insert(source, known);
        Ok(Some(Seat { sources: Arc::clone(self), source }))
    }

    /// How many clients are remembered.
    #[must_use]
    pub fn known(&self) -> usize {
        self.table().known.len()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Forgets clients that have nothing open and a full bucket, as those have that were never seen; and
    /// all that have nothing open, where too many are left.
    fn forget(&mut self, now: u64) {
        self.known.retain(|_, known| known.open > 0 || known.full_at > now);
        if self.known.len() >= MOST {
            self.known.retain(|_, known| known.open > 0);
        }
        self.look_at = (self.known.len() * 2).max(FEW);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let now = self.sources.now();
        let mut table = self.sources.table();
        let Some(known) = table.known.get_mut(&self.source) else { return };
        known.open -= 1;
        if known.open == 0 && known.full_at <= now {
            table.known.remove(&self.source);
        }
    }
}

impl Source {
    fn of(client: IpAddr) -> Self {
        match client.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments().map(u64::from);
                Self::V6(a << 48 | b << 32 | c << 16 | d)
            }
        }
    }
}
