//! How the load generator connects, and what it then has: a connection in cleartext or in TLS.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::{ClientConnection, HandshakeKind};

use super::suite::folder;
use super::tls::{self, Key, TlsStream};

/// Longest wait for a byte: what takes longer hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// An address, and how it is spoken to.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    address: SocketAddr,
    tls: Option<tls::Client>,
    kind: HandshakeKind,
}

/// A connection that gives up on a peer that hangs.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls { stream: Box<TlsStream<ClientConnection>>, kind: HandshakeKind },
}

impl Connector {
    /// In TLS where a certificate is named, with full handshakes or, if it `resumes`, none of them.
    pub(super) fn new(address: SocketAddr, key: Option<Key>, resumes: bool) -> Result<Self> {
        let tls = key.map(|key| tls::Client::new(key, &folder(), resumes)).transpose()?;
        let kind = if resumes { HandshakeKind::Resumed } else { HandshakeKind::Full };
        Ok(Self { address, tls, kind })
    }

    /// The same, while there is no session yet that could be taken up.
    pub(super) fn first(&self) -> Self {
        Self { kind: HandshakeKind::Full, ..self.clone() }
    }

    /// Connects. A handshake, if any, comes with the first bytes.
    #[expect(clippy::disallowed_methods, reason = "a client may block")]
    pub(super) fn open(&self) -> Result<Stream> {
        let address = self.address;
        let socket = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(match &self.tls {
            None => Stream::Plain(socket),
            Some(client) => Stream::Tls { stream: Box::new(client.over(socket)?), kind: self.kind },
        })
    }
}

impl Stream {
    /// Does the handshake now, if there is one to do.
    pub(super) fn shake_hands(mut self) -> Result<Self> {
        if let Self::Tls { stream, kind } = &mut self {
            stream.shake_hands().context("the handshake")?;
            stream.expect(*kind)?;
        }
        Ok(self)
    }

    /// Says that nothing more comes, after a handshake of the right kind.
    pub(super) fn finish(&mut self) -> Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write)?,
            Self::Tls { stream, kind } => {
                stream.expect(*kind)?;
                stream.finish()?;
            }
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls { stream, .. } => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls { stream, .. } => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls { stream, .. } => stream.flush(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls { stream, .. } => stream.as_fd(),
        }
    }
}
