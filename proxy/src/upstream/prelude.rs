//! Asks an upstream for TLS in its own protocol.

use std::io::{self, ErrorKind};

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::introduce::tell;

/// PostgreSQL's SSLRequest (PostgreSQL 17, 53.7): the length, and 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Why an upstream is not about to begin TLS.
#[derive(Debug, thiserror::Error)]
pub enum PreludeError {
    /// It answered that it has none, or something else, or nothing and closed.
    #[error("the upstream did not agree to TLS")]
    Refused,
    /// It did not answer in time.
    #[error("the upstream did not answer the request for TLS in time")]
    Timeout,
    /// Its socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
}

/// What was said with an upstream before TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Bytes taken out of its socket.
    pub heard: u64,
    /// Bytes written to it.
    pub said: u64,
}

/// Asks a PostgreSQL server for TLS. Of its answer one byte is read and no more. A server then waits for the
/// ClientHello: whatever is there before was slipped in (CVE-2021-23222).
///
/// # Errors
/// See [`PreludeError`].
pub async fn request_tls(stream: &TcpStream) -> Result<Asked, PreludeError> {
    tell(stream, &SSL_REQUEST).await?;
    let mut answer = [0];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut answer) {
            Ok(1) if answer == *b"S" && stream.try_io(Interest::READABLE, || peek(stream)).is_err() => {
                return Ok(Asked { heard: 1, said: SSL_REQUEST.len() as u64 });
            }
            Ok(_) => return Err(PreludeError::Refused),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Bytes that are there; an error where none are.
fn peek(stream: &TcpStream) -> io::Result<usize> {
    Ok(recv(stream, &mut [0; 1][..], RecvFlags::DONTWAIT | RecvFlags::PEEK)?.1)
}
