mod board;
mod dial;
mod health;
mod latency;
mod maglev;

use std::net::SocketAddr;

use super::endpoint::Endpoint;

/// `10.0.0.n:80`, of this weight.
fn endpoint(n: u8, weight: u32) -> Endpoint {
    Endpoint { weight, ..Endpoint::new(address(n)) }
}

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 80))
}
