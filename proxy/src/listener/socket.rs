//! A listening socket: its options, how it is bound, what is taken from it, and why it could not be bound.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::net::SocketFlags;
use socket2::{Domain, SockFilter, SockRef, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use super::holder::Listening;
use super::options;
use crate::config::model::SocketOptions;
use crate::config::settings::Sockets;
use crate::relay::socket::readable;
use crate::sockopt;

/// A listening socket.
pub(super) type Listener = AsyncFd<Socket>;

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be bound: {source}{hint}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The kernel's answer.
    pub source: io::Error,
    /// What it means here and the way out, with what parts it from the answer; empty where neither is known.
    hint: String,
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        use rustix::io::Errno as E;
        let hint = match E::from_io_error(&source) {
            Some(E::ACCESS | E::PERM) => format!(
                "; ports below {} need CAP_NET_BIND_SERVICE (sysctl net.ipv4.ip_unprivileged_port_start)",
                first_unprivileged_port()
            ),
            Some(E::ADDRINUSE) => match Listening::now().in_the_way_of(address) {
                Some(holder) => format!(": {holder} listens there; stop it, or give the mapping another port"),
                None => "; stop what listens there (`ss -ltnp` names it), or give the mapping another port".to_owned(),
            },
            Some(E::ADDRNOTAVAIL) => {
                "; no interface has it: it is listened on as soon as one does, or at once with --freebind true"
                    .to_owned()
            }
            Some(E::AFNOSUPPORT) => "; this kernel has that family switched off".to_owned(),
            _ => String::new(),
        };
        Self { address, source, hint }
    }
}

/// As many sockets on an address as the settings say, among which the kernel spreads connections. One is
/// enough to serve.
pub(super) fn bind_all(
    address: SocketAddr,
    options: &SocketOptions,
    settings: &Sockets,
) -> Result<Vec<Listener>, BindError> {
    let wanted = match settings.shards {
        0 => Handle::current().metrics().num_workers(),
        shards => shards as usize,
    };
    let mut bound = Vec::with_capacity(wanted);
    while bound.len() < wanted {
        match bind(address, options, settings) {
            Ok(socket) => bound.push(socket),
            Err(error) if bound.is_empty() => return Err(BindError::new(address, error)),
            Err(error) => {
                tracing::warn!(%address, %error, sockets = bound.len(), wanted, "fewer sockets than wanted");
                break;
            }
        }
    }
    Ok(bound)
}

fn bind(address: SocketAddr, options: &SocketOptions, settings: &Sockets) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    if address.is_ipv6() {
        // `::` and `0.0.0.0` are two addresses; each can be mapped on its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    // Besides letting several sockets accept, it lets a wildcard and an address listen on one port, where the
    // kernel prefers the address, and lets the next sluice take over while this one drains.
    socket.set_reuse_port(true)?;
    if settings.freebind {
        match address {
            SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
            SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
    }
    sockopt::apply(SockRef::from(&socket))?;
    options::watch_clients(&socket, options, settings)?;
    socket.bind(&address.into())?;
    options::listen(&socket, options, settings)?;
    readable(socket)
}

/// Takes a connection from the queue, registered nowhere: relays bring their own registration, since
/// tokio's would wake us for every redirected segment.
pub(super) fn accept(listener: &Socket) -> io::Result<(OwnedFd, SocketAddr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, peer) = rustix::net::acceptfrom_with(listener, flags)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    Ok((socket, peer.ok_or(io::ErrorKind::ConnectionAborted)?))
}

/// Has the kernel drop every SYN from now on, while handshakes under way still come to their end. A client
/// whose SYN was dropped sends it again a second later, and meets whoever listens then.
pub(super) fn refuse_newcomers(listener: &Socket) -> io::Result<()> {
    // Classic BPF over the TCP header: SYN without ACK is dropped (linux/filter.h, RFC 9293 §3.1).
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    listener.attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// Takes the filter off a connection that inherited it.
pub(super) fn without_filter(socket: &OwnedFd) {
    // Without it the kernel reads a byte of each segment, and that is all.
    let _ = SockRef::from(socket).detach_filter();
}

fn first_unprivileged_port() -> u16 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024)
}
