//! What comes by the clock: keepalive, and ends that no peer asks for: silence, half-closed silence, old age.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{Terms, socket};
use crate::sockopt;
use crate::telemetry::CloseReason;

/// How long bytes that had arrived before a reset may take to be delivered.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// The age at which a connection's upstream socket begins to watch its peer.
const SETTLED: Duration = Duration::from_secs(1);

/// Watches one connection's clock, asking the kernel when bytes last came instead of being woken
/// for each.
#[derive(Debug)]
pub(super) struct Clock {
    terms: Terms,
    half_closed: bool,
    /// When keepalive is due, until it is set.
    settles: Option<Instant>,
    /// When silence is looked for next.
    look: Option<Instant>,
}

impl Clock {
    pub(super) fn new(terms: Terms) -> Self {
        let look = terms.idle.map(|idle| Instant::now() + idle);
        Self { terms, half_closed: false, settles: Some(Instant::now() + SETTLED), look }
    }

    /// One direction is done: the half-closed timeout counts from the last byte too.
    pub(super) fn half_close(&mut self) {
        if !self.half_closed {
            self.half_closed = true;
            self.look = self.bound().map(|(bound, _)| Instant::now() + bound);
        }
    }

    /// When [`Clock::check`] wants to be called at the latest.
    pub(super) fn next(&self) -> Option<Instant> {
        [self.settles, self.look, self.terms.expires].into_iter().flatten().min()
    }

    /// The reason to end the connection now, if there is one.
    pub(super) fn check(&mut self, ends: [BorrowedFd<'_>; 2]) -> Option<CloseReason> {
        let now = Instant::now();
        if self.settles.is_some_and(|at| now >= at) {
            self.settles = None;
            let [_, upstream] = ends;
            // On failure the socket is on its way out, which whoever reads from it will see.
            let _ = sockopt::watch_peer(SockRef::from(&upstream), &self.terms.sockets);
        }
        if self.terms.expires.is_some_and(|at| now >= at) {
            return Some(CloseReason::MaxAge);
        }
        if self.look.is_none_or(|at| now < at) {
            return None;
        }
        let (bound, reason) = self.bound()?;
        let silent = silence(ends);
        if silent >= bound {
            return Some(reason);
        }
        self.look = Some(now + bound - silent);
        None
    }

    fn bound(&self) -> Option<(Duration, CloseReason)> {
        let idle = self.terms.idle.map(|bound| (bound, CloseReason::IdleTimeout));
        let half = self.terms.half_closed.filter(|_| self.half_closed);
        let half = half.map(|bound| (bound, CloseReason::HalfClosedTimeout));
        [idle, half].into_iter().flatten().min_by_key(|(bound, _)| *bound)
    }
}

/// How long neither end has received or sent data. Sending counts too: bytes still on their way
/// to a slow reader are not silence.
fn silence(ends: [BorrowedFd<'_>; 2]) -> Duration {
    let infos = ends.map(|end| socket::tcp_info(end).ok());
    infos.iter().flatten().map(|info| info.since_received.min(info.since_sent)).min().unwrap_or_default()
}

/// Sleeps until then; for ever where there is no then.
pub(super) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits until a peer has acknowledged everything, for as long as that may take.
pub(super) async fn acknowledged(socket: BorrowedFd<'_>, deadline: Instant) {
    let mut pause = Duration::from_millis(1);
    while Instant::now() < deadline && socket::unacked(socket).unwrap_or(0) > 0 {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
