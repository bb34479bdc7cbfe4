//! A last word that arrives: closing at once would send a reset after it, which overtakes it.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::relay::socket;

/// The fatal alert `unrecognized_name` in a record of its own, before any key (RFC 8446, 6; RFC 6066, 3).
/// rustls would say `access_denied`.
pub(super) const UNRECOGNIZED_NAME: &[u8] = &[0x15, 3, 3, 0, 2, 2, 112];

/// Longest that a peer may take to hear it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most that is read of what the peer still sends.
const MOST: usize = 64 << 10;

/// Sends `words`, ends the stream, and closes once the peer has closed too: unread bytes would make
/// close(2) send a reset.
pub(super) async fn farewell(stream: TcpStream, words: &[u8]) {
    // Whatever fails, the socket is closed: by reset, as from the beginning.
    let _ = tokio::time::timeout(PATIENCE, say(&stream, words)).await;
}

async fn say(stream: &TcpStream, mut words: &[u8]) -> io::Result<()> {
    while !words.is_empty() {
        match stream.try_write(words) {
            Ok(n) => words = &words[n..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    socket::reset_on_close(stream.as_fd(), false)?;
    socket::finish(stream.as_fd())?;
    let (mut rest, mut left) = ([0; 2048], MOST);
    while left > 0 {
        stream.readable().await?;
        match stream.try_read(&mut rest) {
            Ok(0) => return Ok(()),
            Ok(n) => left = left.saturating_sub(n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
