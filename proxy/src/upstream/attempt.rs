//! One attempt to connect.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpStream;

use super::dial::DialError;
use crate::config::model::SourceAddress;
use crate::sockopt;

/// What became of an attempt within its first system calls.
#[derive(Debug)]
pub(super) enum Begun {
    /// A neighbour on this host has answered within the call.
    Connected(OwnedFd),
    /// Everybody else takes as long as a round trip.
    Waiting(TcpStream),
}

/// Begins to connect.
///
/// # Errors
/// Why it came to nothing at once.
pub(super) fn begin(address: SocketAddr, source: &SourceAddress) -> Result<Begun, DialError> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)
        .map_err(|error| classify(address, error))?;
    if let Some(source) = source.towards(address.ip()) {
        bind(&socket, source).map_err(|error| DialError::Source { address: source, source: error })?;
    }
    connect(socket, address).map_err(|error| classify(address, error))
}

/// Leaves the port to connect(2), which may share it among destinations, unlike bind(2).
fn bind(socket: &Socket, source: IpAddr) -> io::Result<()> {
    setsockopt(socket, IpBindAddressNoPort, &true)?;
    socket.bind(&SocketAddr::new(source, 0).into())
}

fn connect(socket: Socket, address: SocketAddr) -> io::Result<Begun> {
    sockopt::apply(SockRef::from(&socket))?;
    // Asked again, connect(2) says whether it is through without a round through epoll.
    for _ in 0..2 {
        if is_connected(socket.connect(&address.into()))? {
            return Ok(Begun::Connected(socket.into()));
        }
    }
    Ok(Begun::Waiting(TcpStream::from_std(socket.into())?))
}

/// Whether a socket that is waited for is connected.
pub(super) fn poll(stream: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    ready!(stream.poll_write_ready(cx))?;
    Poll::Ready(match stream.take_error()? {
        Some(error) => Err(error),
        None => Ok(()),
    })
}

/// What connect(2) on a non-blocking socket answers: connected, or not yet.
fn is_connected(answer: io::Result<()>) -> io::Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(e) => match Errno::from_io_error(&e) {
            Some(Errno::INPROGRESS | Errno::ALREADY | Errno::INTR) => Ok(false),
            Some(Errno::ISCONN) => Ok(true),
            _ => Err(e),
        },
    }
}

/// Whose fault an attempt's error was.
pub(super) fn classify(address: SocketAddr, source: io::Error) -> DialError {
    match Errno::from_io_error(&source) {
        Some(Errno::ADDRNOTAVAIL) => DialError::NoLocalPort { address },
        Some(Errno::MFILE | Errno::NFILE) => DialError::NoDescriptor { address },
        _ => DialError::Failed { address, source },
    }
}
