//! Downstream connections.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use super::patience;

/// A connection whose reads and writes give up after [`patience`].
///
/// # Panics
/// When it cannot be made.
pub(crate) fn connect(address: &str) -> TcpStream {
    try_connect(address).unwrap_or_else(|e| panic!("connecting to {address}: {e}"))
}

/// Like [`connect`], with the error for those who expect one.
///
/// # Errors
/// The kernel's.
#[expect(clippy::disallowed_methods, reason = "tests connect as clients do, and may block")]
pub(crate) fn try_connect(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(patience()))?;
    stream.set_write_timeout(Some(patience()))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads to the end of the stream.
///
/// # Panics
/// When it does not end in order.
pub(crate) fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the stream ends in order");
    bytes
}

/// Expects a reset, and neither bytes nor a clean end.
///
/// # Panics
/// On anything else.
pub(crate) fn expect_reset(stream: &mut TcpStream) {
    match stream.read(&mut [0; 1]) {
        Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("expected a reset, got {other:?}"),
    }
}

/// Connects and expects a reset: of the connection, or already while connect(2) returns, where the other side is
/// quicker than this thread is woken.
///
/// # Panics
/// On anything else.
pub(crate) fn expect_refusal(address: &str) {
    match try_connect(address) {
        Ok(mut stream) => expect_reset(&mut stream),
        Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
        Err(e) => panic!("expected a reset, got {e}"),
    }
}

/// Closes with a reset.
///
/// # Panics
/// When the option cannot be set.
pub(crate) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
}
