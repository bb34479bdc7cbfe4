//! The TLS relay: userspace, since the bytes change on their way. Each side is a session or as it is.
//!
//! One task, one state machine: a session belongs to both directions, decrypting for one what it encrypts for
//! the other.

mod lane;
mod leg;
mod sealed;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Instant;

use tokio::task::coop::consume_budget;
use tokio::time::timeout_at;

use lane::{Lane, Motion};
pub use leg::Leg;

use super::clock::{Clock, LAST_WORDS, acknowledged, sleep_until};
use super::{Broken, Failure, Fault, Terms, socket};
use crate::telemetry::{CloseReason, Progress, Transfer};
use crate::tls::Pool;

/// Cleartext moved so far, in each direction.
#[derive(Debug, Default)]
pub struct TlsProgress {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Progress for TlsProgress {
    fn transfer(&self) -> Transfer {
        Transfer {
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
            ..Transfer::default()
        }
    }
}

/// Downstream and upstream, and what goes on between them.
struct Pair<'a> {
    legs: &'a mut [Leg; 2],
    lanes: [Lane; 2],
    pool: &'a Pool,
    progress: &'a TlsProgress,
    /// What the client had sent when it was told the upstream's end.
    heard_before_end: Option<u64>,
}

/// Relays until both directions are complete or something ends the connection. Both sockets are
/// closed when it returns: in order after [`CloseReason::Finished`], by reset after anything else. An upstream
/// that was not told the client's end, since the client did not say it, is reset in any case.
pub async fn run(
    mut legs: Box<[Leg; 2]>,
    pool: &Pool,
    terms: Terms,
    progress: Arc<TlsProgress>,
) -> CloseReason {
    let lanes = Default::default();
    let mut pair = Pair { legs: &mut legs, lanes, pool, progress: &progress, heard_before_end: None };
    let reason = pair.relay(terms).await;
    let told = [&pair.lanes[1], &pair.lanes[0]].map(Lane::finished);
    for (leg, told) in legs.iter().zip(told) {
        socket::settle(leg.stream.as_fd(), told && reason == CloseReason::Finished);
    }
    reason
}

impl Pair<'_> {
    async fn relay(&mut self, terms: Terms) -> CloseReason {
        let stop = terms.stop.clone();
        let mut stopped = pin!(stop.cancelled());
        let mut clock = Clock::new(terms);
        while !self.lanes.iter().all(Lane::finished) {
            let until = clock.next();
            tokio::select! {
                ended = self.carry() => match ended {
                    Ok(()) => clock.half_close(),
                    Err(fault) if self.is_only_silent(fault) => return CloseReason::Finished,
                    Err(fault) => return self.last_words(fault).await,
                },
                () = sleep_until(until) => {
                    let ends = [self.legs[0].stream.as_fd(), self.legs[1].stream.as_fd()];
                    if let Some(reason) = clock.check(ends) {
                        return reason;
                    }
                }
                () = &mut stopped => return CloseReason::Drained,
            }
        }
        CloseReason::Finished
    }

    /// Moves bytes until a direction has come to its end. Whoever drops it half-way loses nothing.
    async fn carry(&mut self) -> Result<(), Fault> {
        loop {
            // A fast pair never blocks; other connections want their turn.
            consume_budget().await;
            let finished = self.lanes.each_ref().map(Lane::finished);
            let motions = [self.step(0)?, self.step(1)?];
            if finished != self.lanes.each_ref().map(Lane::finished) {
                if self.lanes[1].finished() {
                    self.heard_before_end.get_or_insert(self.heard());
                }
                return Ok(());
            }
            if !motions.iter().any(|motion| motion.again) && !self.has_answers(motions) {
                self.wait(motions).await;
            }
        }
    }

    /// Cleartext from the client so far.
    fn heard(&self) -> u64 {
        self.legs[1].accepted()
    }

    /// Whether a client has only not answered the end it was told, and has sent nothing since: what many do
    /// (Python's ssl, unless asked), and no loss, for its upstream was through before.
    fn is_only_silent(&self, fault: Fault) -> bool {
        fault == Fault::Downstream(Failure::Truncated)
            && self.legs[0].input.is_empty()
            && self.heard_before_end == Some(self.heard())
    }

    /// Moves one direction on: 0 is from the client.
    fn step(&mut self, direction: usize) -> Result<Motion, Fault> {
        let [downstream, upstream] = &mut *self.legs;
        let (source, destination, faults) = if direction == 0 {
            (downstream, upstream, FAULTS)
        } else {
            (upstream, downstream, [FAULTS[1], FAULTS[0]])
        };
        let motion = self.lanes[direction].step(source, destination, self.pool);
        self.count();
        motion.map_err(|broken| {
            let broken = match broken {
                // Its error was told to whoever sent last; after that a reset reads like an end.
                Broken::Source(Failure::Truncated) if self.lanes[1 - direction].unheard() => {
                    Broken::Source(Failure::Reset)
                }
                broken => broken,
            };
            broken.in_direction(faults[0], faults[1])
        })
    }

    /// Tells how far both directions are.
    fn count(&self) {
        self.progress.received.store(self.legs[1].delivered(), Relaxed);
        self.progress.sent.store(self.legs[0].delivered(), Relaxed);
    }

    /// Whether a session wants to say something of its own, after the direction that would carry it had its
    /// turn.
    fn has_answers(&self, motions: [Motion; 2]) -> bool {
        let says = |leg: usize, motion: Motion| !self.legs[leg].output.is_empty() && !motion.writable;
        says(1, motions[0]) || says(0, motions[1])
    }

    /// Waits for whatever the directions wait for.
    async fn wait(&self, motions: [Motion; 2]) {
        poll_fn(|cx| {
            let mut ready = false;
            for (direction, motion) in motions.iter().enumerate() {
                let (source, destination) = (&self.legs[direction].stream, &self.legs[1 - direction].stream);
                // An error is for the next call on the socket to tell.
                ready |= motion.readable && source.poll_read_ready(cx).is_ready();
                ready |= motion.writable && destination.poll_write_ready(cx).is_ready();
            }
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// After a failure of one end: what it had sent before still goes to the other, which is then
    /// reset too. Bounded, since that other may not be reading.
    async fn last_words(&mut self, fault: Fault) -> CloseReason {
        let direction = match fault {
            Fault::Downstream(_) => 0,
            Fault::Upstream(_) => 1,
            Fault::Integrity => return CloseReason::Integrity,
        };
        // The alert, where it was we who found fault.
        let _ = self.legs[direction].flush();
        self.count();
        let deadline = Instant::now() + LAST_WORDS;
        self.lanes[direction].fail();
        let rest = async {
            // Once the source fails too, the next step only delivers what is there.
            let mut failures = 0;
            while failures < 2 {
                match self.step(direction) {
                    Ok(Motion { again: true, .. }) => {}
                    Ok(Motion { writable: true, .. }) => {
                        let mut motions = [Motion::default(); 2];
                        motions[direction].writable = true;
                        self.wait(motions).await;
                    }
                    Ok(_) => return,
                    Err(_) => failures += 1,
                }
            }
        };
        let _ = timeout_at(deadline.into(), rest).await;
        acknowledged(self.legs[1 - direction].stream.as_fd(), deadline).await;
        fault.into()
    }
}

/// What a failure of the client's socket, and of the upstream's, is.
const FAULTS: [fn(Failure) -> Fault; 2] = [Fault::Downstream, Fault::Upstream];
