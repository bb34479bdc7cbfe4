//! Where else than to standard output accounts of connections go: a task for each sink takes lines from a queue
//! and writes them, so that no connection waits for whoever reads them.

mod dial;
mod error;
mod file;
mod http;
mod outlet;
mod tcp;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use outlet::Outlet;

use crate::config::model::{Config, LogSink};
use crate::telemetry::Telemetry;
use crate::tls::Contexts;

/// How long a sink that is no longer declared may take for what waits in its queue.
const FAREWELL: Duration = Duration::from_secs(10);

/// Every sink in service.
pub struct Sinks {
    telemetry: Telemetry,
    running: Mutex<Vec<Running>>,
}

/// A sink with its task, which ends once its queue is closed and empty.
struct Running {
    sink: Arc<LogSink>,
    /// The declarations that are this sink: those of the configuration in service, and of connections that are
    /// older.
    declared: Vec<Weak<LogSink>>,
    lines: mpsc::Sender<Arc<str>>,
    task: JoinHandle<()>,
}

impl Sinks {
    /// None yet.
    #[must_use]
    pub fn new(telemetry: Telemetry) -> Arc<Self> {
        Arc::new(Self { telemetry, running: Mutex::default() })
    }

    /// Starts the sinks of a configuration, before a connection has any of them. Those that it has in common with
    /// the last one stay as they are.
    pub fn serve(&self, config: &Config, contexts: &Contexts) {
        let mut running = self.lock();
        let routes = config.listeners.iter().flat_map(|listener| &listener.routes);
        for sink in routes.flat_map(|route| &route.logs.sinks) {
            match running.iter_mut().find(|one| one.sink == *sink) {
                Some(one) => one.declare(sink),
                None => running.push(self.start(sink, contexts)),
            }
        }
    }

    /// Ends those that neither the configuration in service has nor a connection that is older. Who may still have
    /// something to say keeps a sink until the next time.
    pub fn sweep(&self) {
        let mut running = self.lock();
        for one in running.iter_mut() {
            one.declared.retain(|declared| declared.strong_count() > 0);
        }
        for one in running.extract_if(.., |one| one.declared.is_empty()) {
            tokio::spawn(one.end(FAREWELL));
        }
    }

    /// Leaves a line to a sink; drops it where too many wait.
    pub fn take(&self, sink: &Arc<LogSink>, line: &Arc<str>) {
        let kind = sink.destination.as_str();
        let running = self.lock();
        let lines = running.iter().find(|one| one.is(sink)).map(|one| &one.lines);
        if lines.is_none_or(|lines| lines.try_send(Arc::clone(line)).is_err()) {
            drop(running);
            self.telemetry.lines_dropped(kind, 1);
        }
    }

    /// Ends all sinks once they have written what waits, within `patience`.
    pub async fn flush(&self, patience: Duration) {
        let running = std::mem::take(&mut *self.lock());
        let ending: Vec<_> = running.into_iter().map(|one| tokio::spawn(one.end(patience))).collect();
        for end in ending {
            // A panic in it has been told by its hook.
            let _ = end.await;
        }
    }

    fn start(&self, sink: &Arc<LogSink>, contexts: &Contexts) -> Running {
        let (lines, waiting) = mpsc::channel(sink.queue.entries.get());
        let outlet = Outlet::new(&sink.destination, sink.timeout, contexts);
        // A copy: to hold the declaration itself would be to take it for one that is still in use.
        let own = Arc::new(LogSink::clone(sink));
        let task = tokio::spawn(writer::run(Arc::clone(&own), outlet, waiting, self.telemetry.clone()));
        Running { sink: own, declared: vec![Arc::downgrade(sink)], lines, task }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn declare(&mut self, sink: &Arc<LogSink>) {
        if !self.is(sink) {
            self.declared.push(Arc::downgrade(sink));
        }
    }

    fn is(&self, sink: &Arc<LogSink>) -> bool {
        self.declared.iter().any(|declared| declared.as_ptr() == Arc::as_ptr(sink))
    }

    async fn end(self, patience: Duration) {
        let Self { sink, lines, mut task, .. } = self;
        drop(lines);
        if timeout(patience, &mut task).await.is_err() {
            task.abort();
            tracing::warn!(sink = %sink.name, "a log sink had not taken all lines in time; the others are lost");
        }
    }
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.lock().iter().map(|one| Arc::clone(&one.sink.name)).collect();
        f.debug_tuple("Sinks").field(&names).finish()
    }
}
