//! The access log: one line about a connection at its close, and where asked for at its opening
//! and every so often while it lives.

mod account;
mod line;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::{Arc, OnceLock};

pub(super) use account::account;

use super::handle::Connections;
use super::queue::{Guard, Periodic, Queue};
use super::{CloseReason, ConnSnapshot};
use crate::config::settings::{self, LogFormat};

/// Lines that may wait for a slow standard output: some seconds' worth on a busy machine.
const QUEUE: usize = 16 * 1024;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A connection was admitted.
    Open,
    /// It is still there.
    Alive,
    /// It ended.
    Close(CloseReason),
}

/// The running access log.
#[derive(Debug)]
pub(super) struct AccessLog {
    format: LogFormat,
    when: settings::AccessLog,
    queue: Arc<Queue>,
}

impl AccessLog {
    /// Starts a thread that writes to `out`, so that nobody else waits for it.
    pub(super) fn start(
        log: &settings::Log,
        out: impl Write + Send + 'static,
        connections: Arc<OnceLock<Connections>>,
    ) -> (Self, Guard) {
        Self::with_capacity(QUEUE, log, out, connections)
    }

    fn with_capacity(
        capacity: usize,
        log: &settings::Log,
        out: impl Write + Send + 'static,
        connections: Arc<OnceLock<Connections>>,
    ) -> (Self, Guard) {
        let format = log.format;
        let periodic = log.access.every.map(|every| Periodic {
            every,
            lines: Box::new(move || {
                let mut open = connections.get().map(|list| list()).unwrap_or_default();
                // One that has just opened says so itself, or is not worth a line yet.
                open.retain(|conn| u128::from(conn.duration_ms) >= every.as_millis());
                open.iter().map(|conn| line::render(format, Event::Alive, conn)).collect()
            }),
        });
        let (queue, guard) = Queue::start("access-log", capacity, out, periodic, tell_loss);
        (Self { format, when: log.access, queue }, guard)
    }

    /// Writes a line, if the settings ask for it; never waits.
    pub(super) fn write(&self, event: Event, conn: &ConnSnapshot) {
        let wanted = match event {
            Event::Open => self.when.open,
            Event::Close(_) => self.when.close,
            Event::Alive => true,
        };
        if wanted {
            self.queue.push(line::render(self.format, event, conn));
        }
    }

    /// Lines that were dropped.
    pub(super) fn lost(&self) -> u64 {
        self.queue.lost()
    }
}

fn tell_loss() {
    tracing::warn!("access-log lines are lost: standard output is too slow, or closed");
}
