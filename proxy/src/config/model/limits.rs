//! What a mapping may be given at once, and how fast.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

/// Upper bounds of one mapping; `None` sets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Connections to its upstream, from dialling to their end. 0 lets none through.
    pub connections: Option<u32>,
    /// The part of them that is not connected yet.
    pub pending: Option<u32>,
    /// Further attempts at a time, after one that failed.
    pub retries: Option<u32>,
    /// New connections.
    pub rate: Option<Rate>,
    /// What one client may have of it.
    pub source: SourceLimits,
    /// Bytes per second, each way of each connection.
    pub bandwidth: Option<NonZeroU64>,
}

/// What one client may have: an IPv4 address, or the /64 of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceLimits {
    /// Open connections.
    pub connections: Option<NonZeroU32>,
    /// New connections.
    pub rate: Option<Rate>,
}

/// How often something may happen: a bucket of `burst` tokens, one of which comes back every `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Between two in the long run; never zero.
    pub interval: Duration,
    /// At once, after a while of nothing.
    pub burst: NonZeroU32,
}
