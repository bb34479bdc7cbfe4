//! Answers what PostgreSQL's clients ask before TLS begins. These bytes are the server's to take: everything
//! behind them stays in the socket.

use std::io::{self, ErrorKind};
use std::time::Instant;

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::peek::{Unclassified, look};
use super::postgres::{Begins, SSL_REQUEST, begins};

/// Requests that a client may make before its TLS: GSSAPI, refused, and TLS.
const QUESTIONS: usize = 2;

/// Brings a PostgreSQL client to the point where its ClientHello is next.
///
/// # Errors
/// Why there is none to come; [`Unclassified::NotTls`] for one that logs in without, which is to be told so.
pub async fn answer(stream: &TcpStream, deadline: Instant) -> Result<(), Unclassified> {
    timeout_at(deadline.into(), converse(stream)).await.unwrap_or(Err(Unclassified::Deadline))
}

async fn converse(stream: &TcpStream) -> Result<(), Unclassified> {
    for _ in 0..QUESTIONS {
        match begun(stream).await? {
            Begins::SslRequest => return reply(stream, b"S").await,
            Begins::GssRequest => reply(stream, b"N").await?,
            Begins::Tls => return Ok(()),
            Begins::Cancel => return Err(Unclassified::Cancel),
            Begins::Startup | Begins::Incomplete | Begins::Unknown => return Err(Unclassified::NotTls),
        }
    }
    // Refused twice, and asking again.
    Err(Unclassified::NotTls)
}

async fn begun(stream: &TcpStream) -> Result<Begins, Unclassified> {
    let mut seen = Vec::with_capacity(SSL_REQUEST.len());
    look(stream, &mut seen, SSL_REQUEST.len(), |bytes| match begins(bytes) {
        Begins::Incomplete => None,
        begun => Some(Ok(begun)),
    })
    .await
}

/// Takes the request, eight bytes that have been seen, and answers.
async fn reply(stream: &TcpStream, word: &[u8; 1]) -> Result<(), Unclassified> {
    let mut request = SSL_REQUEST;
    let (taken, _) = recv(stream, &mut request[..], RecvFlags::DONTWAIT).map_err(io::Error::from)?;
    if taken != request.len() {
        return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
    }
    loop {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match stream.try_io(Interest::WRITABLE, || Ok(send(stream, word, flags)?)) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error.into()),
        }
    }
}
