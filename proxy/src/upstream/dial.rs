//! Connects, within a deadline, trying one address after another.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::endpoint::Endpoint;
use super::resolve::{ResolveError, Resolver};
use crate::config::model::{Mapping, Service};
use crate::sockopt;

/// Why there is no connection to an upstream.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Its name has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// It did not answer in time.
    #[error("{service} did not answer within {after:?}")]
    Timeout {
        /// Who was dialled.
        service: Service,
        /// The connect timeout.
        after: Duration,
    },
    /// No local port was free (EADDRNOTAVAIL).
    #[error("no local port is free towards {address}; widen net.ipv4.ip_local_port_range")]
    NoLocalPort {
        /// Who was dialled.
        address: SocketAddr,
    },
    /// No descriptor was free (EMFILE, ENFILE).
    #[error("no descriptor is free to dial {address}; raise the nofile limit or lower --max-connections")]
    NoDescriptor {
        /// Who was dialled.
        address: SocketAddr,
    },
    /// It refused, or could not be reached.
    #[error("{address} cannot be reached: {source}")]
    Failed {
        /// Who was dialled last.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// A connected upstream.
#[derive(Debug)]
pub struct Connected {
    /// Non-blocking, closing by reset until told otherwise.
    pub socket: OwnedFd,
    /// Whom it reached.
    pub address: SocketAddr,
}

/// Makes upstream connections.
#[derive(Debug)]
pub struct Dialer {
    resolver: Resolver,
}

impl Dialer {
    /// Dials what `resolver` finds.
    #[must_use]
    pub const fn new(resolver: Resolver) -> Self {
        Self { resolver }
    }

    /// Connects to a mapping's upstream; resolving and all attempts together take at most its connect timeout.
    ///
    /// # Errors
    /// The last attempt's failure.
    pub async fn dial(&self, mapping: &Mapping) -> Result<Connected, DialError> {
        let (service, within) = (&mapping.service, mapping.timeouts.connect);
        let deadline = Instant::now() + within;
        let timeout = || DialError::Timeout { service: service.clone(), after: within };
        let resolved = timeout_at(deadline.into(), self.resolver.resolve(mapping)).await;
        let endpoints = resolved.map_err(|_elapsed| timeout())??;
        let mut last = timeout();
        let mut left = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
        for &Endpoint { address, .. } in &*endpoints {
            // An address that does not answer leaves the others their share of the time.
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            left -= 1;
            match timeout_at((Instant::now() + share).into(), self.attempt(address)).await {
                Ok(Ok(socket)) => return Ok(Connected { socket, address }),
                Ok(Err(error)) => last = classify(address, error),
                Err(_elapsed) => last = timeout(),
            }
        }
        Err(last)
    }

    async fn attempt(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
        sockopt::apply(SockRef::from(&socket))?;
        if is_connected(socket.connect(&address.into()))? {
            return Ok(socket.into());
        }
        // A neighbour on this host has answered within the call: asked again, connect(2) says so
        // without a round through epoll.
        if is_connected(socket.connect(&address.into()))? {
            return Ok(socket.into());
        }
        let stream = TcpStream::from_std(socket.into())?;
        stream.writable().await?;
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        Ok(stream.into_std()?.into())
    }
}

/// What connect(2) on a non-blocking socket answers: connected, or not yet.
fn is_connected(answer: io::Result<()>) -> io::Result<bool> {
    use rustix::io::Errno as E;
    match answer {
        Ok(()) => Ok(true),
        Err(e) => match E::from_io_error(&e) {
            Some(E::INPROGRESS | E::ALREADY | E::INTR) => Ok(false),
            Some(E::ISCONN) => Ok(true),
            _ => Err(e),
        },
    }
}

fn classify(address: SocketAddr, source: io::Error) -> DialError {
    match rustix::io::Errno::from_io_error(&source) {
        Some(rustix::io::Errno::ADDRNOTAVAIL) => DialError::NoLocalPort { address },
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => DialError::NoDescriptor { address },
        _ => DialError::Failed { address, source },
    }
}
