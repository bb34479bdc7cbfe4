//! What mappings have in use, as their owners tell at a scrape.

use std::sync::Arc;

use crate::config::model::Limits;

/// What one mapping has in use, and may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingUsage {
    /// The mapping's metric label.
    pub label: Arc<str>,
    /// Connections to its upstream, those being dialled included.
    pub connections: u32,
    /// Those being dialled.
    pub pending: u32,
    /// Clients that are remembered for limits of their own.
    pub sources: usize,
    /// What it may have.
    pub limits: Limits,
}
