//! The handle by which every other room reports what happens.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::access_log::{AccessLog, Event, account};
use super::logging::{self, LogError, LogHandle};
use super::metrics::{Metrics, Sources};
use super::queue;
use super::{
    Attempt, CloseReason, ConnSnapshot, EndpointSnapshot, Handshake, MappingUsage, Resolution, Side,
};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Config, LogSink};
use crate::config::settings;

/// What the kernel relay tells at a scrape.
pub trait KernelStats: Send + Sync {
    /// Connections in its tables.
    fn pairs(&self) -> u64;
    /// Bytes of credit handed out.
    fn budget_used(&self) -> u64;
    /// Bytes of credit there are.
    fn budget_limit(&self) -> u64;
    /// Calls to the agent that found the ring full.
    fn events_lost(&self) -> u64;
    /// What it counted per mapping.
    fn mappings(&self) -> Vec<KernelMapping>;
}

/// What the kernel program itself counted for the mappings of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelMapping {
    /// The mappings' metric label.
    pub label: Arc<str>,
    /// Bytes redirected from clients.
    pub received: u64,
    /// Bytes redirected from upstreams.
    pub sent: u64,
    /// Segments redirected, both directions.
    pub segments: u64,
}

/// Lists every open connection.
pub(super) type Connections = Box<dyn Fn() -> Vec<ConnSnapshot> + Send + Sync>;

/// Tells what every mapping has in use.
type Mappings = Box<dyn Fn() -> Vec<MappingUsage> + Send + Sync>;
/// Lists every endpoint in service.
type Endpoints = Box<dyn Fn() -> Vec<EndpointSnapshot> + Send + Sync>;
/// Lists everything that is kept resolved.
type Resolutions = Box<dyn Fn() -> Vec<Resolution> + Send + Sync>;
/// Takes a line for a sink.
type Sinks = Box<dyn Fn(&Arc<LogSink>, &Arc<str>) + Send + Sync>;

/// Handle to everything that is measured or written; clones share. The default counts, and writes
/// nothing.
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    metrics: Metrics,
    access: Option<AccessLog>,
    log: LogHandle,
    connections: Arc<OnceLock<Connections>>,
    endpoints: OnceLock<Endpoints>,
    kernel: OnceLock<Arc<dyn KernelStats>>,
    mappings: OnceLock<Mappings>,
    resolutions: OnceLock<Resolutions>,
    sinks: OnceLock<Sinks>,
    /// Reasons against the kernel relay that were logged.
    explained: Mutex<HashSet<&'static str>>,
}

/// Writes what is left of both logs when dropped, for at most two seconds each.
#[derive(Debug)]
#[must_use = "dropping it ends the logs"]
pub struct Guard {
    // In this order, as the first may have something to say in the second.
    _access: queue::Guard,
    _log: queue::Guard,
}

impl Telemetry {
    /// Starts logging to standard error and the access log to standard output, once in a process.
    /// The guard flushes both: it is to be dropped last.
    ///
    /// # Errors
    /// A filter that is none, or a second call.
    pub fn new(log: &settings::Log) -> Result<(Self, Guard), LogError> {
        let (handle, log_guard) = logging::install(log)?;
        let connections: Arc<OnceLock<Connections>> = Arc::default();
        let (access, access_guard) = AccessLog::start(log, std::io::stdout(), Arc::clone(&connections));
        let guard = Guard { _access: access_guard, _log: log_guard };
        Ok((Self::with(Some(access), handle, connections), guard))
    }

    pub(super) fn with(
        access: Option<AccessLog>,
        log: LogHandle,
        connections: Arc<OnceLock<Connections>>,
    ) -> Self {
        let metrics = Metrics::new().expect("names and labels are constants that the tests prove");
        let inner = Inner {
            metrics,
            access,
            log,
            connections,
            endpoints: OnceLock::new(),
            kernel: OnceLock::new(),
            mappings: OnceLock::new(),
            resolutions: OnceLock::new(),
            sinks: OnceLock::new(),
            explained: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where open connections are listed from; the first call counts.
    pub fn connections(&self, source: impl Fn() -> Vec<ConnSnapshot> + Send + Sync + 'static) {
        let _ = self.inner.connections.set(Box::new(source));
    }

    /// Where endpoints are listed from; the first call counts.
    pub fn endpoints(&self, source: impl Fn() -> Vec<EndpointSnapshot> + Send + Sync + 'static) {
        let _ = self.inner.endpoints.set(Box::new(source));
    }

    /// Where the kernel relay tells how it is; the first call counts.
    pub fn kernel(&self, source: Arc<dyn KernelStats>) {
        let _ = self.inner.kernel.set(source);
    }

    /// Where mappings tell what they have in use; the first call counts.
    pub fn mappings(&self, source: impl Fn() -> Vec<MappingUsage> + Send + Sync + 'static) {
        let _ = self.inner.mappings.set(Box::new(source));
    }

    /// Where names and their addresses are listed from; the first call counts.
    pub fn resolutions_from(&self, source: impl Fn() -> Vec<Resolution> + Send + Sync + 'static) {
        let _ = self.inner.resolutions.set(Box::new(source));
    }

    /// Who takes lines for sinks of routes; the first call counts.
    pub fn sinks(&self, take: impl Fn(&Arc<LogSink>, &Arc<str>) + Send + Sync + 'static) {
        let _ = self.inner.sinks.set(Box::new(take));
    }

    /// A sink of this kind took so many lines.
    pub fn lines_written(&self, kind: &str, lines: u64) {
        self.inner.metrics.sunk(kind, "written", lines);
    }

    /// So many lines for a sink of this kind were dropped.
    pub fn lines_dropped(&self, kind: &str, lines: u64) {
        self.inner.metrics.sunk(kind, "dropped", lines);
    }

    /// Everything that is kept resolved, by name.
    #[must_use]
    pub fn resolutions(&self) -> Vec<Resolution> {
        self.inner.resolutions.get().map(|list| list()).unwrap_or_default()
    }

    /// What is logged, and how to change that.
    #[must_use]
    pub fn log(&self) -> &LogHandle {
        &self.inner.log
    }

    /// A client's connection was taken from a listener's queue.
    pub fn accepted(&self, listener: SocketAddr) {
        self.inner.metrics.accepted(listener);
    }

    /// So many sockets accept on a listener from now on.
    pub fn listening(&self, listener: SocketAddr, sockets: usize) {
        self.inner.metrics.listening(listener, sockets);
    }

    /// How many sockets accept on a listener.
    #[must_use]
    pub fn sockets(&self, listener: SocketAddr) -> i64 {
        self.inner.metrics.sockets(listener)
    }

    /// Accepting failed.
    pub fn accept_error(&self, listener: SocketAddr, reason: &'static str) {
        self.inner.metrics.accept_error(listener, reason);
    }

    /// A connection was reset because of a limit: `total`, `listener` or `source`.
    pub fn refused(&self, limit: &'static str) {
        self.inner.metrics.refused(limit);
    }

    /// A connection was admitted.
    pub fn opened(&self, conn: &ConnSnapshot) {
        self.inner.metrics.opened(conn);
        self.write(Event::Open, conn);
    }

    /// A connection's relay was chosen.
    pub fn relayed(&self, conn: &ConnSnapshot) {
        self.inner.metrics.relayed(conn);
    }

    /// The kernel does not carry both directions of a connection.
    pub fn fell_back(&self, reason: &'static str) {
        self.inner.metrics.fell_back(reason);
        self.explain(reason);
    }

    /// An attempt to connect for the mapping with this label ended.
    pub fn attempted(&self, label: &str, attempt: Attempt) {
        self.inner.metrics.attempted(label, attempt);
    }

    /// An endpoint of the mapping with this label was ejected.
    pub fn ejected(&self, label: &str) {
        self.inner.metrics.ejected(label);
    }

    /// A check of an endpoint of the mapping with this label ended.
    pub fn checked(&self, label: &str, good: bool) {
        self.inner.metrics.checked(label, good);
    }

    /// A TLS handshake with the peer on `side` ended, after this long.
    pub fn handshake(&self, side: Side, how: Handshake, took: Duration) {
        self.inner.metrics.handshake(side, how, took);
    }

    /// A connection ended, and is no longer among those that are listed.
    pub fn closed(&self, conn: &ConnSnapshot, reason: CloseReason) {
        self.inner.metrics.closed(conn, reason);
        self.write(Event::Close(reason), conn);
        if let (Some(routed), Some(take)) = (&conn.routed, self.inner.sinks.get()) {
            let line = account(conn, routed, reason).into();
            for sink in &routed.logs.sinks {
                take(sink, &line);
            }
        }
    }

    /// A configuration went into service.
    pub fn config_loaded(&self, config: &Config, diagnostics: &[Diagnostic]) {
        self.inner.metrics.config_loaded(config, diagnostics);
    }

    /// Every metric, in Prometheus' text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let inner = &*self.inner;
        let sources = Sources {
            connections: &|| inner.connections.get().map(|list| list()).unwrap_or_default(),
            mappings: &|| inner.mappings.get().map(|tell| tell()).unwrap_or_default(),
            endpoints: &|| inner.endpoints.get().map(|list| list()).unwrap_or_default(),
            kernel: inner.kernel.get().map(Arc::as_ref),
            resolutions: &self.resolutions(),
            log_lines_lost: inner.log.lost(),
            lines_lost: inner.access.as_ref().map_or(0, AccessLog::lost),
        };
        inner.metrics.scrape(&sources).unwrap_or_else(|error| {
            tracing::error!(%error, "metrics could not be written out");
            String::new()
        })
    }

    fn write(&self, event: Event, conn: &ConnSnapshot) {
        if let Some(access) = &self.inner.access {
            access.write(event, conn);
        }
    }

    /// Says once why the kernel does not relay; how often is in the metrics.
    fn explain(&self, reason: &'static str) {
        if !self.inner.explained.lock().unwrap_or_else(PoisonError::into_inner).insert(reason) {
            return;
        }
        let what = "a connection is not, or not all, relayed in the kernel; further ones are only counted";
        match reason {
            // As somebody wants it, as was said at the start, and as is cheapest.
            "configured" | "switched_off" | "unavailable" | "short" | "rush" => {
                tracing::info!(reason, "{what}")
            }
            _ => tracing::warn!(reason, "{what}"),
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::with(None, LogHandle::detached(), Arc::default())
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("access", &self.inner.access).field("log", &self.inner.log).finish()
    }
}
