//! Everything that is counted, and its exposition for Prometheus.

mod ledger;
mod process;
mod scrape;
#[cfg(test)]
mod tests;
mod usage;

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::names::{self, Metric};
use super::{Attempt, CloseReason, ConnSnapshot, Handshake, RelayKind, Side};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::model::{Config, LogDestination};
use ledger::Ledger;
use process::Process;
pub(super) use scrape::Sources;
use usage::Usage;

/// From a refused request to a connection that lives for a week.
const DURATIONS: [f64; 10] = [0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0, 604_800.0];

/// From a neighbour on the same host to the usual connect timeouts.
const CONNECTS: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The metric families with a registry of their own.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    /// One scrape at a time: each brings counters up to date from what it sees.
    scraping: Mutex<()>,
    /// Also what orders events and the removal of series.
    ledger: Mutex<Ledger>,
    accepted: IntCounterVec,
    active: IntGaugeVec,
    accept_errors: IntCounterVec,
    refused: IntCounterVec,
    connections: IntCounterVec,
    closed: IntCounterVec,
    bytes: IntCounterVec,
    connection_duration: HistogramVec,
    connect_duration: HistogramVec,
    connect_attempts: IntCounterVec,
    endpoint_up: IntGaugeVec,
    endpoint_active: IntGaugeVec,
    endpoint_ejections: IntCounterVec,
    endpoint_checks: IntCounterVec,
    fallbacks: IntCounterVec,
    handshakes: IntCounterVec,
    handshake_duration: HistogramVec,
    certificate_expiry: IntGaugeVec,
    resolutions: IntCounterVec,
    resolution_age: GaugeVec,
    endpoints: IntGaugeVec,
    reloads: IntCounterVec,
    reload_success: Gauge,
    diagnostics: IntGaugeVec,
    listeners: IntGauge,
    listener_sockets: IntGaugeVec,
    mappings: IntGauge,
    kernel_pairs: IntGauge,
    kernel_budget: IntGaugeVec,
    kernel_events_lost: IntCounter,
    kernel_bytes: IntCounterVec,
    kernel_segments: IntCounterVec,
    integrity_failures: IntCounter,
    lines_lost: IntCounter,
    log_lines_lost: IntCounter,
    log_sink_lines: IntCounterVec,
    usage: Usage,
    process: Process,
}

impl Metrics {
    /// Every family, all at zero.
    pub(super) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        let features = if cfg!(feature = "ebpf") { "ebpf" } else { "none" };
        gauges(r, &names::BUILD_INFO)?.with_label_values(&[env!("CARGO_PKG_VERSION"), features]).set(1);
        Ok(Self {
            accepted: counters(r, &names::ACCEPTED)?,
            active: gauges(r, &names::ACTIVE)?,
            accept_errors: counters(r, &names::ACCEPT_ERRORS)?,
            refused: counters(r, &names::REFUSED)?,
            connections: counters(r, &names::CONNECTIONS)?,
            closed: counters(r, &names::CLOSED)?,
            bytes: counters(r, &names::BYTES)?,
            connection_duration: histograms(r, &names::CONNECTION_DURATION, &DURATIONS)?,
            connect_duration: histograms(r, &names::CONNECT_DURATION, &CONNECTS)?,
            connect_attempts: counters(r, &names::CONNECT_ATTEMPTS)?,
            endpoint_up: gauges(r, &names::ENDPOINT_UP)?,
            endpoint_active: gauges(r, &names::ENDPOINT_ACTIVE)?,
            endpoint_ejections: counters(r, &names::ENDPOINT_EJECTIONS)?,
            endpoint_checks: counters(r, &names::ENDPOINT_CHECKS)?,
            fallbacks: counters(r, &names::FALLBACKS)?,
            handshakes: counters(r, &names::TLS_HANDSHAKES)?,
            handshake_duration: histograms(r, &names::TLS_HANDSHAKE_DURATION, &CONNECTS)?,
            certificate_expiry: gauges(r, &names::CERTIFICATE_EXPIRY)?,
            resolutions: counters(r, &names::RESOLUTIONS)?,
            resolution_age: register(
                r,
                GaugeVec::new(opts(&names::RESOLUTION_AGE), names::RESOLUTION_AGE.labels),
            )?,
            endpoints: gauges(r, &names::ENDPOINTS)?,
            reloads: counters(r, &names::RELOADS)?,
            reload_success: register(r, Gauge::with_opts(opts(&names::RELOAD_SUCCESS)))?,
            diagnostics: gauges(r, &names::DIAGNOSTICS)?,
            listeners: register(r, IntGauge::with_opts(opts(&names::LISTENERS)))?,
            listener_sockets: gauges(r, &names::LISTENER_SOCKETS)?,
            mappings: register(r, IntGauge::with_opts(opts(&names::MAPPINGS)))?,
            kernel_pairs: register(r, IntGauge::with_opts(opts(&names::KERNEL_PAIRS)))?,
            kernel_budget: gauges(r, &names::KERNEL_BUDGET)?,
            kernel_bytes: counters(r, &names::KERNEL_BYTES)?,
            kernel_segments: counters(r, &names::KERNEL_SEGMENTS)?,
            kernel_events_lost: register(r, IntCounter::with_opts(opts(&names::KERNEL_EVENTS_LOST)))?,
            integrity_failures: register(r, IntCounter::with_opts(opts(&names::KERNEL_INTEGRITY_FAILURES)))?,
            lines_lost: register(r, IntCounter::with_opts(opts(&names::LINES_LOST)))?,
            log_lines_lost: register(r, IntCounter::with_opts(opts(&names::LOG_LINES_LOST)))?,
            log_sink_lines: counters(r, &names::LOG_SINK_LINES)?,
            usage: Usage::new(r)?,
            process: Process::new(r)?,
            scraping: Mutex::default(),
            ledger: Mutex::default(),
            registry,
        }
        .with_known())
    }

    /// What has few labels, all known, is counted from 0, so that a first one is an increase.
    fn with_known(self) -> Self {
        for side in [Side::Downstream, Side::Upstream] {
            for how in Handshake::ALL {
                self.handshakes.with_label_values(&[side.as_str(), how.as_str()]);
            }
            self.handshake_duration.with_label_values(&[side.as_str()]);
        }
        for kind in LogDestination::WORDS {
            for result in ["written", "dropped"] {
                self.log_sink_lines.with_label_values(&[kind, result]);
            }
        }
        self
    }

    pub(super) fn sunk(&self, kind: &str, result: &str, lines: u64) {
        self.log_sink_lines.with_label_values(&[kind, result]).inc_by(lines);
    }

    pub(super) fn accepted(&self, listener: SocketAddr) {
        self.accepted.with_label_values(&[listener.to_string()]).inc();
    }

    pub(super) fn listening(&self, listener: SocketAddr, sockets: usize) {
        self.listener_sockets.with_label_values(&[listener.to_string()]).set(signed(sockets));
    }

    pub(super) fn sockets(&self, listener: SocketAddr) -> i64 {
        self.listener_sockets.with_label_values(&[listener.to_string()]).get()
    }

    pub(super) fn accept_error(&self, listener: SocketAddr, reason: &str) {
        self.accept_errors.with_label_values(&[&listener.to_string(), reason]).inc();
    }

    pub(super) fn refused(&self, limit: &str) {
        self.refused.with_label_values(&[limit]).inc();
    }

    pub(super) fn opened(&self, conn: &ConnSnapshot) {
        let _order = self.ledger();
        self.active.with_label_values(&[conn.listener.to_string()]).inc();
    }

    pub(super) fn relayed(&self, conn: &ConnSnapshot) {
        let mut ledger = self.ledger();
        let label = ledger.know(conn);
        let connect = Duration::from_micros(conn.connect_us);
        self.connections.with_label_values(&[&*label, conn.relay.unwrap_or("none")]).inc();
        self.connect_duration.with_label_values(&[&*label]).observe(connect.as_secs_f64());
    }

    pub(super) fn attempted(&self, label: &str, attempt: Attempt) {
        self.connect_attempts.with_label_values(&[label, attempt.as_str()]).inc();
    }

    pub(super) fn ejected(&self, label: &str) {
        self.endpoint_ejections.with_label_values(&[label]).inc();
    }

    pub(super) fn checked(&self, label: &str, good: bool) {
        self.endpoint_checks.with_label_values(&[label, result(good)]).inc();
    }

    pub(super) fn fell_back(&self, reason: &str) {
        self.fallbacks.with_label_values(&[reason]).inc();
    }

    pub(super) fn handshake(&self, side: Side, how: Handshake, took: Duration) {
        self.handshakes.with_label_values(&[side.as_str(), how.as_str()]).inc();
        if how != Handshake::Failed {
            self.handshake_duration.with_label_values(&[side.as_str()]).observe(took.as_secs_f64());
        }
    }

    pub(super) fn closed(&self, conn: &ConnSnapshot, reason: CloseReason) {
        if reason == CloseReason::Integrity {
            self.integrity_failures.inc();
        }
        let mut ledger = self.ledger();
        let label = ledger.close(conn);
        let duration = Duration::from_millis(conn.duration_ms);
        self.active.with_label_values(&[conn.listener.to_string()]).dec();
        self.closed.with_label_values(&[&*label, reason.as_str(), reason.side().as_str()]).inc();
        self.connection_duration.with_label_values(&[&*label]).observe(duration.as_secs_f64());
    }

    /// A configuration went into service. Its series exist from now on, so that a first event is
    /// an increase; those of what it left out go with their last connection.
    pub(super) fn config_loaded(&self, config: &Config, diagnostics: &[Diagnostic]) {
        let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
        for (word, severity) in
            [("info", Severity::Info), ("warning", Severity::Warning), ("error", Severity::Error)]
        {
            self.diagnostics.with_label_values(&[word]).set(signed(count(severity)));
        }
        let clean = count(Severity::Error) == 0;
        let results = ["success", "partial"].map(|result| self.reloads.with_label_values(&[result]));
        results[usize::from(!clean)].inc();
        if clean {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.reload_success.set(now.as_secs_f64());
        }

        self.certificate_expiry.reset();
        for identity in config.identities() {
            // One source may be in service twice while a reload reads a file that is being replaced.
            self.certificate_expiry.with_label_values(&[&*identity.source]).set(identity.expires);
        }

        self.listeners.set(signed(config.listeners.len()));
        self.mappings.set(signed(config.mappings().count()));
        let mut ledger = self.ledger();
        ledger.configure(config.listeners.iter().map(|l| l.bind), config.mappings().map(|m| &m.stats_name));
        for mapping in config.mappings() {
            self.create(&mapping.stats_name);
        }
        for listener in &config.listeners {
            let label = [listener.bind.to_string()];
            self.listener_sockets.with_label_values(&label);
            self.accepted.with_label_values(&label);
            self.active.with_label_values(&label);
        }
    }

    fn create(&self, mapping: &str) {
        for kind in RelayKind::ALL {
            self.connections.with_label_values(&[mapping, kind.as_str()]);
        }
        for reason in CloseReason::ALL {
            self.closed.with_label_values(&[mapping, reason.as_str(), reason.side().as_str()]);
        }
        for attempt in Attempt::ALL {
            self.connect_attempts.with_label_values(&[mapping, attempt.as_str()]);
        }
        for good in [true, false] {
            self.endpoint_checks.with_label_values(&[mapping, result(good)]);
        }
        self.endpoint_ejections.with_label_values(&[mapping]);
        self.connection_duration.with_label_values(&[mapping]);
        self.connect_duration.with_label_values(&[mapping]);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a check of an endpoint ended.
fn result(good: bool) -> &'static str {
    if good { "success" } else { "failure" }
}

fn opts(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let collector = made?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn counters(registry: &Registry, metric: &Metric) -> prometheus::Result<IntCounterVec> {
    register(registry, IntCounterVec::new(opts(metric), metric.labels))
}

fn gauges(registry: &Registry, metric: &Metric) -> prometheus::Result<IntGaugeVec> {
    register(registry, IntGaugeVec::new(opts(metric), metric.labels))
}

fn histograms(registry: &Registry, metric: &Metric, buckets: &[f64]) -> prometheus::Result<HistogramVec> {
    let opts = HistogramOpts::new(metric.name, metric.help).buckets(buckets.to_vec());
    register(registry, HistogramVec::new(opts, metric.labels))
}

/// Prometheus' integers are signed; what is counted here never comes near the end of them.
fn signed(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}
