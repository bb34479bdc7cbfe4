//! One scrape: what is read rather than counted is brought up to date, then all is written out.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, TextEncoder};

use super::super::{
    ConnSnapshot, EndpointSnapshot, KernelMapping, KernelStats, MappingUsage, Resolution, Transfer,
};
use super::{Metrics, ledger, signed};

/// What a scrape reads besides the counters themselves.
pub(in super::super) struct Sources<'a> {
    /// Lists every open connection.
    pub(in super::super) connections: &'a dyn Fn() -> Vec<ConnSnapshot>,
    /// Tells what every mapping has in use.
    pub(in super::super) mappings: &'a dyn Fn() -> Vec<MappingUsage>,
    /// Lists every endpoint in service.
    pub(in super::super) endpoints: &'a dyn Fn() -> Vec<EndpointSnapshot>,
    /// The kernel relay, where there is one.
    pub(in super::super) kernel: Option<&'a dyn KernelStats>,
    /// Everything that is kept resolved.
    pub(in super::super) resolutions: &'a [Resolution],
    /// Access-log lines dropped so far.
    pub(in super::super) lines_lost: u64,
    /// Log lines dropped so far.
    pub(in super::super) log_lines_lost: u64,
}

impl Metrics {
    /// The exposition text of this moment.
    pub(in super::super) fn scrape(&self, sources: &Sources<'_>) -> prometheus::Result<String> {
        let _one_at_a_time = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        // Connections leave the tracker first and the ledger learns of them then: one that closes
        // while they are listed is in the ledger's notes, and one in between is in neither for a
        // moment, in which `raise` keeps the counters where they were.
        self.ledger().begin();
        let live = (sources.connections)();
        for (label, sum) in self.ledger().totals(&live) {
            self.set_bytes(&label, sum);
        }
        self.set_endpoints(&(sources.endpoints)());
        if let Some(kernel) = sources.kernel {
            self.kernel_pairs.set(signed(kernel.pairs()));
            self.kernel_budget.with_label_values(&["used"]).set(signed(kernel.budget_used()));
            self.kernel_budget.with_label_values(&["limit"]).set(signed(kernel.budget_limit()));
            raise(&self.kernel_events_lost, kernel.events_lost());
            self.set_kernel(&kernel.mappings());
        }
        self.usage.set(&(sources.mappings)());
        self.set_resolutions(sources.resolutions);
        raise(&self.lines_lost, sources.lines_lost);
        raise(&self.log_lines_lost, sources.log_lines_lost);
        self.process.refresh();
        let text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        // Afterwards, so that the last word about a mapping is told once.
        self.sweep(&live);
        Ok(text)
    }

    fn set_bytes(&self, mapping: &str, sum: Transfer) {
        for (direction, all, in_kernel) in
            [("received", sum.received, sum.received_in_kernel), ("sent", sum.sent, sum.sent_in_kernel)]
        {
            let user = all.saturating_sub(in_kernel);
            raise(&self.bytes.with_label_values(&[mapping, direction, "kernel"]), in_kernel);
            raise(&self.bytes.with_label_values(&[mapping, direction, "userspace"]), user);
        }
    }

    /// Only what is in service at this moment has series: addresses come and go.
    fn set_endpoints(&self, endpoints: &[EndpointSnapshot]) {
        self.endpoint_up.reset();
        self.endpoint_active.reset();
        for endpoint in endpoints {
            let labels = [&*endpoint.stats_name, &endpoint.endpoint.to_string()];
            // Mappings may share a label.
            let up = self.endpoint_up.with_label_values(&labels);
            up.set(up.get().max(i64::from(endpoint.state == "up")));
            self.endpoint_active.with_label_values(&labels).add(endpoint.active.into());
        }
    }

    fn set_kernel(&self, mappings: &[KernelMapping]) {
        for mapping in mappings.iter().filter(|m| self.ledger().knows(&m.label)) {
            let label = &*mapping.label;
            raise(&self.kernel_bytes.with_label_values(&[label, "received"]), mapping.received);
            raise(&self.kernel_bytes.with_label_values(&[label, "sent"]), mapping.sent);
            raise(&self.kernel_segments.with_label_values(&[label]), mapping.segments);
        }
    }

    /// Names come and go with the configuration, and whoever lists them counts: their series are made anew.
    fn set_resolutions(&self, resolutions: &[Resolution]) {
        self.resolutions.reset();
        self.resolution_age.reset();
        self.endpoints.reset();
        for resolution in resolutions {
            let families = resolution.families.join(",");
            let labels = [&*resolution.name, resolution.source, &families];
            for (result, total) in [
                ("success", resolution.answers),
                ("negative", resolution.negatives),
                ("failure", resolution.failures),
            ] {
                let [name, source, families] = labels;
                self.resolutions.with_label_values(&[name, source, families, result]).inc_by(total);
            }
            if let Some(age) = resolution.age {
                self.resolution_age.with_label_values(&labels).set(age.as_secs_f64());
            }
            self.endpoints.with_label_values(&labels).set(signed(resolution.endpoints.len()));
        }
    }

    /// Removes the series of mappings and listeners that are neither configured nor in use.
    fn sweep(&self, live: &[ConnSnapshot]) {
        let in_use: HashSet<Arc<str>> = live.iter().map(ledger::label).collect();
        let mut ledger = self.ledger();
        for mapping in ledger.forget_mappings(&in_use) {
            self.remove_mapping(&mapping);
        }
        let idle = |l: SocketAddr| self.active.with_label_values(&[l.to_string()]).get() == 0;
        for listener in ledger.forget_listeners(idle) {
            self.remove_listener(listener);
        }
    }

    fn remove_mapping(&self, mapping: &str) {
        remove(&self.connections, "mapping", mapping);
        remove(&self.closed, "mapping", mapping);
        remove(&self.bytes, "mapping", mapping);
        remove(&self.kernel_bytes, "mapping", mapping);
        remove(&self.kernel_segments, "mapping", mapping);
        remove(&self.connect_attempts, "mapping", mapping);
        remove(&self.endpoint_ejections, "mapping", mapping);
        remove(&self.endpoint_checks, "mapping", mapping);
        remove(&self.connection_duration, "mapping", mapping);
        remove(&self.connect_duration, "mapping", mapping);
    }

    fn remove_listener(&self, listener: SocketAddr) {
        let listener = listener.to_string();
        remove(&self.listener_sockets, "listener", &listener);
        remove(&self.accepted, "listener", &listener);
        remove(&self.active, "listener", &listener);
        remove(&self.accept_errors, "listener", &listener);
    }
}

/// Removes every series of a family that has this label.
fn remove<T: MetricVecBuilder>(family: &MetricVec<T>, label: &str, value: &str) {
    for metric in family.collect().iter().flat_map(MetricFamily::get_metric) {
        let labels: HashMap<&str, &str> = metric.get_label().iter().map(|l| (l.name(), l.value())).collect();
        if labels.get(label) == Some(&value) {
            // It was there a moment ago, and only a scrape removes any.
            let _ = family.remove(&labels);
        }
    }
}

/// Brings a counter up to a total read elsewhere; it never goes back.
fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}
