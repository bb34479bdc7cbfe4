//! Looks at a client's first bytes and leaves them in the socket, so that any relay can follow.

use std::io::{self, ErrorKind};
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::client_hello::{ClientHello, LIMIT, Parsed, parse};
use crate::telemetry::CloseReason;

/// What nearly every hello fits into.
const FIRST_LOOK: usize = 4 << 10;

/// Why it is not known what a client wants.
#[derive(Debug, thiserror::Error)]
pub enum Unclassified {
    /// Nothing, or not all of it, came in time.
    #[error("no complete ClientHello in time")]
    Deadline,
    /// The client closed, or half-closed, before.
    #[error("the client closed before its ClientHello was complete")]
    Closed,
    /// It speaks another protocol.
    #[error("what the client sent is not TLS")]
    NotTls,
    /// It speaks TLS that no RFC has.
    #[error("the ClientHello is malformed")]
    Malformed,
    /// Its hello has no end.
    #[error("the ClientHello is longer than {LIMIT} bytes")]
    TooLong,
    /// It asked to cancel a query, in the clear.
    #[error("a PostgreSQL CancelRequest came in the clear")]
    Cancel,
    /// Its socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
}

impl From<&Unclassified> for CloseReason {
    fn from(why: &Unclassified) -> Self {
        match why {
            Unclassified::Deadline => Self::HelloTimeout,
            Unclassified::Closed => Self::HelloIncomplete,
            Unclassified::NotTls => Self::NotTls,
            Unclassified::Malformed => Self::HelloMalformed,
            Unclassified::TooLong => Self::HelloTooLong,
            Unclassified::Cancel => Self::CancelInClear,
            Unclassified::Socket(error) => match error.kind() {
                ErrorKind::TimedOut | ErrorKind::HostUnreachable => Self::DownstreamTimeout,
                _ => Self::DownstreamReset,
            },
        }
    }
}

/// The client's hello, which stays in the socket.
///
/// # Errors
/// Why there is none.
pub async fn client_hello(stream: &TcpStream, deadline: Instant) -> Result<ClientHello, Unclassified> {
    let mut seen = Vec::with_capacity(FIRST_LOOK);
    let hello = look(stream, &mut seen, LIMIT, |bytes| match parse(bytes) {
        Parsed::Incomplete => None,
        Parsed::Hello(hello) => Some(Ok(hello)),
        Parsed::NotTls => Some(Err(Unclassified::NotTls)),
        Parsed::Malformed => Some(Err(Unclassified::Malformed)),
        Parsed::TooLong => Some(Err(Unclassified::TooLong)),
    });
    timeout_at(deadline.into(), hello).await.unwrap_or(Err(Unclassified::Deadline))
}

/// Peeks at up to `limit` bytes until `decide` has an answer.
pub(super) async fn look<T>(
    stream: &TcpStream,
    seen: &mut Vec<u8>,
    limit: usize,
    mut decide: impl FnMut(&[u8]) -> Option<Result<T, Unclassified>>,
) -> Result<T, Unclassified> {
    loop {
        // Asked before the peek: whatever came before the client's end is in the queue then.
        let ended = stream.ready(Interest::READABLE).await?.is_read_closed();
        let mut verdict = None;
        // The closure answers WouldBlock whenever more has to come, which takes the readiness from before
        // the peek away. A peek leaves the bytes where they are, so without this the socket would stay
        // ready: a plain loop ran 74,737 times in 100 ms.
        let peeked = stream.try_io(Interest::READABLE, || {
            let n = peek(stream, seen, limit)?;
            verdict = if n == 0 { Some(Err(Unclassified::Closed)) } else { decide(seen) };
            if verdict.is_some() || ended { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
        });
        match (verdict, peeked) {
            (Some(verdict), _) => return verdict,
            (None, Err(error)) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
            (None, _) if ended => return Err(Unclassified::Closed),
            (None, _) => {}
        }
    }
}

/// What is in the receive queue, up to `limit`.
fn peek(stream: &TcpStream, seen: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
    loop {
        seen.clear();
        let (_, n) = recv(stream, spare_capacity(seen), RecvFlags::DONTWAIT | RecvFlags::PEEK)?;
        if n < seen.capacity() || n >= limit {
            return Ok(n);
        }
        seen.reserve((seen.capacity() * 2).min(limit));
    }
}
