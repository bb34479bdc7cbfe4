//! Metrics, the access log and logging.

use std::sync::Arc;

use crate::conn::{CloseReason, ConnSnapshot};

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
