//! One direction of a pair: a state machine of non-blocking steps.

mod carry;

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::super::socket;
use super::super::{Failure, Fault, Spoken};
use super::credit::{Credit, Grant};
use crate::ebpf::{Event, Events, LaneView, Pair, PairEnd};
use carry::{Carry, Failed, Pause};

/// Most bytes carried at a time when the verdict passes them.
const MOST: usize = 4 << 20;

/// The first and the longest wait between two looks at something the kernel does not announce.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// What both ends had accepted before any lane wrote to them, the downstream's first: Linux counts the
/// SYN of the side that connects as acknowledged, and not that of the side that accepts.
const BASES: [u64; 2] = [0, 1];

/// What a lane waits for after a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// Bytes at the source.
    pub(super) readable: bool,
    /// Room at the destination.
    pub(super) writable: bool,
    /// Another look after this long.
    pub(super) after: Option<Duration>,
    /// Another look as soon as other connections had their turn.
    pub(super) again: bool,
}

/// The lane from one end of a pair to the other.
#[derive(Debug)]
pub(super) struct Lane {
    source: PairEnd,
    /// What was read from the source before the lane began.
    heard: u64,
    /// What the destination had accepted before the lane began.
    base: u64,
    /// With credit, the verdict carries, and the agent what it passes; without, the agent alone.
    credit: Option<Credit>,
    /// Bytes the agent wrote to the destination.
    written: u64,
    /// `redirected` when the drain barrier was last seen to hold.
    barrier_at: Option<u64>,
    /// What the agent carries alone.
    carry: Carry,
    /// Joined on its way: the first segment may overlap what was read before, and the verdict cannot
    /// know.
    unproven: bool,
    /// Passed bytes that came a second time, still to be taken out of the source.
    stale: u64,
    peer_closed: bool,
    eof: bool,
    finished: bool,
    /// Progress at the last step.
    seen: u64,
    /// What the destination had accepted, when last asked.
    accepted: u64,
    /// When that was last different.
    moved: Instant,
}

impl Lane {
    /// A lane that its agent carries, until it joins; `spoken` on either end before.
    pub(super) fn new(source: PairEnd, spoken: [Spoken; 2]) -> Self {
        let destination = source.other().index();
        let Spoken { heard, in_part, .. } = spoken[source.index()];
        Self {
            source,
            heard,
            base: BASES[destination] + spoken[destination].said,
            credit: None,
            written: 0,
            barrier_at: None,
            carry: Carry::new(source, in_part),
            unproven: false,
            stale: 0,
            peer_closed: false,
            eof: false,
            finished: false,
            seen: 0,
            accepted: 0,
            moved: Instant::now(),
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

    /// Credit, where the kernel carries.
    pub(super) fn credit(&mut self) -> Option<&mut Credit> {
        self.credit.as_mut()
    }

    /// Whether the agent carries all.
    pub(super) fn is_agents(&self) -> bool {
        self.credit.is_none()
    }

    /// Whether nothing was ever read from the source.
    pub(super) fn is_fresh(&self) -> bool {
        self.heard == 0 && self.written == 0
    }

    /// What the agent has carried, in credit's currency.
    pub(super) fn charged(&self) -> u64 {
        self.carry.charged()
    }

    /// Whether the lane can join.
    pub(super) fn can_join(&self) -> bool {
        self.carry.can_join()
    }

    /// The source is in the kernel's hands from now on. Without a limit, until the first segment is
    /// proven, where something was read before.
    pub(super) fn join(&mut self, credit: Credit) {
        self.unproven = !self.is_fresh();
        self.credit = Some(credit);
    }

    /// Does everything that can be done without waiting.
    pub(super) fn step(&mut self, pair: &Pair, events: Events) -> Result<Wants, Fault> {
        if self.finished {
            return Ok(Wants::default());
        }
        self.peer_closed |=
            events.has(self.source, Event::PeerClosed) || events.has(self.source, Event::Failed);
        self.carry.note(self.source, events, self.peer_closed);
        self.notice_failure(pair, events)?;
        if self.view(pair).broken() {
            return Err(Fault::Integrity);
        }
        let mut wants = self.carry(pair)?;
        if self.eof {
            wants = self.finish(pair)?;
        } else if !self.is_agents() && wants == Wants::default() {
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

    /// Grows while bytes go through the lane, on either path, or out of its backlog.
    fn progress(&self, pair: &Pair) -> u64 {
        self.view(pair).redirected() + self.written + self.accepted
    }

    /// Backs off while nothing moves; starts afresh as soon as something does.
    fn pace(&mut self, pair: &Pair, mut wants: Wants) -> Wants {
        let now = self.progress(pair);
        if std::mem::replace(&mut self.seen, now) != now {
            self.moved = Instant::now();
        }
        if wants.after.is_some() {
            // By time and not by looks: each segment that is passed causes one.
            wants.after = Some(self.moved.elapsed().clamp(LOOK_AGAIN.0, LOOK_AGAIN.1));
        }
        wants
    }

    /// Carries on what can be carried now.
    fn carry(&mut self, pair: &Pair) -> Result<Wants, Fault> {
        if self.eof {
            return Ok(Wants::default());
        }
        if self.is_agents() { self.carry_all(pair) } else { self.carry_passed(pair) }
    }

    /// Writes what the verdict passed to the destination, then tells the verdict, and only then
    /// takes it out of the source.
    ///
    /// In this order because taking it out opens the source's window, and what a fast sender puts
    /// into it within the same system call must find the kernel path open: else each byte that is
    /// carried makes room for another that has to be, and the lane never comes back.
    fn carry_passed(&mut self, pair: &Pair) -> Result<Wants, Fault> {
        loop {
            let held = self.held(pair);
            if held == 0 && !self.peer_closed {
                return Ok(Wants::default());
            }
            if self.unproven && held > 0 {
                self.prove(pair)?;
                continue;
            }
            if self.stale > 0 && !self.drop_stale(pair)? {
                return Ok(self.not_yet(pair));
            }
            let held = self.held(pair);
            if held > Carry::MOST || !self.carry.is_empty() {
                match self.haul(pair)? {
                    None => continue,
                    Some(wants) => return Ok(wants),
                }
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

    /// Carries as if there were no kernel path: a sender that has passed this much is faster than its
    /// receiver, and refills what is taken out anyhow. `None` once there is little left.
    fn haul(&mut self, pair: &Pair) -> Result<Option<Wants>, Fault> {
        if !self.barrier_holds(pair)? {
            return Ok(Some(look_again()));
        }
        let before = self.written;
        let wants = self.carry_all(pair);
        let moved = self.written > before;
        let done = self.view(pair).done() + self.written - before;
        if done == self.view(pair).passed() {
            self.grant(pair)?;
        }
        self.view(pair).set_done(done);
        let wants = wants?;
        // Whether this was the end is for the counters to say.
        self.eof = false;
        self.carry.reopen();
        if wants.writable || wants.again {
            return Ok(Some(wants));
        }
        // What was announced may not be in the source's queue yet: asking at once would spin.
        Ok((!moved).then(look_again))
    }

    /// Learns how much the first segment brings a second time: what was passed and read, beyond what
    /// TCP has received. The verdict knows where that segment ends, and sees to later ones.
    fn prove(&mut self, pair: &Pair) -> Result<(), Fault> {
        let received = || {
            let info = socket::tcp_info(pair.socket(self.source)).map_err(|e| self.fault(self.source, &e))?;
            Ok(info.received - u64::from(info.ended))
        };
        let (before, passed) = (received()?, self.view(pair).passed());
        if received()? != before {
            return Ok(());
        }
        self.stale = (self.heard + passed + self.written).saturating_sub(before);
        self.unproven = false;
        Ok(())
    }

    /// Takes out what came a second time; whether all of it was there.
    fn drop_stale(&mut self, pair: &Pair) -> Result<bool, Fault> {
        while self.stale > 0 {
            let most = usize::try_from(self.stale).unwrap_or(MOST).min(MOST);
            let taken = match socket::receive(pair.socket(self.source), &mut vec![0; most]) {
                Ok(0) => return Ok(false),
                Ok(n) => n as u64,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(self.fault(self.source, &e)),
            };
            self.stale -= taken;
            let lane = self.view(pair);
            lane.set_done(lane.done() + taken);
        }
        Ok(true)
    }

    /// The second half of [`Lane::carry_passed`], for bytes that were peeked at.
    ///
    /// Their last segment leaves only after the verdict was told: else who waits for them answers at once, the
    /// answer's answer finds the kernel path shut, and an exchange of messages goes on like that.
    fn forward(&mut self, pair: &Pair, bytes: &mut [u8]) -> Result<Option<Wants>, Fault> {
        let destination = self.source.other();
        let taken = match socket::send_withheld(pair.socket(destination), bytes) {
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Some(when_writable())),
            Err(e) if socket::is_short_of_memory(&e) => return Ok(Some(look_again())),
            Err(e) => return Err(self.fault(destination, &e)),
        };
        self.written += taken as u64;
        if taken as u64 == self.held(pair) {
            // About to reopen: with credit, or the next segment would be passed again.
            self.grant(pair)?;
        }
        let lane = self.view(pair);
        lane.set_done(lane.done() + taken as u64);
        socket::push(pair.socket(destination)).map_err(|e| self.fault(destination, &e))?;
        let mut left = taken;
        while left > 0 {
            left -= socket::receive(pair.socket(self.source), &mut bytes[..left])
                .map_err(|e| self.fault(self.source, &e))?;
        }
        Ok(None)
    }

    /// Nothing could be read: it is announced by the verdict and not yet in the socket's queue, or
    /// a FIN was announced before the verdict has run on the segment that carries it.
    fn not_yet(&self, pair: &Pair) -> Wants {
        let behind = self.held(pair) > 0;
        let after = (behind || self.peer_closed).then_some(LOOK_AGAIN.0);
        Wants { readable: behind, after, ..Wants::default() }
    }

    /// Bytes that the verdict passed and the destination has not taken.
    fn held(&self, pair: &Pair) -> u64 {
        let lane = self.view(pair);
        lane.passed() - lane.done()
    }

    /// Reads and writes everything: the kernel does not have this source.
    fn carry_all(&mut self, pair: &Pair) -> Result<Wants, Fault> {
        let [source, destination] = [self.source, self.source.other()].map(|end| pair.socket(end));
        let pause = self.carry.go(source, destination, &mut self.written).map_err(|failed| match failed {
            Failed::Source(e) => self.fault(self.source, &e),
            Failed::Destination(e) => self.fault(self.source.other(), &e),
        })?;
        self.eof = self.carry.eof() && self.carry.is_empty();
        Ok(Wants {
            // Not while the destination is full: there is something to read, and we know.
            readable: pause == Pause::Drained && !self.carry.eof(),
            writable: pause == Pause::Full,
            again: pause == Pause::Turn,
            after: (pause == Pause::Short).then_some(LOOK_AGAIN.0),
        })
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
    fn accepted(&mut self, pair: &Pair) -> Result<u64, Fault> {
        let destination = self.source.other();
        let now = socket::accepted(pair.socket(destination)).map_err(|e| self.fault(destination, &e))?;
        self.accepted = now.total().saturating_sub(self.base);
        Ok(self.accepted)
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
        let enough = self.credit.as_ref().map_or(held, |credit| credit.room_to_resume(held, memory.limit));
        if room >= enough {
            return Ok(None);
        }
        // Below a quarter the socket is surely not writable for poll(2), so this cannot spin.
        Ok(Some(if room < memory.limit / 4 { when_writable() } else { look_again() }))
    }

    fn grant(&mut self, pair: &Pair) -> Result<Wants, Fault> {
        let (destination, base) = (self.source.other(), self.base);
        let Some(credit) = self.credit.as_mut().filter(|_| !self.unproven) else {
            return Ok(Wants::default());
        };
        let grant = credit
            .grant(pair.datapath(), pair.lane(self.source), pair.socket(destination), self.written, base)
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
        // What the agent alone has carried was taken when its calls returned.
        if !self.is_agents() && !self.barrier_holds(pair)? {
            return Ok(look_again());
        }
        let info = socket::tcp_info(pair.socket(self.source)).map_err(|e| self.fault(self.source, &e))?;
        // The FIN counts one.
        if info.received != self.heard + self.view(pair).redirected() + self.written + 1 {
            // A reset is told once, to whichever call comes first, the peek of a joining lane too; after it a socket
            // reads as at its end.
            let reset = || self.fault(self.source, &ErrorKind::ConnectionReset.into());
            return Err(if info.closed { reset() } else { Fault::Integrity });
        }
        let destination = self.source.other();
        socket::finish(pair.socket(destination)).map_err(|e| self.fault(destination, &e))?;
        self.finished = true;
        Ok(Wants::default())
    }

    /// Whether everything that can still be saved after a failure has reached the destination's peer.
    pub(super) fn delivered(&mut self, pair: &Pair) -> bool {
        let settled = self.is_agents() || (self.barrier_holds(pair).unwrap_or(true) && self.held(pair) == 0);
        settled
            && self.carry.is_empty()
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
