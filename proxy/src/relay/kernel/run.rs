//! The agent of one connection: sleeps until the kernel calls, sees both lanes to their end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::clock::{Clock, LAST_WORDS, sleep_until};
use super::super::{Fault, Terms, socket};
use super::lane::{Lane, Wants};
use super::offload::Offloaded;
use super::progress::KernelProgress;
use crate::ebpf::{Event, Events, Interest, Pair, PairEnd};
use crate::telemetry::CloseReason;

const ENDS: [PairEnd; 2] = [PairEnd::Downstream, PairEnd::Upstream];

/// Where others can see how far the relay is.
#[must_use]
pub(super) fn progress(offloaded: &Offloaded) -> Arc<KernelProgress> {
    Arc::new(KernelProgress::new(Arc::downgrade(&offloaded.pair)))
}

/// Relays until both directions are complete or something ends the connection. Both sockets are
/// closed when it returns: in order after [`CloseReason::Finished`], by reset after anything else.
pub(super) async fn run(offloaded: Offloaded, terms: Terms, progress: Arc<KernelProgress>) -> CloseReason {
    let mut agent =
        Agent { pair: offloaded.pair, lanes: offloaded.lanes, armed: Default::default(), progress };
    let reason = agent.relay(terms).await;
    if reason == CloseReason::Finished {
        for end in ENDS {
            // On failure close(2) resets, after everything was delivered: no worse than noisy.
            let _ = socket::reset_on_close(agent.pair.socket(end), false);
        }
    }
    reason
}

struct Agent {
    pair: Arc<Pair>,
    lanes: [Lane; 2],
    /// What is asked for, per end.
    armed: [Interest; 2],
    progress: Arc<KernelProgress>,
}

impl Agent {
    async fn relay(&mut self, terms: Terms) -> CloseReason {
        let stop = terms.stop.clone();
        let mut clock = Clock::new(terms);
        let mut events = Events::NUDGE;
        loop {
            let after = match self.step(events) {
                Ok(after) => after,
                Err(fault) => return self.last_words(fault).await,
            };
            if self.lanes.iter().all(Lane::finished) {
                return CloseReason::Finished;
            }
            if self.lanes.iter().any(Lane::finished) {
                clock.half_close();
            }
            if let Some(reason) = clock.check(ENDS.map(|end| self.pair.socket(end))) {
                return reason;
            }
            let until = [after.map(|d| Instant::now() + d), clock.next()].into_iter().flatten().min();
            events = tokio::select! {
                events = self.pair.events() => events,
                () = sleep_until(until) => Events::NUDGE,
                () = stop.cancelled() => return CloseReason::Drained,
            };
        }
    }

    /// Moves both lanes on and asks the kernel for what they wait for.
    fn step(&mut self, events: Events) -> Result<Option<Duration>, Fault> {
        let wants = [self.lanes[0].step(&self.pair, events), self.lanes[1].step(&self.pair, events)];
        for (end, lane) in ENDS.into_iter().zip(&mut self.lanes) {
            self.progress.wrote(end, lane.written());
            if self.pair.datapath().budget().is_short() {
                lane.credit().shrink(self.pair.datapath(), self.pair.lane(end));
            }
        }
        let wants = [wants[0]?, wants[1]?];
        self.arm(wants, events)?;
        Ok(wants.iter().filter_map(|w| w.after).min())
    }

    fn arm(&mut self, wants: [Wants; 2], events: Events) -> Result<(), Fault> {
        for end in ENDS {
            let wanted = Interest {
                readable: wants[end.index()].readable,
                writable: wants[end.other().index()].writable,
                // A FIN once seen stays, and would be told again at each asking.
                closing: !self.lanes[end.index()].peer_closed(),
            };
            // Edge-triggered: having been told once, we are told again only after asking again.
            let told = (wanted.readable && events.has(end, Event::Readable))
                || (wanted.writable && events.has(end, Event::Writable));
            if wanted != self.armed[end.index()] || told {
                self.pair.arm(end, wanted).map_err(|error| {
                    tracing::error!(%error, "epoll refused a relayed socket");
                    Fault::Integrity
                })?;
                self.armed[end.index()] = wanted;
            }
        }
        Ok(())
    }

    /// After a failure of one end: what it had sent before still goes to the other, which is then
    /// reset too. Bounded, since that other may not be reading.
    async fn last_words(&mut self, fault: Fault) -> CloseReason {
        let failed = match fault {
            Fault::Downstream(_) => PairEnd::Downstream,
            Fault::Upstream(_) => PairEnd::Upstream,
            Fault::Integrity => return CloseReason::Integrity,
        };
        let deadline = Instant::now() + LAST_WORDS;
        let lane = &mut self.lanes[failed.index()];
        let mut pause = Duration::from_millis(1);
        while Instant::now() < deadline {
            // Errors are expected now; what matters is what still comes through.
            let _ = lane.step(&self.pair, Events::NUDGE);
            self.progress.wrote(failed, lane.written());
            if lane.delivered(&self.pair) {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        fault.into()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.progress.freeze(&self.pair);
        for end in ENDS {
            let trimmed = self.pair.lane(end).trimmed();
            if trimmed > 0 {
                tracing::debug!(?end, trimmed, "overlapping retransmissions were cut");
            }
        }
        for lane in &mut self.lanes {
            lane.credit().release(self.pair.datapath());
        }
    }
}
