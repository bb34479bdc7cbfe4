//! The admin endpoint: health, metrics, connections, configuration, and a few switches.

mod answer;
mod control;
mod pages;
mod query;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::conn::Tracker;
use crate::telemetry::Telemetry;
pub use server::serve;
pub use state::{Phase, State};
pub use view::listeners;

/// What the endpoint shows and acts on.
#[derive(Debug, Clone)]
pub struct Handles {
    /// Every open connection.
    pub tracker: Arc<Tracker>,
    /// The metrics, and the log's filter.
    pub telemetry: Telemetry,
    /// What the app says of itself.
    pub state: Arc<State>,
    /// Where wishes go.
    pub wishes: mpsc::Sender<Wish>,
}

/// Something an operator asks of the running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Stop accepting, and end when the last connection does.
    Drain,
    /// Have the kernel relay new connections, or none.
    KernelRelay(bool),
}
