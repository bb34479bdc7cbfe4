mod board;
mod dial;
mod health;
mod maglev;

use std::net::SocketAddr;

use super::endpoint::Endpoint;

/// `10.0.0.n:80`, of this weight.
fn endpoint(n: u8, weight: u32) -> Endpoint {
    Endpoint { address: address(n), weight }
}

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 80))
}
