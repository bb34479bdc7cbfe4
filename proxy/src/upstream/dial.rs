//! Connects, within a deadline, trying one address after another.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::TcpSocket;
use tokio::time::timeout_at;

use super::resolve::{ResolveError, Resolver};
use crate::config::model::{Families, Service};
use crate::config::settings::Sockets;
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
    /// Non-blocking, with the options of the settings, closing by reset until told otherwise.
    pub socket: OwnedFd,
    /// Whom it reached.
    pub address: SocketAddr,
}

/// Makes upstream connections.
#[derive(Debug)]
pub struct Dialer {
    resolver: Resolver,
    sockets: Sockets,
}

impl Dialer {
    /// A dialer that gives its sockets these options.
    #[must_use]
    pub fn new(sockets: Sockets) -> Self {
        Self { resolver: Resolver::default(), sockets }
    }

    /// Connects to a service; resolving and all attempts together take at most `within`.
    ///
    /// # Errors
    /// The last attempt's failure.
    pub async fn dial(
        &self,
        service: &Service,
        families: Families,
        within: Duration,
    ) -> Result<Connected, DialError> {
        let deadline = Instant::now() + within;
        let timeout = || DialError::Timeout { service: service.clone(), after: within };
        let resolved = timeout_at(deadline.into(), self.resolver.resolve(service, families)).await;
        let addresses = resolved.map_err(|_elapsed| timeout())??;
        let mut last = timeout();
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
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
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        sockopt::apply(SockRef::from(&socket), &self.sockets)?;
        let stream = socket.connect(address).await?;
        Ok(stream.into_std()?.into())
    }
}

fn classify(address: SocketAddr, source: io::Error) -> DialError {
    match rustix::io::Errno::from_io_error(&source) {
        Some(rustix::io::Errno::ADDRNOTAVAIL) => DialError::NoLocalPort { address },
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => DialError::NoDescriptor { address },
        _ => DialError::Failed { address, source },
    }
}
