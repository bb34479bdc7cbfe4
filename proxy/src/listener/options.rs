//! What a listening socket is asked for, and hands down to its connections: what its listener says, and the
//! settings where it says nothing.

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use crate::config::model::{Keepalive, SocketOptions};
use crate::config::settings::Sockets;
use crate::sockopt;

/// The kernel counts in seconds, and takes no 0.
const LEAST: Duration = Duration::from_secs(1);

/// Sets how a vanished client is noticed.
///
/// # Errors
/// setsockopt(2)'s.
pub(super) fn watch_clients(socket: &Socket, options: &SocketOptions, settings: &Sockets) -> io::Result<()> {
    match options.keepalive {
        None => {
            // It may have been on until now.
            socket.set_keepalive(settings.keepalive_time.is_some())?;
            sockopt::watch_peer(SockRef::from(socket), settings)
        }
        Some(keepalive) => {
            sockopt::watch_peer(SockRef::from(socket), &Sockets { keepalive_time: None, ..*settings })?;
            probe(socket, keepalive)
        }
    }
}

fn probe(socket: &Socket, keepalive: Keepalive) -> io::Result<()> {
    let Keepalive::On { idle, interval, count } = keepalive else {
        return socket.set_keepalive(false);
    };
    // What was set stays set, and nothing sets it back to the kernel's own, which a new socket has.
    let new = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let idle = idle.map_or_else(|| new.tcp_keepalive_time(), Ok)?;
    let interval = interval.map_or_else(|| new.tcp_keepalive_interval(), Ok)?;
    let count = count.map(NonZeroU32::get).map_or_else(|| new.tcp_keepalive_retries(), Ok)?;
    let probes = TcpKeepalive::new().with_time(idle.max(LEAST)).with_interval(interval.max(LEAST));
    socket.set_tcp_keepalive(&probes.with_retries(count))
}

/// Has the kernel queue connections, or as many as are wanted now where it does already.
///
/// # Errors
/// listen(2)'s.
pub(super) fn listen(socket: &Socket, options: &SocketOptions, settings: &Sockets) -> io::Result<()> {
    let backlog = options.backlog.map_or(settings.backlog, NonZeroU32::get);
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))
}
