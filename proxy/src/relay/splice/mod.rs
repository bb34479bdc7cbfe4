//! The userspace relay: splice(2) through a pipe, so that bytes are not copied.

mod conduit;
mod pump;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tokio::net::TcpStream;

pub use conduit::Pool;
use pump::pump;

use super::clock::{Clock, LAST_WORDS, acknowledged, sleep_until};
use super::{Fault, Terms, socket};
use crate::telemetry::{CloseReason, Progress, Transfer};

/// Bytes moved so far, in each direction.
#[derive(Debug, Default)]
pub struct SpliceProgress {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Progress for SpliceProgress {
    fn transfer(&self) -> Transfer {
        Transfer {
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
            ..Transfer::default()
        }
    }
}

/// Relays until both directions are complete or something ends the connection. Both sockets are
/// closed when it returns: in order after [`CloseReason::Finished`], by reset after anything else.
pub async fn run(
    sockets: [OwnedFd; 2],
    pool: &Pool,
    terms: Terms,
    progress: Arc<SpliceProgress>,
) -> CloseReason {
    let [downstream, upstream] = match sockets.map(register) {
        [Ok(downstream), Ok(upstream)] => [downstream, upstream],
        [Err(error), _] | [_, Err(error)] => {
            tracing::error!(%error, "tokio refused a socket");
            return CloseReason::Internal;
        }
    };
    let reason = relay(&downstream, &upstream, pool, terms, &progress).await;
    for stream in [&downstream, &upstream] {
        socket::settle(stream.as_fd(), reason == CloseReason::Finished);
    }
    reason
}

async fn relay(
    downstream: &TcpStream,
    upstream: &TcpStream,
    pool: &Pool,
    terms: Terms,
    progress: &SpliceProgress,
) -> CloseReason {
    let stop = terms.stop.clone();
    let mut clock = Clock::new(terms);
    let failed = AtomicBool::new(false);
    let mut up = pin!(pump(downstream, upstream, pool, &progress.received, &failed));
    let mut down = pin!(pump(upstream, downstream, pool, &progress.sent, &failed));
    let (mut up_done, mut down_done) = (false, false);
    while !(up_done && down_done) {
        let until = clock.next();
        let fault = tokio::select! {
            end = &mut up, if !up_done => {
                up_done = true;
                end.map_err(|e| e.in_direction(Fault::Downstream, Fault::Upstream)).err()
            }
            end = &mut down, if !down_done => {
                down_done = true;
                end.map_err(|e| e.in_direction(Fault::Upstream, Fault::Downstream)).err()
            }
            () = sleep_until(until) => match clock.check([downstream.as_fd(), upstream.as_fd()]) {
                Some(reason) => return reason,
                None => continue,
            },
            () = stop.cancelled() => return CloseReason::Drained,
        };
        failed.store(fault.is_some(), Relaxed);
        match fault {
            None => clock.half_close(),
            Some(fault @ Fault::Upstream(_)) => {
                let rest = async {
                    if !down_done {
                        let _ = down.await;
                    }
                };
                return last_words(fault, rest, downstream).await;
            }
            Some(fault) => {
                let rest = async {
                    if !up_done {
                        let _ = up.await;
                    }
                };
                return last_words(fault, rest, upstream).await;
            }
        }
    }
    CloseReason::Finished
}

/// After a failure of one end: what it had sent before still goes to the other, `survivor`, which
/// is then reset too. Bounded, since that other may not be reading.
async fn last_words(fault: Fault, rest: impl Future<Output = ()>, survivor: &TcpStream) -> CloseReason {
    let deadline = Instant::now() + LAST_WORDS;
    let _ = tokio::time::timeout_at(deadline.into(), rest).await;
    acknowledged(survivor.as_fd(), deadline).await;
    fault.into()
}

fn register(socket: OwnedFd) -> io::Result<TcpStream> {
    TcpStream::from_std(socket.into())
}
