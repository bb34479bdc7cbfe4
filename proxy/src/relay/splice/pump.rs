//! One direction: from a socket through a conduit into another, until EOF.

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::super::{Broken, Failure, socket};
use super::conduit::{Conduit, Pool};

/// Moves everything from `source` to `destination`, then passes the end of the stream on: unless
/// the connection has `failed`, since a socket whose error the other direction was told reads like
/// one at its end.
pub(super) async fn pump(
    source: &TcpStream,
    destination: &TcpStream,
    pool: &Pool,
    moved: &AtomicU64,
    failed: &AtomicBool,
) -> Result<(), Broken> {
    loop {
        source.readable().await.map_err(|e| Broken::Source(Failure::of(&e)))?;
        let mut conduit = pool.take();
        let ended = burst(source, destination, &mut conduit, moved).await?;
        pool.give_back(conduit);
        if ended {
            if failed.load(Relaxed) {
                return Ok(());
            }
            return socket::finish(destination.as_fd()).map_err(|e| Broken::Destination(Failure::of(&e)));
        }
    }
}

/// Moves bytes until the source has none; whether it has ended.
async fn burst(
    source: &TcpStream,
    destination: &TcpStream,
    conduit: &mut Conduit,
    moved: &AtomicU64,
) -> Result<bool, Broken> {
    let mut first = true;
    loop {
        // A fast pair never blocks; other connections want their turn.
        tokio::task::coop::consume_budget().await;
        match source.try_io(Interest::READABLE, || conduit.fill(source, std::mem::take(&mut first))) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(Broken::Source(Failure::of(&e))),
        }
        while !conduit.is_empty() {
            match destination.try_io(Interest::WRITABLE, || conduit.empty(destination)) {
                Ok(n) => {
                    moved.fetch_add(n as u64, Relaxed);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    destination.writable().await.map_err(|e| Broken::Destination(Failure::of(&e)))?;
                }
                Err(e) => return Err(Broken::Destination(Failure::of(&e))),
            }
        }
    }
}
