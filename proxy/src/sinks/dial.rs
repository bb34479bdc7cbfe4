//! Connects to whoever takes lines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::error::SinkError;
use crate::config::model::{Host, Origination, Service};
use crate::tls::{Contexts, Originator};

/// A connection, with TLS or without.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Whom to connect to, and how.
#[derive(Debug)]
pub(super) struct Way {
    service: Service,
    tls: Tls,
    timeout: Duration,
}

#[derive(Debug)]
enum Tls {
    None,
    Begun(Arc<Originator>),
    Unbuildable,
}

impl Way {
    pub(super) fn new(
        service: &Service,
        tls: Option<&Arc<Origination>>,
        contexts: &Contexts,
        timeout: Duration,
    ) -> Self {
        let tls = match tls.map(|wanted| contexts.originator(wanted)) {
            None => Tls::None,
            Some(Some(originator)) => Tls::Begun(originator),
            Some(None) => Tls::Unbuildable,
        };
        Self { service: service.clone(), tls, timeout }
    }

    /// How long each step may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects; the handshake has a time of its own.
    pub(super) async fn connect(&self) -> Result<Box<dyn Connection>, SinkError> {
        let late = |_elapsed| SinkError::Timeout(self.timeout);
        let stream = timeout(self.timeout, self.reach()).await.map_err(late)??;
        match &self.tls {
            Tls::None => Ok(Box::new(stream)),
            Tls::Unbuildable => Err(SinkError::Unbuildable),
            Tls::Begun(originator) => {
                let begun = originator.of_own(&self.service.host).map_err(|_none| SinkError::Unbuildable)?;
                let (config, name) = begun;
                let connector = TlsConnector::from(config);
                let shaken = timeout(self.timeout, connector.connect(name, stream)).await.map_err(late)?;
                Ok(Box::new(shaken.map_err(SinkError::Tls)?))
            }
        }
    }

    /// The first of its addresses that answers. Names are looked up anew each time, as the system does.
    #[expect(clippy::disallowed_methods, reason = "no upstream: within a deadline of its own")]
    async fn reach(&self) -> Result<TcpStream, SinkError> {
        let addresses: Vec<SocketAddr> = match &self.service.host {
            Host::Ip(ip) => vec![SocketAddr::new(*ip, self.service.port)],
            Host::Name(name) => {
                let error = |source| SinkError::Resolve { name: name.to_string(), source };
                lookup_host((&**name, self.service.port)).await.map_err(error)?.collect()
            }
        };
        let mut last = SinkError::Resolve {
            name: self.service.to_string(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(SinkError::Broken)?;
                    return Ok(stream);
                }
                Err(source) => last = SinkError::Connect { address, source },
            }
        }
        Err(last)
    }
}
