//! A handshake over a socket, either side's.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::time::Instant;

use rustls::{Error, HandshakeKind, ProtocolVersion};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::buffer::{Buffer, Pool};
use super::session::Session;
use crate::telemetry::{CloseReason, TlsFacts};

/// A session past its handshake, and what came on its heels.
#[derive(Debug)]
pub struct Secured {
    /// Ready for data.
    pub session: Session,
    /// Received and not read yet: less than a record.
    pub input: Buffer,
    /// Cleartext that came with the handshake's last bytes.
    pub early: Vec<u8>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It was not done in time.
    #[error("the TLS handshake was not done in time")]
    Timeout,
    /// The peer closed in the middle of it.
    #[error("the peer closed during the TLS handshake")]
    Closed,
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// The peers have nothing in common, one refuses the other, or one talks nonsense. The peer was told.
    #[error(transparent)]
    Tls(#[from] Error),
}

impl HandshakeError {
    /// What it means when the peer is a client.
    #[must_use]
    pub fn of_client(&self) -> CloseReason {
        match self {
            Self::Timeout => CloseReason::HandshakeTimeout,
            Self::Socket(error) if is_silence(error) => CloseReason::DownstreamTimeout,
            Self::Socket(_) => CloseReason::DownstreamReset,
            Self::Tls(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => {
                CloseReason::ClientCertificate
            }
            Self::Closed | Self::Tls(_) => CloseReason::HandshakeFailed,
        }
    }

    /// What it means when the peer is an upstream.
    #[must_use]
    pub fn of_upstream(&self) -> CloseReason {
        match self {
            Self::Timeout => CloseReason::UpstreamHandshakeTimeout,
            Self::Socket(error) if is_silence(error) => CloseReason::UpstreamTimeout,
            Self::Socket(_) => CloseReason::UpstreamReset,
            Self::Tls(Error::InvalidCertificate(_)) => CloseReason::UpstreamCertificate,
            Self::Closed | Self::Tls(_) => CloseReason::UpstreamHandshakeFailed,
        }
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable)
}

/// Does the handshake. After an error the alert has been sent, as far as the socket took it at once.
///
/// # Errors
/// Why there is no session.
pub async fn shake_hands(
    stream: &TcpStream,
    session: Session,
    deadline: Instant,
    pool: &Pool,
) -> Result<Secured, HandshakeError> {
    let mut output = Buffer::default();
    let shaken = timeout_at(deadline.into(), shake(stream, session, &mut output, pool)).await;
    // What is left of it after an error was offered to the socket already.
    output.clear();
    pool.reclaim(&mut output);
    shaken.unwrap_or(Err(HandshakeError::Timeout))
}

async fn shake(
    stream: &TcpStream,
    mut session: Session,
    output: &mut Buffer,
    pool: &Pool,
) -> Result<Secured, HandshakeError> {
    let (mut input, mut early) = (Buffer::default(), Vec::new());
    pool.lend(output, false);
    loop {
        let read = session.read(&mut input, output, &mut |data| {
            early.extend_from_slice(data);
            Ok(())
        });
        if let Err(error) = read {
            // Best effort: the socket may be gone, or full.
            let _ = stream.try_write(output.filled());
            return Err(error.into());
        }
        while !output.is_empty() {
            match stream.try_write(output.filled()) {
                Ok(n) => output.consume(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        if !session.common().is_handshaking() {
            pool.reclaim(&mut input);
            return Ok(Secured { session, input, early });
        }
        // While it waits a handshake holds no memory, unless half a record came.
        pool.reclaim(&mut input);
        stream.readable().await?;
        pool.lend(&mut input, false);
        input.compact();
        if input.room().is_empty() {
            // A message over several records; rustls bounds it.
            input.reserve(input.filled().len());
        }
        match stream.try_read(input.room()) {
            Ok(0) => return Err(HandshakeError::Closed),
            Ok(n) => input.advance(n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a session past its handshake came to.
#[must_use]
pub fn facts(session: &Session) -> TlsFacts {
    let common = session.common();
    let version = match common.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "unknown",
    };
    let suite = common.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    // rustls marks TLS 1.3's by a name of its own.
    let cipher = suite.map_or(Cow::Borrowed("unknown"), |name| match name.strip_prefix("TLS13_") {
        Some(rest) => Cow::Owned(format!("TLS_{rest}")),
        None => Cow::Borrowed(name),
    });
    let subject = session.peer_certificate().and_then(|der| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        let common_name = subject.iter_common_name().next().and_then(|name| name.as_str().ok());
        Some((subject.to_string(), common_name.map(str::to_owned)))
    });
    let (subject, common_name) = subject.unzip();
    TlsFacts {
        version,
        cipher,
        alpn: common.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        subject,
        common_name: common_name.flatten(),
        resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}
