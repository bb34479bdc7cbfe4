//! The way out: stop accepting, let connections finish, reset what is left.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::conn::Tracker;

/// The signals that tell a process to stop.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Starts listening for SIGTERM and SIGINT.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next of them.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits until nothing is open, at most for `patience` or until a second signal; then has what is
/// left reset, through `stop`.
pub async fn drain(tracker: &Tracker, patience: Duration, stop: &CancellationToken, again: &mut StopSignals) {
    let open = tracker.active();
    tracing::info!(open, "draining for up to {patience:?}; a second signal ends it at once");
    tokio::select! {
        () = tracker.idle() => tracing::info!("every connection finished"),
        () = tokio::time::sleep(patience) => tracing::warn!(left = tracker.active(), "drain time is over"),
        () = again.recv() => tracing::warn!(left = tracker.active(), "second signal"),
    }
    stop.cancel();
    // Resetting takes each connection's task one turn.
    let _ = tokio::time::timeout(Duration::from_secs(2), tracker.idle()).await;
}
