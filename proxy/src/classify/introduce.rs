//! Takes a PROXY header out of a client's socket: looked at until it is whole, then read to its last byte, so
//! that the client's own first byte is the next.

use std::io::{self, ErrorKind};
use std::time::Instant;

use rustix::net::{RecvFlags, recv};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::peek::{Unseen, look, of_socket};
use super::proxy_header::{Flaw, Heading, Introduced, LONGEST_HEADER, ProxyHeader, heading};
use crate::telemetry::CloseReason;

/// What nearly every header fits into.
const FIRST_LOOK: usize = 256;

/// A header that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Introduction {
    /// Whose connection it is; `None` for the peer's own.
    pub introduced: Option<Introduced>,
    /// Bytes taken out of the socket.
    pub heard: u64,
    /// More had come behind the header before it was read, perhaps in one segment.
    pub hasty: bool,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub enum Unintroduced {
    /// Nothing, or not all of it, came in time.
    #[error("no complete PROXY header in time")]
    Deadline,
    /// The peer closed, or half-closed, before.
    #[error("the peer closed before its PROXY header was complete")]
    Closed,
    /// It sent something else.
    #[error("what the peer sent does not begin with a PROXY header")]
    Missing,
    /// It sent a header that is none by the specification.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(Flaw),
    /// It sent too long a one.
    #[error("the PROXY header is longer than {LONGEST_HEADER} bytes")]
    TooLong,
    /// Its socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
}

impl From<Unseen> for Unintroduced {
    fn from(why: Unseen) -> Self {
        match why {
            Unseen::Closed => Self::Closed,
            Unseen::Socket(error) => Self::Socket(error),
        }
    }
}

impl From<&Unintroduced> for CloseReason {
    fn from(why: &Unintroduced) -> Self {
        match why {
            Unintroduced::Deadline => Self::ProxyHeaderTimeout,
            Unintroduced::Closed => Self::ProxyHeaderIncomplete,
            Unintroduced::Missing => Self::ProxyHeaderMissing,
            Unintroduced::Malformed(_) => Self::ProxyHeaderMalformed,
            Unintroduced::TooLong => Self::ProxyHeaderTooLong,
            Unintroduced::Socket(error) => of_socket(error),
        }
    }
}

/// The header that a connection begins with; what follows it stays in the socket.
///
/// # Errors
/// Why there is none.
pub async fn introduction(stream: &TcpStream, deadline: Instant) -> Result<Introduction, Unintroduced> {
    let mut seen = Vec::with_capacity(FIRST_LOOK);
    let whole = look(stream, &mut seen, LONGEST_HEADER, |bytes| match heading(bytes) {
        Heading::Incomplete => None,
        Heading::Header(header) => Some(Ok(header)),
        Heading::Missing => Some(Err(Unintroduced::Missing)),
        Heading::Malformed(flaw) => Some(Err(Unintroduced::Malformed(flaw))),
        Heading::TooLong => Some(Err(Unintroduced::TooLong)),
    });
    let header = timeout_at(deadline.into(), whole).await.unwrap_or(Err(Unintroduced::Deadline))?;
    Ok(take(stream, header, seen)?)
}

/// Reads a header that has been seen.
fn take(stream: &TcpStream, header: ProxyHeader, mut seen: Vec<u8>) -> io::Result<Introduction> {
    let ProxyHeader { length, introduced } = header;
    let (taken, _) = recv(stream, &mut seen[..length], RecvFlags::DONTWAIT)?;
    if taken != length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    // Asked after the read: what comes later cannot be in a segment of which a part is gone.
    let behind = recv(stream, &mut [0; 1][..], RecvFlags::DONTWAIT | RecvFlags::PEEK);
    Ok(Introduction { introduced, heard: length as u64, hasty: behind.is_ok_and(|(n, _)| n > 0) })
}
