//! How far a kernel relay is: the kernel's counters while it runs, frozen when it ends.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError, Weak};

use crate::ebpf::{Pair, PairEnd};
use crate::telemetry::{Progress, Transfer};

/// Progress of one pair.
#[derive(Debug)]
pub(super) struct KernelProgress {
    /// What the agent wrote to the upstream and to the client.
    written: [AtomicU64; 2],
    /// Lanes are given to other connections, so counters are read under this lock, and never
    /// after the end was recorded.
    live: Mutex<Weak<Pair>>,
    last: OnceLock<Transfer>,
}

impl KernelProgress {
    pub(super) fn new(pair: Weak<Pair>) -> Self {
        Self { written: Default::default(), live: Mutex::new(pair), last: OnceLock::new() }
    }

    pub(super) fn wrote(&self, source: PairEnd, total: u64) {
        self.written[source.index()].store(total, Relaxed);
    }

    /// Records the last word, before the pair is taken apart.
    pub(super) fn freeze(&self, pair: &Pair) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.last.set(self.read(pair));
        *live = Weak::new();
    }

    fn read(&self, pair: &Pair) -> Transfer {
        let [received, sent] = PairEnd::BOTH.map(|end| pair.lane(end).redirected());
        Transfer {
            received: received + self.written[0].load(Relaxed),
            sent: sent + self.written[1].load(Relaxed),
            received_in_kernel: received,
            sent_in_kernel: sent,
        }
    }
}

impl Progress for KernelProgress {
    fn transfer(&self) -> Transfer {
        if let Some(last) = self.last.get() {
            return *last;
        }
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        match live.upgrade() {
            Some(pair) => self.read(&pair),
            None => self.last.get().copied().unwrap_or_default(),
        }
    }
}
