//! The kernel relay's account of itself, for metrics.

use crate::ebpf::Datapath;
use crate::telemetry::{KernelMapping, KernelStats};

impl KernelStats for Datapath {
    fn pairs(&self) -> u64 {
        self.pairs() as u64
    }

    fn budget_used(&self) -> u64 {
        self.budget().used()
    }

    fn budget_limit(&self) -> u64 {
        self.budget().limit()
    }

    fn events_lost(&self) -> u64 {
        self.events_lost()
    }

    fn mappings(&self) -> Vec<KernelMapping> {
        let totals = self.mappings().totals().into_iter();
        totals
            .map(|(label, total)| KernelMapping {
                label,
                received: total.received,
                sent: total.sent,
                segments: total.segments,
            })
            .collect()
    }
}
