//! One direction of a pair: a state machine of non-blocking steps.

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::super::socket;
use super::super::{Failure, Fault};
use super::credit::{Credit, Grant};
use crate::ebpf::{Event, Events, LaneView, Pair, PairEnd};

/// Bytes carried at a time where the agent carries all.
const CHUNK: usize = 64 << 10;

/// Most bytes carried at a time when the verdict passes them.
const MOST: usize = 4 << 20;

/// The first and the longest wait between two looks at something the kernel does not announce.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// Who carries a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// The verdict, and the agent what the verdict passes.
    Kernel,
    /// The agent alone: the kernel did not take the source.
    Agent,
}

/// What a lane waits for after a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// Bytes at the source.
    pub(super) readable: bool,
    /// Room at the destination.
    pub(super) writable: bool,
    /// Another look after this long.
    pub(super) after: Option<Duration>,
}

/// The lane from one end of a pair to the other.
#[derive(Debug)]
pub(super) struct Lane {
    source: PairEnd,
    carrier: Carrier,
    credit: Credit,
    /// What the destination had accepted before the lane began.
    base: u64,
    /// Bytes the agent wrote to the destination.
    written: u64,
    /// `redirected` when the drain barrier was last seen to hold.
    barrier_at: Option<u64>,
    /// Read from the source by an agent that carries all, and how much the destination has taken.
    carry: Vec<u8>,
    carried: usize,
    peer_closed: bool,
    eof: bool,
    finished: bool,
    /// Progress at the last step.
    seen: u64,
    backoff: Duration,
}

impl Lane {
    pub(super) fn new(source: PairEnd, carrier: Carrier, credit: Credit, base: u64) -> Self {
        Self {
            source,
            carrier,
            credit,
            base,
            written: 0,
            barrier_at: None,
            carry: Vec::new(),
            carried: 0,
            peer_closed: false,
            eof: false,
            finished: false,
            seen: 0,
            backoff: LOOK_AGAIN.0,
        }
    }

    /// Whether the end of the stream was passed on and proven complete.
    pub(super) fn finished(&self) -> bool {
        self.finished
    }

    /// Whether the source's FIN was announced.
    pub(super) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Bytes the agent wrote to the destination.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn credit(&mut self) -> &mut Credit {
        &mut self.credit
    }

    /// Does everything that can be done without waiting.
    pub(super) fn step(&mut self, pair: &Pair, events: Events) -> Result<Wants, Fault> {
        if self.finished {
            return Ok(Wants::default());
        }
        self.peer_closed |=
            events.has(self.source, Event::PeerClosed) || events.has(self.source, Event::Failed);
        self.notice_failure(pair, events)?;
        if self.view(pair).broken() {
            return Err(Fault::Integrity);
        }
        let mut wants = self.carry(pair)?;
        if self.eof {
            wants = self.finish(pair)?;
        } else if self.carrier == Carrier::Kernel && wants == Wants::default() {
            wants = self.grant(pair)?;
        }
        Ok(self.pace(pair, wants))
    }

    /// A destination that failed is noticed here: its own lane may be long finished.
    fn notice_failure(&self, pair: &Pair, events: Events) -> Result<(), Fault> {
        let destination = self.source.other();
        if events.has(destination, Event::Failed)
            && let Some(error) = socket::pending_error(pair.socket(destination))
        {
            return Err(self.fault(destination, &error));
        }
        Ok(())
    }

    /// Bytes that have gone through the lane so far, on both paths.
    fn progress(&self, pair: &Pair) -> u64 {
        self.view(pair).redirected() + self.written
    }

    /// Backs off while nothing moves; starts afresh as soon as something does.
    fn pace(&mut self, pair: &Pair, mut wants: Wants) -> Wants {
        let now = self.progress(pair);
        if std::mem::replace(&mut self.seen, now) != now {
            self.backoff = LOOK_AGAIN.0;
        }
        if wants.after.is_some() {
            wants.after = Some(self.backoff);
            self.backoff = (self.backoff * 2).min(LOOK_AGAIN.1);
        }
        wants
    }

    /// Carries on what can be carried now.
    fn carry(&mut self, pair: &Pair) -> Result<Wants, Fault> {
        if self.eof {
            return Ok(Wants::default());
        }
        match self.carrier {
            Carrier::Kernel => self.carry_passed(pair),
            Carrier::Agent => self.carry_all(pair),
        }
    }

    /// Writes what the verdict passed to the destination, then tells the verdict, and only then
    /// takes it out of the source.
    ///
    /// In this order because taking it out opens the source's window, and what a fast sender puts
    /// into it within the same system call must find the kernel path open: else each byte that is
    /// carried makes room for another that has to be, and the lane never comes back. It also
    /// means that no byte is ever held here.
    fn carry_passed(&mut self, pair: &Pair) -> Result<Wants, Fault> {
        loop {
            let held = self.held(pair);
            if held == 0 && !self.peer_closed {
                return Ok(Wants::default());
            }
            if let Some(wants) = self.wait_for_room(pair, held)? {
                return Ok(wants);
            }
            let mut bytes = Vec::with_capacity(usize::try_from(held).unwrap_or(MOST).clamp(1, MOST));
            match socket::peek(pair.socket(self.source), &mut bytes) {
                // Counters are compared after the call returned: what it had not seen is still to come.
                Ok(0) if self.held(pair) > 0 => return Ok(look_again()),
                Ok(0) => {
                    self.eof = true;
                    return Ok(Wants::default());
                }
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(self.not_yet(pair)),
                Err(e) => return Err(self.fault(self.source, &e)),
            }
            if !self.barrier_holds(pair)? {
                return Ok(look_again());
            }
            if let Some(wants) = self.forward(pair, &mut bytes)? {
                return Ok(wants);
            }
        }
    }

    /// The second half of [`Lane::carry_passed`], for bytes that were peeked at.
    fn forward(&mut self, pair: &Pair, bytes: &mut [u8]) -> Result<Option<Wants>, Fault> {
        let taken = match socket::send(pair.socket(self.source.other()), bytes) {
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Some(when_writable())),
            Err(e) => return Err(self.fault(self.source.other(), &e)),
        };
        self.written += taken as u64;
        if taken as u64 == self.held(pair) {
            // About to reopen: with credit, or the next segment would be passed again.
            self.grant(pair)?;
        }
        let lane = self.view(pair);
        lane.set_done(lane.done() + taken as u64);
        let mut left = taken;
        while left > 0 {
            left -= socket::discard(pair.socket(self.source), &mut bytes[..left])
                .map_err(|e| self.fault(self.source, &e))?;
        }
        Ok(None)
    }

    /// Nothing could be read: it is announced by the verdict and not yet in the socket's queue, or
    /// a FIN was announced before the verdict has run on the segment that carries it.
    fn not_yet(&self, pair: &Pair) -> Wants {
        let behind = self.held(pair) > 0;
        let after = (behind || self.peer_closed).then_some(LOOK_AGAIN.0);
        Wants { readable: behind, after, writable: false }
    }

    /// Bytes that the verdict passed and the destination has not taken.
    fn held(&self, pair: &Pair) -> u64 {
        let lane = self.view(pair);
        lane.passed() - lane.done()
    }

    /// Reads and writes everything: the kernel did not take this source.
    fn carry_all(&mut self, pair: &Pair) -> Result<Wants, Fault> {
        loop {
            // A verdict that ran while the kernel refused the source may have sent something on.
            if !self.carry.is_empty() && !self.barrier_holds(pair)? {
                return Ok(look_again());
            }
            while self.carried < self.carry.len() {
                match socket::send(pair.socket(self.source.other()), &self.carry[self.carried..]) {
                    Ok(n) => {
                        self.carried += n;
                        self.written += n as u64;
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(when_writable()),
                    Err(e) => return Err(self.fault(self.source.other(), &e)),
                }
            }
            self.carry.clear();
            self.carried = 0;
            self.carry.reserve_exact(CHUNK);
            match socket::receive(pair.socket(self.source), &mut self.carry) {
                Ok(0) => {
                    self.eof = true;
                    self.carry = Vec::new();
                    return Ok(Wants::default());
                }
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.carry = Vec::new();
                    return Ok(Wants { readable: true, ..Wants::default() });
                }
                Err(e) => return Err(self.fault(self.source, &e)),
            }
        }
    }

    /// The drain barrier: the destination has accepted every byte that went before.
    fn barrier_holds(&mut self, pair: &Pair) -> Result<bool, Fault> {
        let redirected = self.view(pair).redirected();
        if self.barrier_at == Some(redirected) {
            return Ok(true);
        }
        let accepted = self.accepted(pair)?;
        if accepted > redirected + self.written {
            return Err(Fault::Integrity);
        }
        let holds = accepted == redirected + self.written;
        if holds {
            self.barrier_at = Some(redirected);
        }
        Ok(holds)
    }

    /// Bytes of this lane in the destination's send queue, ever.
    fn accepted(&self, pair: &Pair) -> Result<u64, Fault> {
        let destination = self.source.other();
        let now = socket::accepted(pair.socket(destination)).map_err(|e| self.fault(destination, &e))?;
        Ok(now.total().saturating_sub(self.base))
    }

    /// Before passed bytes go to the destination it must have room for them and a window on top:
    /// else a sender faster than the receiver never comes back to the kernel path.
    fn wait_for_room(&mut self, pair: &Pair, held: u64) -> Result<Option<Wants>, Fault> {
        if held == 0 {
            return Ok(None);
        }
        let destination = self.source.other();
        let memory =
            socket::send_memory(pair.socket(destination)).map_err(|e| self.fault(destination, &e))?;
        let room = memory.limit.saturating_sub(memory.queued);
        if room >= self.credit.room_to_resume(held, memory.limit) {
            return Ok(None);
        }
        // Below a quarter the socket is surely not writable for poll(2), so this cannot spin.
        Ok(Some(if room < memory.limit / 4 { when_writable() } else { look_again() }))
    }

    fn grant(&mut self, pair: &Pair) -> Result<Wants, Fault> {
        let destination = self.source.other();
        let grant = self
            .credit
            .grant(pair.datapath(), pair.lane(self.source), pair.socket(destination), self.written, self.base)
            .map_err(|e| self.fault(destination, &e))?;
        Ok(match grant {
            Grant::Enough => Wants::default(),
            Grant::WhenWritable => when_writable(),
            Grant::Soon => look_again(),
        })
    }

    /// Passes the end of the stream on, once every byte before it is in the destination's queue
    /// and the numbers of all three agree.
    fn finish(&mut self, pair: &Pair) -> Result<Wants, Fault> {
        if !self.barrier_holds(pair)? {
            return Ok(look_again());
        }
        let info = socket::tcp_info(pair.socket(self.source)).map_err(|e| self.fault(self.source, &e))?;
        // The FIN counts one.
        if info.received != self.view(pair).redirected() + self.written + 1 {
            return Err(Fault::Integrity);
        }
        let destination = self.source.other();
        socket::finish(pair.socket(destination)).map_err(|e| self.fault(destination, &e))?;
        self.finished = true;
        Ok(Wants::default())
    }

    /// Whether everything that can still be saved after a failure has reached the destination's peer.
    pub(super) fn delivered(&mut self, pair: &Pair) -> bool {
        let settled = self.carrier == Carrier::Agent || self.barrier_holds(pair).unwrap_or(true);
        settled
            && self.carry.is_empty()
            && (self.carrier == Carrier::Agent || self.held(pair) == 0)
            && socket::unacked(pair.socket(self.source.other())).unwrap_or(0) == 0
    }

    fn view<'a>(&self, pair: &'a Pair) -> LaneView<'a> {
        pair.lane(self.source)
    }

    fn fault(&self, end: PairEnd, error: &io::Error) -> Fault {
        match end {
            PairEnd::Downstream => Fault::Downstream(Failure::of(error)),
            PairEnd::Upstream => Fault::Upstream(Failure::of(error)),
        }
    }
}

/// Another look when the backoff says so.
fn look_again() -> Wants {
    Wants { after: Some(LOOK_AGAIN.0), ..Wants::default() }
}

/// As soon as the destination has room.
fn when_writable() -> Wants {
    Wants { writable: true, ..Wants::default() }
}
