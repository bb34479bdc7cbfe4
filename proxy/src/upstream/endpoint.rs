//! One place where a service answers.

use std::net::SocketAddr;

/// An address of a service, as its resolver told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where to connect to.
    pub address: SocketAddr,
    /// Share of the service's connections, relative to its other endpoints; 0 takes none.
    pub weight: u32,
    /// Which of a mapping's targets it is of; 0 where the mapping has one service.
    pub target: usize,
}

impl Endpoint {
    /// One of equals.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, weight: 1, target: 0 }
    }
}
