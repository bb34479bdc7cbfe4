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

/// Why nothing could be decided by looking.
#[derive(Debug)]
pub(super) enum Unseen {
    /// The client closed, or half-closed, before.
    Closed,
    /// Its socket failed.
    Socket(io::Error),
}

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

impl From<Unseen> for Unclassified {
    fn from(why: Unseen) -> Self {
        match why {
            Unseen::Closed => Self::Closed,
            Unseen::Socket(error) => Self::Socket(error),
        }
    }
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
            Unclassified::Socket(error) => of_socket(error),
        }
    }
}

/// What the failure of a client's socket is.
pub(super) fn of_socket(error: &io::Error) -> CloseReason {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::HostUnreachable => CloseReason::DownstreamTimeout,
        _ => CloseReason::DownstreamReset,
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
pub(super) async fn look<T, E: From<Unseen>>(
    stream: &TcpStream,
    seen: &mut Vec<u8>,
    limit: usize,
    mut decide: impl FnMut(&[u8]) -> Option<Result<T, E>>,
) -> Result<T, E> {
    let failed = |error| E::from(Unseen::Socket(error));
    loop {
        // Asked before the peek: whatever came before the client's end is in the queue then.
        let ended = stream.ready(Interest::READABLE).await.map_err(failed)?.is_read_closed();
        let mut verdict = None;
        // The closure answers WouldBlock whenever more has to come, which takes the readiness from before
        // the peek away. A peek leaves the bytes where they are, so without this the socket would stay
        // ready: a plain loop ran 74,737 times in 100 ms.
        let peeked = stream.try_io(Interest::READABLE, || {
            verdict = peek(stream, seen, limit, &mut decide)?;
            if verdict.is_some() || ended { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
        });
        match (verdict, peeked) {
            (Some(verdict), _) => return verdict,
            (None, Err(error)) if error.kind() != ErrorKind::WouldBlock => return Err(failed(error)),
            (None, _) if ended => return Err(Unseen::Closed.into()),
            (None, _) => {}
        }
    }
}

/// Decides by what is in the receive queue, up to `limit`; `None` where that is not enough.
fn peek<T, E: From<Unseen>>(
    stream: &TcpStream,
    seen: &mut Vec<u8>,
    limit: usize,
    decide: &mut impl FnMut(&[u8]) -> Option<Result<T, E>>,
) -> io::Result<Option<Result<T, E>>> {
    loop {
        seen.clear();
        let (_, n) = recv(stream, spare_capacity(seen), RecvFlags::DONTWAIT | RecvFlags::PEEK)?;
        let verdict = if n == 0 { Some(Err(Unseen::Closed.into())) } else { decide(seen) };
        // What comes behind is not worth more room.
        if verdict.is_some() || n < seen.capacity() || n >= limit {
            return Ok(verdict);
        }
        seen.reserve((seen.capacity() * 2).min(limit));
    }
}
