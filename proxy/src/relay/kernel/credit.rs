//! How much a lane may have on its way in the kernel.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::super::socket;
use crate::ebpf::{Datapath, LaneView, PairEnd};

/// Credit before the agent has looked at a lane even once. Short exchanges never need more, and
/// even a destination whose send buffer has not grown yet can hold it.
const INITIAL: u64 = 64 << 10;

/// A lane that uses up its credit faster than this is busy.
const BUSY: Duration = Duration::from_secs(1);

/// The window of one lane: what is granted beyond what the destination has surely taken.
///
/// Granted is only what the destination's send buffer can hold, so that the backlog between the
/// two sockets always drains at once into memory that the kernel accounts for.
#[derive(Debug)]
pub(super) struct Credit {
    source: PairEnd,
    window: u64,
    start: u64,
    max: u64,
    /// Counters at an earlier look: once the destination has taken `redirected` bytes, credit up
    /// to `charged` is settled.
    mark: Mark,
    settled: u64,
    /// The last credit given.
    granted: u64,
    /// When the lane was last found empty at a grant.
    grown: Option<Instant>,
    /// Bytes that had been sent on when the window last grew.
    grown_at: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    redirected: u64,
    charged: u64,
}

/// What came of asking for credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// There is credit.
    Enough,
    /// The destination is full: ask again when it is writable.
    WhenWritable,
    /// The backlog is on its way into the destination: ask again in a moment.
    Soon,
}

impl Credit {
    /// Credit for one lane, `None` when the budget has no start window left.
    pub(super) fn new(datapath: &Datapath, source: PairEnd, start: u64, max: u64) -> Option<Self> {
        datapath.budget().take(start).then(|| Self {
            source,
            window: start,
            start,
            max,
            mark: Mark::default(),
            settled: 0,
            granted: INITIAL,
            grown: None,
            grown_at: 0,
        })
    }

    /// Opens a fresh lane.
    pub(super) fn open(lane: LaneView<'_>) {
        lane.set_limit(INITIAL, INITIAL - INITIAL / 4);
    }

    /// Extends the limit as far as the destination has room. `written` are bytes the agent wrote
    /// to the destination, `base` what the destination had accepted before the lane began.
    pub(super) fn grant(
        &mut self,
        datapath: &Datapath,
        lane: LaneView<'_>,
        destination: BorrowedFd<'_>,
        written: u64,
        base: u64,
    ) -> io::Result<Grant> {
        let charged = lane.charged();
        if lane.limit().saturating_sub(charged) > self.granted / 2 {
            return Ok(Grant::Enough);
        }
        // Loaded before `accepted` is asked: what is accepted then includes at least these.
        let redirected = lane.redirected();
        let accepted = socket::accepted(destination)?;
        let delivered = accepted.acked.saturating_sub(base);
        let accepted = accepted.total().saturating_sub(base);
        let mut memory = socket::send_memory(destination)?;
        if self.settle(redirected + written, charged, accepted, written) {
            self.grow(datapath, redirected + written, delivered);
        }
        // Room for a window while two thirds of the buffer are in use, the level at which the
        // kernel calls a socket writable again. No more either: what a reader that stops leaves
        // in there is memory.
        if memory.limit != 3 * self.window {
            socket::force_send_buffer(destination, 3 * self.window)?;
            memory = socket::send_memory(destination)?;
        }
        let free = memory.limit.saturating_sub(memory.queued);
        let room = free.saturating_sub((redirected + written).saturating_sub(accepted));
        let credit = self.window.saturating_sub(charged - self.settled).min(room);
        if credit < (self.window / 4).min(memory.limit / 4) {
            // Above three quarters the socket is surely not writable for poll(2), whose level is
            // two thirds, so waiting for that cannot spin.
            let full = free < memory.limit / 4;
            return Ok(if full { Grant::WhenWritable } else { Grant::Soon });
        }
        self.granted = credit;
        lane.set_limit(charged + credit, charged + credit - self.ahead(credit));
        Ok(Grant::Enough)
    }

    /// How long before its end credit calls the agent. Earlier on the lane from the client: in an
    /// exchange both lanes use theirs up alike, and one call then serves both.
    fn ahead(&self, credit: u64) -> u64 {
        match self.source {
            PairEnd::Downstream => credit / 8 * 3,
            PairEnd::Upstream => credit / 4,
        }
    }

    /// Learns what credit the destination has surely taken; whether that is all of it.
    fn settle(&mut self, sent_on: u64, charged: u64, accepted: u64, written: u64) -> bool {
        let drained = accepted >= sent_on;
        if drained {
            self.settled = charged;
        } else if accepted >= self.mark.redirected + written {
            self.settled = self.settled.max(self.mark.charged);
        }
        if accepted >= self.mark.redirected + written {
            self.mark = Mark { redirected: sent_on - written, charged };
        }
        drained
    }

    /// Free room the destination must have before passed bytes go to it: for what the source
    /// holds and a window on top, so that the kernel path reopens for good; at most what an
    /// almost empty buffer offers.
    pub(super) fn room_to_resume(&self, held: u64, send_buffer: u64) -> u64 {
        (held + self.window).min(send_buffer - send_buffer / 4)
    }

    /// Gives back what the lane grew by, credit already granted included.
    pub(super) fn shrink(&mut self, datapath: &Datapath, lane: LaneView<'_>) {
        if self.window > self.start {
            let charged = lane.charged();
            let limit = lane.limit().min(charged + self.start);
            // What is left may be less than the start window: a young lane has its first credit only.
            lane.set_limit(limit, limit - self.ahead(limit.saturating_sub(charged)));
            datapath.budget().give_back(self.window - self.start);
            self.window = self.start;
        }
    }

    /// Gives back everything, at the lane's end.
    pub(super) fn release(&mut self, datapath: &Datapath) {
        datapath.budget().give_back(self.window);
        self.window = 0;
        self.start = 0;
    }

    /// Doubles the window of a lane that is busy and whose reader keeps up: the peer, not only the
    /// send buffer, has taken all that was on its way when it last grew. A reader that stops gets
    /// no more.
    fn grow(&mut self, datapath: &Datapath, sent_on: u64, delivered: u64) {
        let busy = self.grown.replace(Instant::now()).is_some_and(|at| at.elapsed() < BUSY);
        if !busy || delivered < self.grown_at {
            return;
        }
        self.grown_at = sent_on;
        let more = self.window.min(self.max - self.window);
        if more > 0 {
            if datapath.budget().take(more) {
                self.window += more;
            } else {
                datapath.reclaim();
            }
        }
    }
}
