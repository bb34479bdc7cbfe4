//! What an agent carries alone: recv(2) and send(2), until the lane joins the kernel or ends.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;

use proxy_common::SEGMENT_CHARGE;

use super::super::super::socket;
use crate::ebpf::{Event, Events, PairEnd};

/// Bytes carried at a time: more than a connection's first window, so that one read empties a source
/// before it can join.
const CHUNK: usize = 256 << 10;

/// A source that has this much at a time is faster than its agent.
const RUSH: usize = 64 << 10;

/// Reads of less, one after the other, by which it is known to have calmed down.
const CALM: u8 = 4;

/// Chunks carried before other connections have their turn.
const TURN: usize = 16;

thread_local! {
    /// Where carried bytes go through: most leave at once, and only the rest needs memory of its own.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Bytes between a source and a destination that are not in the kernel's hands.
#[derive(Debug)]
pub(super) struct Carry {
    /// Read from the source and not yet taken by the destination.
    held: VecDeque<u8>,
    /// Whether there may be something to read.
    readable: bool,
    /// Whether the last read emptied the source: every segment that came since is unread, and none is left
    /// of which a part was read, by whomever.
    clean: bool,
    /// Urgent bytes were announced: reading stops short at their mark, so that only EAGAIN says
    /// that the source is empty.
    urgent: bool,
    /// The source's FIN was announced: reading goes on until it comes.
    closing: bool,
    eof: bool,
    /// Whether the last write found no memory.
    short: bool,
    /// Calm reads to come before the source no longer counts as faster than its reader.
    rush: u8,
    /// Bytes read, and a charge for each message.
    charged: u64,
}

/// Why carrying stopped for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// The source is empty, or at its end.
    Drained,
    /// The destination is full.
    Full,
    /// The destination has room, and the kernel no memory for it.
    Short,
    /// Others are to have their turn.
    Turn,
}

/// Which end's system call failed.
pub(super) enum Failed {
    Source(io::Error),
    Destination(io::Error),
}

impl Carry {
    /// Most bytes carried at a time.
    pub(super) const MOST: u64 = CHUNK as u64;

    /// Nothing yet; `in_part` where the source's first segment may have been begun by somebody else.
    pub(super) fn new(source: PairEnd, in_part: bool) -> Self {
        Self {
            held: VecDeque::new(),
            // A client that speaks first often has, by the time its upstream is connected.
            readable: source == PairEnd::Downstream || in_part,
            clean: !in_part,
            urgent: false,
            closing: false,
            eof: false,
            short: false,
            rush: 0,
            charged: 0,
        }
    }

    /// Takes note of what happened to the source.
    pub(super) fn note(&mut self, source: PairEnd, events: Events, closing: bool) {
        self.urgent |= events.has(source, Event::Urgent);
        self.closing |= closing;
        self.readable |= closing || events.has(source, Event::Readable) || events.has_nudge();
    }

    /// How much was carried, in credit's currency.
    pub(super) fn charged(&self) -> u64 {
        self.charged
    }

    /// Whether the source's end was read.
    pub(super) fn eof(&self) -> bool {
        self.eof
    }

    /// Looks at the source again, as if its end had not been read.
    pub(super) fn reopen(&mut self) {
        (self.eof, self.readable) = (false, true);
    }

    /// Whether everything that was read was written.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether the kernel can take over: no segment at the source was read in part, which would meet
    /// the verdict whole, and the source is not in a rush. One that is would use up its credit before
    /// the agent can grant more, and what is passed then costs more than what is carried now.
    ///
    /// An urgent mark that nothing has announced yet ends a read within a segment all the same; what the
    /// verdict passes a second time then is found as a retransmission's is, by [`super::Lane::prove`].
    pub(super) fn can_join(&self) -> bool {
        self.clean && self.rush == 0 && self.held.is_empty() && !self.closing && !self.eof
    }

    /// Reads and writes a turn's worth. `written` is counted up.
    pub(super) fn go(
        &mut self,
        source: BorrowedFd<'_>,
        destination: BorrowedFd<'_>,
        written: &mut u64,
    ) -> Result<Pause, Failed> {
        for _ in 0..TURN {
            if !self.unload(destination, written)? {
                self.rush = CALM;
                return Ok(if self.short { Pause::Short } else { Pause::Full });
            }
            if !self.readable || self.eof {
                return Ok(Pause::Drained);
            }
            SCRATCH.with_borrow_mut(|scratch| {
                let read = self.read(source, scratch)?;
                let taken = self.write(destination, &scratch[..read])?;
                *written += taken as u64;
                self.held.extend(&scratch[taken..read]);
                Ok(())
            })?;
        }
        Ok(Pause::Turn)
    }

    /// Reads once; 0 where there is nothing, or an end.
    fn read(&mut self, source: BorrowedFd<'_>, scratch: &mut [u8]) -> Result<usize, Failed> {
        match socket::receive(source, scratch) {
            Ok(0) => {
                self.eof = true;
                Ok(0)
            }
            Ok(read) => {
                self.clean = read < scratch.len() && !self.urgent;
                self.readable = !self.clean || self.closing;
                self.rush = if read < RUSH { self.rush.saturating_sub(1) } else { CALM };
                self.charged += read as u64 + SEGMENT_CHARGE;
                Ok(read)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                (self.readable, self.clean) = (false, true);
                Ok(0)
            }
            Err(e) => Err(Failed::Source(e)),
        }
    }

    /// Writes what was read before; whether the destination took all of it.
    fn unload(&mut self, destination: BorrowedFd<'_>, written: &mut u64) -> Result<bool, Failed> {
        while !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            let taken = self.write(destination, held.as_slices().0);
            self.held = held;
            let taken = taken?;
            if taken == 0 {
                return Ok(false);
            }
            *written += taken as u64;
            self.held.drain(..taken);
            if self.held.is_empty() {
                self.held = VecDeque::new();
            }
        }
        Ok(true)
    }

    /// Writes what fits; 0 where nothing does.
    fn write(&mut self, destination: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Failed> {
        self.short = false;
        if bytes.is_empty() {
            return Ok(0);
        }
        match socket::send(destination, bytes) {
            Ok(n) => Ok(n),
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(e) if socket::is_short_of_memory(&e) => {
                self.short = true;
                Ok(0)
            }
            Err(e) => Err(Failed::Destination(e)),
        }
    }
}
