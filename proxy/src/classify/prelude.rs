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

/// What was said with a client before its TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answered {
    /// Bytes taken out of its socket.
    pub heard: u64,
    /// Bytes written to it.
    pub said: u64,
    /// More had come behind a question before it was answered, perhaps in one segment.
    pub hasty: bool,
}

/// Brings a PostgreSQL client to the point where its ClientHello is next.
///
/// # Errors
/// Why there is none to come; [`Unclassified::NotTls`] for one that logs in without, which is to be told so.
pub async fn answer(stream: &TcpStream, deadline: Instant) -> Result<Answered, Unclassified> {
    timeout_at(deadline.into(), converse(stream)).await.unwrap_or(Err(Unclassified::Deadline))
}

async fn converse(stream: &TcpStream) -> Result<Answered, Unclassified> {
    let mut answered = Answered::default();
    for _ in 0..QUESTIONS {
        match begun(stream).await? {
            Begins::SslRequest => {
                reply(stream, b"S", &mut answered).await?;
                return Ok(answered);
            }
            Begins::GssRequest => reply(stream, b"N", &mut answered).await?,
            Begins::Tls => return Ok(answered),
            Begins::Cancel => return Err(Unclassified::Cancel),
            Begins::Startup | Begins::Incomplete | Begins::Unknown => return Err(Unclassified::NotTls),
        }
    }
    // Refused, and asking again.
    Err(Unclassified::NotTls)
}

async fn begun(stream: &TcpStream) -> Result<Begins, Unclassified> {
    let mut seen = Vec::with_capacity(SSL_REQUEST.len());
    look::<_, Unclassified>(stream, &mut seen, SSL_REQUEST.len(), |bytes| match begins(bytes) {
        Begins::Incomplete => None,
        begun => Some(Ok(begun)),
    })
    .await
}

/// Takes the request, eight bytes that have been seen, and answers.
async fn reply(stream: &TcpStream, word: &[u8; 1], answered: &mut Answered) -> Result<(), Unclassified> {
    let mut request = SSL_REQUEST;
    let (taken, _) = recv(stream, &mut request[..], RecvFlags::DONTWAIT).map_err(io::Error::from)?;
    if taken != request.len() {
        return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
    }
    let behind = recv(stream, &mut [0; 1][..], RecvFlags::DONTWAIT | RecvFlags::PEEK);
    answered.hasty |= behind.is_ok_and(|(n, _)| n > 0);
    answered.heard += request.len() as u64;
    answered.said += word.len() as u64;
    loop {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match stream.try_io(Interest::WRITABLE, || Ok(send(stream, word, flags)?)) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error.into()),
        }
    }
}
