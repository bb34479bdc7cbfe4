//! Metrics, the access log and logging, and the words they share with those who report.

mod close;
mod snapshot;
mod transfer;

use std::sync::Arc;

pub use close::{CloseReason, Side};
pub use snapshot::ConnSnapshot;
pub use transfer::{Progress, RelayKind, Transfer};

/// Handle to everything that is measured or written; clones share.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    _inner: Arc<()>,
}

impl Telemetry {
    /// A connection was accepted.
    pub fn opened(&self, _conn: &ConnSnapshot) {}
    pub fn accepted(&self, _l: std::net::SocketAddr) {}
    pub fn refused(&self, _l: &str) {}
    pub fn accept_error(&self, _l: std::net::SocketAddr, _r: &str) {}

    /// A connection's relay was chosen.
    pub fn relayed(&self, _conn: &ConnSnapshot) {}

    /// A connection ended.
    pub fn closed(&self, _conn: &ConnSnapshot, _reason: CloseReason) {}
}
