//! The limits of one mapping, and what counts against them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::bucket::Bucket;
use super::sources::{Excess, Seat, Sources};
use crate::config::model::Limits;
use crate::counter::{Counter, Place};
use crate::telemetry::CloseReason;

/// What a mapping has in use. It knows no limit: these come with the mapping as it was when the connection was
/// accepted, and what is in use stays across reloads.
#[derive(Debug)]
pub struct Limiter {
    begun: Instant,
    bucket: Bucket,
    sources: Arc<Sources>,
    connections: Counter,
    pending: Counter,
}

/// What a mapping has in use at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Connections to its upstream, those being dialled included.
    pub connections: u32,
    /// Those being dialled.
    pub pending: u32,
    /// Clients that are remembered for limits of their own.
    pub sources: usize,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            bucket: Bucket::default(),
            sources: Arc::default(),
            connections: Counter::default(),
            pending: Counter::default(),
        }
    }
}

impl Limiter {
    /// Lets a client in, or says which limit it came up against. The client's own limits come first: one that
    /// has reached them takes nothing of what is there for the others.
    pub(in crate::conn) fn admit(
        &self,
        limits: &Limits,
        client: IpAddr,
    ) -> Result<Option<Seat>, CloseReason> {
        let seat = self.sources.take(client, &limits.source).map_err(|excess| match excess {
            Excess::Connections => CloseReason::SourceConnections,
            Excess::Rate => CloseReason::SourceRate,
        })?;
        // A look only: the place is taken for dialling, after the client's handshake, of which this saves a
        // client that could not be served.
        if limits.connections.is_some_and(|most| self.connections.taken() >= most) {
            return Err(CloseReason::MaxConnections);
        }
        if let Some(rate) = &limits.rate {
            let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if !self.bucket.take(rate, now) {
                return Err(CloseReason::ConnectionRate);
            }
        }
        Ok(seat)
    }

    /// A place for a connection to the upstream, and one for dialling it.
    pub(in crate::conn) fn connect(&self, limits: &Limits) -> Result<[Place; 2], CloseReason> {
        let connection = self.connections.take(limits.connections).ok_or(CloseReason::MaxConnections)?;
        let pending = self.pending.take(limits.pending).ok_or(CloseReason::MaxPending)?;
        Ok([connection, pending])
    }

    /// What is in use.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            connections: self.connections.taken(),
            pending: self.pending.taken(),
            sources: self.sources.known(),
        }
    }
}
