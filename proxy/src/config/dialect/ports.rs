//! Addresses that two cannot have.

use std::net::SocketAddr;

/// Whether the kernel lets only one of two sockets listen: an address and its family's wildcard overlap, and
/// the admin endpoint shares its port with nobody.
pub(super) fn exclude(a: SocketAddr, b: SocketAddr) -> bool {
    let wild = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && (a.ip() == b.ip() || (wild && a.is_ipv4() == b.is_ipv4()))
}
