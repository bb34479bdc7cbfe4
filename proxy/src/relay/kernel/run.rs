//! The agent of one connection: sleeps until the kernel calls, sees both lanes to their end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::clock::{Clock, LAST_WORDS, sleep_until};
use super::super::{Fault, Spoken, Terms, socket};
use super::lane::{Lane, Wants};
use super::offload::{Declined, NotJoined, Offload};
use super::progress::KernelProgress;
use crate::ebpf::{Event, Events, Interest, Pair, PairEnd};
use crate::telemetry::CloseReason;

/// Told why the kernel does not carry both directions.
pub type FellBack<'a> = &'a (dyn Fn(&'static str) + Send + Sync);

/// The agent of one connection.
#[derive(Debug)]
pub(super) struct Agent {
    pair: Arc<Pair>,
    lanes: [Lane; 2],
    /// How the pair is to be joined, until it was tried.
    offload: Option<Offload>,
    /// Whether both ends are watched yet.
    watched: bool,
    /// What is asked for, per end.
    armed: [Interest; 2],
    progress: Arc<KernelProgress>,
}

impl Agent {
    /// An agent that carries both lanes, until they have shown that it is worth joining them.
    pub(super) fn new(pair: Pair, offload: Offload, spoken: [Spoken; 2]) -> Self {
        Self::with(pair, PairEnd::BOTH.map(|end| Lane::new(end, spoken)), Some(offload), Interest::INPUT)
    }

    /// An agent whose lanes join at once, and why one does not.
    ///
    /// # Errors
    /// Why neither does.
    pub(super) fn joined(
        pair: Pair,
        offload: &Offload,
        spoken: [Spoken; 2],
    ) -> Result<(Self, Option<&'static str>), Declined> {
        let mut lanes = PairEnd::BOTH.map(|end| Lane::new(end, spoken));
        match offload.join(&pair, &mut lanes) {
            Ok(refused) => Ok((Self::with(pair, lanes, None, Interest::END), refused)),
            Err(NotJoined { reason, untouched: true }) => Err(Declined { reason, sockets: pair.dissolve() }),
            // Bytes may be where splice(2) does not look for them; recv(2) does.
            Err(NotJoined { reason, .. }) => {
                Ok((Self::with(pair, lanes, None, Interest::INPUT), Some(reason)))
            }
        }
    }

    fn with(pair: Pair, lanes: [Lane; 2], offload: Option<Offload>, interest: Interest) -> Self {
        let pair = Arc::new(pair);
        let progress = Arc::new(KernelProgress::new(Arc::downgrade(&pair)));
        Self { pair, lanes, offload, watched: false, armed: [interest; 2], progress }
    }

    /// Where others can see how far the relay is.
    pub(super) fn progress(&self) -> Arc<KernelProgress> {
        Arc::clone(&self.progress)
    }

    /// Relays until both directions are complete or something ends the connection. Both sockets are
    /// closed when it returns: in order after [`CloseReason::Finished`], by reset after anything else.
    pub(super) async fn run(mut self, terms: Terms, fell_back: FellBack<'_>) -> CloseReason {
        let reason = self.relay(terms, fell_back).await;
        // Never tried: it was over before, or its source was in a rush to its end.
        if let Some(offload) = &self.offload {
            fell_back(offload.too_early(self.charged()).unwrap_or("rush"));
        }
        for end in PairEnd::BOTH {
            socket::settle(self.pair.socket(end), reason == CloseReason::Finished);
        }
        reason
    }

    async fn relay(&mut self, terms: Terms, fell_back: FellBack<'_>) -> CloseReason {
        let stop = terms.stop.clone();
        let mut clock = Clock::new(terms);
        // What a client has sent by now is carried before anybody is asked to tell of it.
        let mut events = Events::default();
        loop {
            let wants = match self.step(events, fell_back) {
                Ok(wants) => wants,
                Err(fault) => return self.last_words(fault).await,
            };
            if self.lanes.iter().all(Lane::finished) {
                return CloseReason::Finished;
            }
            if self.lanes.iter().any(Lane::finished) {
                clock.half_close();
            }
            if let Some(reason) = clock.check(PairEnd::BOTH.map(|end| self.pair.socket(end))) {
                return reason;
            }
            let after = wants.iter().filter_map(|w| w.after).min();
            let until = [after.map(|d| Instant::now() + d), clock.next()].into_iter().flatten().min();
            events = tokio::select! {
                events = self.pair.events() => events,
                () = tokio::task::yield_now(), if wants.iter().any(|w| w.again) => Events::NUDGE,
                () = sleep_until(until) => Events::NUDGE,
                () = stop.cancelled() => return CloseReason::Drained,
            };
        }
    }

    /// Moves both lanes on and asks the kernel for what they wait for.
    fn step(&mut self, events: Events, fell_back: FellBack<'_>) -> Result<[Wants; 2], Fault> {
        let mut wants = self.step_lanes(events)?;
        if self.join(fell_back) {
            // What came in the meantime was told to nobody yet.
            wants = self.step_lanes(Events::NUDGE)?;
        }
        self.arm(wants, events).map_err(|error| {
            tracing::error!(%error, "epoll refused a relayed socket");
            Fault::Integrity
        })?;
        Ok(wants)
    }

    fn step_lanes(&mut self, events: Events) -> Result<[Wants; 2], Fault> {
        let wants = [self.lanes[0].step(&self.pair, events), self.lanes[1].step(&self.pair, events)];
        for (end, lane) in PairEnd::BOTH.into_iter().zip(&mut self.lanes) {
            self.progress.wrote(end, lane.written());
            let datapath = self.pair.datapath();
            if datapath.budget().is_short()
                && let Some(credit) = lane.credit()
            {
                credit.shrink(datapath, self.pair.lane(end));
            }
        }
        let [downstream, upstream] = wants;
        Ok([downstream?, upstream?])
    }

    /// Joins the pair once it is worth it, and possible; whether that was tried now.
    fn join(&mut self, fell_back: FellBack<'_>) -> bool {
        let charged = self.charged();
        let Some(offload) = self
            .offload
            .take_if(|offload| offload.too_early(charged).is_none() && self.lanes.iter().all(Lane::can_join))
        else {
            return false;
        };
        if let Some(reason) = offload.join(&self.pair, &mut self.lanes).unwrap_or_else(|not| Some(not.reason))
        {
            fell_back(reason);
        }
        true
    }

    /// What both lanes have carried, in credit's currency.
    fn charged(&self) -> u64 {
        self.lanes.iter().map(Lane::charged).sum()
    }

    /// Has the kernel tell what is waited for.
    fn arm(&mut self, wants: [Wants; 2], events: Events) -> std::io::Result<()> {
        if !std::mem::replace(&mut self.watched, true) {
            self.pair.watch(self.armed[0])?;
        }
        let carried = self.lanes.iter().all(Lane::is_agents);
        for end in PairEnd::BOTH {
            let writable = wants[end.other().index()].writable;
            let wanted = if carried {
                Interest { writable, ..Interest::INPUT }
            } else {
                // A FIN once seen stays, and would be told again at each asking.
                let closing = !self.lanes[end.index()].peer_closed();
                Interest { readable: wants[end.index()].readable, writable, closing }
            };
            // Edge-triggered: having been told once, we are told again only after asking again, or,
            // where we read until there is nothing, when more comes.
            let told = !carried
                && ((wanted.readable && events.has(end, Event::Readable))
                    || (wanted.writable && events.has(end, Event::Writable)));
            if wanted != self.armed[end.index()] || told {
                self.pair.arm(end, wanted)?;
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
        for end in PairEnd::BOTH {
            let trimmed = self.pair.lane(end).trimmed();
            if trimmed > 0 {
                tracing::debug!(?end, trimmed, "overlapping retransmissions were cut");
            }
        }
        for lane in &mut self.lanes {
            if let Some(credit) = lane.credit() {
                credit.release(self.pair.datapath());
            }
        }
    }
}
