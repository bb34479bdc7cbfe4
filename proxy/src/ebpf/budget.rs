//! How much credit all lanes together may hold.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::memory::available;

/// Bytes of credit, taken by lanes as they start and grow, returned as they shrink and end.
///
/// It bounds what the kernel may queue beyond sockets' buffers, memory that neither `tcp_mem`
/// nor a memory cgroup counts.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    /// Takes `bytes`, all or nothing.
    pub fn take(&self, bytes: u64) -> bool {
        self.used
            .try_update(Relaxed, Relaxed, |used| used.checked_add(bytes).filter(|sum| *sum <= self.limit))
            .is_ok()
    }

    /// Whether more than seven eighths are taken: lanes give back what they grew by.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.used() > self.limit / 8 * 7
    }

    /// Returns `bytes` taken before.
    pub fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    /// Bytes taken at the moment.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Bytes there are in all.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }
}

/// min(10 % of memory, 25 % of `tcp_mem`'s ceiling), in bytes; 64 MiB where /proc tells neither. Memory is the
/// machine's, or what a control group leaves of it.
#[must_use]
pub fn default_limit() -> u64 {
    let tcp_mem = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_mem")
        .ok()
        .and_then(|text| text.split_whitespace().nth(2)?.parse::<u64>().ok());
    let page = rustix::param::page_size() as u64;
    [available().map(|bytes| bytes / 10), tcp_mem.map(|pages| pages.saturating_mul(page) / 4)]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(64 << 20)
}
