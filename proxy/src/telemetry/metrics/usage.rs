//! What mappings have in use and may have: gauges that are set anew at each scrape.

use prometheus::{GaugeVec, IntGaugeVec, Registry};

use super::super::MappingUsage;
use super::{gauges, names, opts, register, signed};
use crate::config::model::Rate;

#[derive(Debug)]
pub(super) struct Usage {
    connections: IntGaugeVec,
    pending: IntGaugeVec,
    sources: IntGaugeVec,
    limit: GaugeVec,
}

impl Usage {
    pub(super) fn new(r: &Registry) -> prometheus::Result<Self> {
        let limit = &names::MAPPING_LIMIT;
        Ok(Self {
            connections: gauges(r, &names::MAPPING_CONNECTIONS)?,
            pending: gauges(r, &names::MAPPING_PENDING)?,
            sources: gauges(r, &names::MAPPING_SOURCES)?,
            limit: register(r, GaugeVec::new(opts(limit), limit.labels))?,
        })
    }

    /// Mappings of one label are told as one.
    pub(super) fn set(&self, mappings: &[MappingUsage]) {
        for family in [&self.connections, &self.pending, &self.sources] {
            family.reset();
        }
        self.limit.reset();
        for mapping in mappings {
            let label = &[&*mapping.label];
            self.connections.with_label_values(label).add(mapping.connections.into());
            self.pending.with_label_values(label).add(mapping.pending.into());
            self.sources.with_label_values(label).add(signed(mapping.sources));
            self.allow(mapping);
        }
    }

    /// A limit that is not set has no series: no number means "none".
    fn allow(&self, MappingUsage { label, limits, .. }: &MappingUsage) {
        let per_second = |rate: Rate| rate.interval.as_secs_f64().recip();
        let allowed = [
            ("max_connections", limits.connections.map(f64::from)),
            ("max_pending", limits.pending.map(f64::from)),
            ("connection_rate", limits.rate.map(per_second)),
            ("source_connections", limits.source.connections.map(|most| f64::from(most.get()))),
            ("source_rate", limits.source.rate.map(per_second)),
            ("bandwidth", limits.bandwidth.map(|bytes| bytes.get() as f64)),
        ];
        for (limit, allowed) in allowed {
            if let Some(allowed) = allowed {
                self.limit.with_label_values(&[&**label, limit]).add(allowed);
            }
        }
    }
}
