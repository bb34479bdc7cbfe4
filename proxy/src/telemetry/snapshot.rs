//! A connection as those see it who count, list and log connections.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use super::TlsFacts;
use crate::config::model::RouteLogs;

/// One connection as `/connections` and the access log show it.
#[derive(Debug, Clone, Serialize)]
pub struct ConnSnapshot {
    /// Number of the connection, unique in this process.
    pub id: u64,
    /// The listener's address.
    pub listener: SocketAddr,
    /// The client's address: what the PROXY header said, where one was taken.
    pub peer: SocketAddr,
    /// The address of the proxy that said so.
    pub proxy: Option<SocketAddr>,
    /// The mapping's name, once chosen.
    pub mapping: Option<Arc<str>>,
    /// The mapping's metric label, once chosen.
    #[serde(skip)]
    pub stats_name: Option<Arc<str>>,
    /// The name that the client asked for (SNI), where it was looked at.
    pub sni: Option<Arc<str>>,
    /// The client's TLS, where it ends here.
    pub tls: Option<Arc<TlsFacts>>,
    /// The upstream's TLS, where it begins here.
    pub upstream_tls: Option<Arc<TlsFacts>>,
    /// The upstream's address, once connected.
    pub upstream: Option<SocketAddr>,
    /// Attempts to connect to an endpoint, the successful one included.
    pub attempts: u32,
    /// `kernel`, `splice` or `tls`, once relaying.
    pub relay: Option<&'static str>,
    /// Why the kernel relay does not carry it.
    pub fallback: Option<&'static str>,
    /// Bytes per second, each way, that the mapping's bandwidth holds it to.
    pub bandwidth: Option<u64>,
    /// Bytes from the client to the upstream.
    pub received: u64,
    /// Bytes from the upstream to the client.
    pub sent: u64,
    /// The part of `received` that stayed in the kernel.
    pub received_in_kernel: u64,
    /// The part of `sent` that stayed in the kernel.
    pub sent_in_kernel: u64,
    /// Since accept, in milliseconds.
    pub duration_ms: u64,
    /// From choosing the mapping to a connected socket, in microseconds.
    pub connect_us: u64,
    /// What only sinks of its route are told, where it has any.
    #[serde(skip)]
    pub routed: Option<Routed>,
}

/// What sinks of a connection's route are told besides.
#[derive(Debug, Clone)]
pub struct Routed {
    /// The sinks, and what they are told of the route.
    pub logs: Arc<RouteLogs>,
    /// From accept to choosing the route, in microseconds.
    pub after_us: u64,
    /// The endpoints that were tried, in that order.
    pub tried: Vec<SocketAddr>,
}
