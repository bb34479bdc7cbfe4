//! Options that every relayed socket has, downstream (inherited from its listener) and upstream.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::config::settings::Sockets;

/// Sets what relays rely on, from the first byte:
///
/// - `SO_LINGER {1, 0}`: whatever closes the socket before a relay has proven its stream complete,
///   a crash included, makes the peer see a reset and never a clean end over lost bytes.
/// - `SO_OOBINLINE`: urgent bytes stay in the stream, the same on every relay.
/// - `TCP_NODELAY`: what a peer sent at once is sent on at once.
///
/// # Errors
/// setsockopt(2)'s.
pub(crate) fn apply(socket: SockRef<'_>) -> io::Result<()> {
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_out_of_band_inline(true)?;
    socket.set_tcp_nodelay(true)
}

/// Sets how a vanished peer is noticed. Listeners hand it down; an upstream's socket gets it once
/// its connection has lived for a while: five system calls that a short one never needs.
///
/// # Errors
/// setsockopt(2)'s.
pub(crate) fn watch_peer(socket: SockRef<'_>, options: &Sockets) -> io::Result<()> {
    if !options.user_timeout.is_zero() {
        socket.set_tcp_user_timeout(Some(options.user_timeout))?;
    }
    if let Some(time) = options.keepalive_time {
        let keepalive = TcpKeepalive::new()
            .with_time(time)
            .with_interval(options.keepalive_interval)
            .with_retries(options.keepalive_probes);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}
