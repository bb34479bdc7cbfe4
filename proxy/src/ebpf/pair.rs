//! Two sockets in the kernel program's hands, and the lanes between them.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use proxy_common::LaneKey;
use rustix::event::epoll;

use super::datapath::Datapath;
use super::sockets::{InsertError, cookie};

/// Which of a pair's two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairEnd {
    /// The client's.
    Downstream,
    /// The upstream's.
    Upstream,
}

impl PairEnd {
    /// Both, in the order of their lanes' slots.
    pub const BOTH: [Self; 2] = [Self::Downstream, Self::Upstream];

    /// The opposite end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Downstream => Self::Upstream,
            Self::Upstream => Self::Downstream,
        }
    }

    /// 0 or 1: the parity of the end's lane slot.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

const HELD: &str = "a pair holds its sockets until it is dropped";

/// One thing that may have happened to one end. All are hints: the system call decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Bytes to read.
    Readable = 1,
    /// Room to write.
    Writable = 2,
    /// The peer sent FIN. Its bytes may still be behind the verdict: not an EOF.
    PeerClosed = 4,
    /// The socket has an error, or is closed both ways.
    Failed = 8,
    /// Urgent bytes came.
    Urgent = 32,
    /// The verdict on this end's lane calls: bytes were passed, or credit runs low.
    Called = 16,
}

/// What is asked for of one end, besides failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    /// [`Event::Readable`].
    pub readable: bool,
    /// [`Event::Writable`].
    pub writable: bool,
    /// [`Event::PeerClosed`].
    pub closing: bool,
}

impl Interest {
    /// For an end that is carried in userspace. Edge-triggered, it need not be asked for again.
    pub const INPUT: Self = Self { readable: true, writable: false, closing: true };

    /// For an end in the kernel's hands: with `readable`, every redirected segment would wake us.
    pub const END: Self = Self { readable: false, writable: false, closing: true };

    pub(super) fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::ET;
        flags.set(epoll::EventFlags::IN | epoll::EventFlags::PRI, self.readable);
        flags.set(epoll::EventFlags::OUT, self.writable);
        flags.set(epoll::EventFlags::RDHUP, self.closing);
        flags
    }
}

/// A set of [`Event`]s, and whether somebody asked for another look at everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events(u32);

impl Events {
    const END_BITS: u32 = 8;
    /// Outside the ends' bits: look again, whatever happened.
    pub const NUDGE: Self = Self(1 << 16);

    /// The set with one event.
    #[must_use]
    pub const fn one(end: PairEnd, event: Event) -> Self {
        Self((event as u32) << (Self::END_BITS * end as u32))
    }

    /// Whether the event is in the set.
    #[must_use]
    pub const fn has(self, end: PairEnd, event: Event) -> bool {
        self.0 & Self::one(end, event).0 != 0
    }

    /// Whether somebody asked for another look.
    #[must_use]
    pub const fn has_nudge(self) -> bool {
        self.0 & Self::NUDGE.0 != 0
    }

    pub(super) fn from_epoll(end: PairEnd, flags: epoll::EventFlags) -> Self {
        use epoll::EventFlags as F;
        let mut set = 0;
        for (flag, event) in [
            (F::IN, Event::Readable),
            (F::OUT, Event::Writable),
            (F::PRI, Event::Urgent),
            (F::RDHUP, Event::PeerClosed),
            (F::ERR | F::HUP, Event::Failed),
        ] {
            if flags.intersects(flag) {
                set |= Self::one(end, event).0;
            }
        }
        Self(set)
    }
}

/// Where the reactor leaves word for a pair's task. Pairs share it, one after the other.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// How many pairs have had it, above [`Mailbox::TENANT`], and the events for the latest.
    state: AtomicU64,
    waker: AtomicWaker,
}

impl Mailbox {
    /// Where the number of the pair begins.
    const TENANT: u32 = 32;

    /// Leaves word for whoever has it: hints that hold for anybody, as no more than another look follows.
    pub(super) fn post(&self, events: Events) {
        self.state.fetch_or(events.0.into(), Ordering::Release);
        self.waker.wake();
    }

    /// Leaves word for one pair. A FIN of the one before, told late, would be taken for the next one's.
    pub(super) fn post_to(&self, tenant: u32, events: Events) {
        let (tenant, events) = (u64::from(tenant), u64::from(events.0));
        let add = |state: u64| (state >> Self::TENANT == tenant).then_some(state | events);
        if self.state.fetch_update(Ordering::Release, Ordering::Relaxed, add).is_ok() {
            self.waker.wake();
        }
    }

    /// Empties it for another pair, and tells its number.
    pub(super) fn move_in(&self) -> u32 {
        let next = low(self.state.load(Ordering::Relaxed) >> Self::TENANT).wrapping_add(1);
        self.state.store(u64::from(next) << Self::TENANT, Ordering::Relaxed);
        next
    }

    /// What has been left, once there is something.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Events> {
        self.waker.register(cx.waker());
        match self.take() {
            Events(0) => Poll::Pending,
            events => Poll::Ready(events),
        }
    }

    fn take(&self) -> Events {
        Events(low(self.state.fetch_and(!u64::from(u32::MAX), Ordering::Acquire)))
    }
}

/// What epoll tells an end's events with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    /// Which of the pairs that have had the slot.
    pub(super) tenant: u32,
    /// The end's lane.
    pub(super) slot: u32,
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        Self::from(token.tenant) << u32::BITS | Self::from(token.slot)
    }
}

impl From<u64> for Token {
    fn from(token: u64) -> Self {
        Self { tenant: low(token >> u32::BITS), slot: low(token) }
    }
}

/// The lower half.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
const fn low(value: u64) -> u32 {
    value as u32
}

/// One lane's counters and reins: loads and stores on memory shared with the program.
#[derive(Debug, Clone, Copy)]
pub struct LaneView<'a> {
    datapath: &'a Datapath,
    slot: u32,
}

impl LaneView<'_> {
    /// Bytes redirected in the kernel.
    #[must_use]
    pub fn redirected(&self) -> u64 {
        self.datapath.kernel_lanes.load(self.slot, 0)
    }

    /// Bytes handed to the agent.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.datapath.kernel_lanes.load(self.slot, 1)
    }

    /// Credit used.
    #[must_use]
    pub fn charged(&self) -> u64 {
        self.datapath.kernel_lanes.load(self.slot, 2)
    }

    /// Whether a segment did not fit the ones before it.
    #[must_use]
    pub fn broken(&self) -> bool {
        self.datapath.kernel_lanes.load(self.slot, 5) != 0
    }

    /// Bytes that came a second time and were cut off.
    #[must_use]
    pub fn trimmed(&self) -> u64 {
        self.datapath.kernel_lanes.load(self.slot, 4)
    }

    /// Bytes of `passed` that the destination has taken; the kernel path reopens when equal.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.datapath.user_lanes.load(self.slot, 0)
    }

    /// Tells the program how many passed bytes the destination has taken, *after* it took them.
    pub fn set_done(&self, done: u64) {
        self.datapath.user_lanes.store(self.slot, 0, done);
    }

    /// The credit in force.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.datapath.user_lanes.load(self.slot, 1)
    }

    /// Grants credit up to `limit`; the program calls when `early` is crossed.
    pub fn set_limit(&self, limit: u64, early: u64) {
        self.datapath.user_lanes.store(self.slot, 2, early);
        self.datapath.user_lanes.store(self.slot, 1, limit);
    }

    fn reset(&self) {
        for field in 0..6 {
            self.datapath.kernel_lanes.store(self.slot, field, 0);
            self.datapath.user_lanes.store(self.slot, field, 0);
        }
    }
}

/// Both sockets of a connection and its two lanes. Owns the sockets, because a slot is free again
/// only once both are closed.
pub struct Pair {
    datapath: Arc<Datapath>,
    index: u32,
    /// Its number among those that had the slot.
    tenant: u32,
    sockets: Option<[OwnedFd; 2]>,
    /// Set by joining.
    cookies: OnceLock<[u64; 2]>,
}

impl Pair {
    /// Takes both sockets, and leaves them as they are.
    ///
    /// # Errors
    /// The sockets, when there is no slot left.
    pub fn new(datapath: &Arc<Datapath>, sockets: [OwnedFd; 2]) -> Result<Self, [OwnedFd; 2]> {
        let Some(index) = datapath.take_slot() else { return Err(sockets) };
        let pair = Self {
            datapath: Arc::clone(datapath),
            index,
            tenant: datapath.mailbox(index).move_in(),
            sockets: Some(sockets),
            cookies: OnceLock::new(),
        };
        PairEnd::BOTH.into_iter().for_each(|end| pair.lane(end).reset());
        Ok(pair)
    }

    /// Gives both sockets back. Only while they are neither watched nor joined: otherwise segments
    /// on their way would be lost.
    #[must_use]
    pub fn dissolve(mut self) -> [OwnedFd; 2] {
        self.sockets.take().expect(HELD)
    }

    /// Begins to tell what happens to both ends; what has happened already is told at once.
    ///
    /// # Errors
    /// epoll_ctl(2)'s.
    pub fn watch(&self, interest: Interest) -> io::Result<()> {
        PairEnd::BOTH
            .into_iter()
            .try_for_each(|end| self.datapath.watch(self.token(end), self.socket(end), interest))
    }

    /// Joins both sockets in the kernel: from now on their segments meet the verdict. What they
    /// received before waits for [`crate::relay`] to peek at it once, which runs the verdict on it.
    ///
    /// The downstream goes first, and until the upstream follows, its segments are the agent's; for
    /// good where the upstream is refused, which is then what is returned. Both lanes are to be without
    /// credit: the verdict may run on a socket that is refused (see
    /// [`InsertError::leaves_untouched`]).
    ///
    /// # Errors
    /// Why the kernel refused the downstream. No socket is in any map then.
    pub fn join(&self, mapping: u32) -> Result<Option<InsertError>, InsertError> {
        let cookie = |end| {
            cookie(self.socket(end)).map_err(|e| {
                InsertError::Other(rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO))
            })
        };
        let cookies = [cookie(PairEnd::Downstream)?, cookie(PairEnd::Upstream)?];
        let _ = self.cookies.set(cookies);
        let [downstream, upstream] = cookies;
        let mut maps = self.datapath.sockets();
        for (cookie, peer, end) in
            [(downstream, upstream, PairEnd::Downstream), (upstream, downstream, PairEnd::Upstream)]
        {
            maps.add_lane(cookie, LaneKey { peer, slot: self.slot(end), mapping })?;
        }
        maps.add_socket(downstream, self.socket(PairEnd::Downstream))?;
        Ok(maps.add_socket(upstream, self.socket(PairEnd::Upstream)).err())
    }

    /// The lane out of an end.
    #[must_use]
    pub fn lane(&self, source: PairEnd) -> LaneView<'_> {
        LaneView { datapath: &self.datapath, slot: self.slot(source) }
    }

    /// An end's socket.
    #[must_use]
    pub fn socket(&self, end: PairEnd) -> BorrowedFd<'_> {
        let sockets = self.sockets.as_ref().expect(HELD);
        sockets[end.index()].as_fd()
    }

    /// Asks for what is wanted of an end besides errors; the answer to a state that holds already
    /// comes at once.
    ///
    /// # Errors
    /// epoll_ctl(2)'s.
    pub fn arm(&self, end: PairEnd, interest: Interest) -> io::Result<()> {
        self.datapath.rearm(self.token(end), self.socket(end), interest)
    }

    /// Waits until something may have happened.
    pub async fn events(&self) -> Events {
        let mailbox = self.datapath.mailbox(self.index);
        std::future::poll_fn(|cx| mailbox.poll(cx)).await
    }

    /// The credit shared by all lanes.
    #[must_use]
    pub fn datapath(&self) -> &Arc<Datapath> {
        &self.datapath
    }

    fn slot(&self, end: PairEnd) -> u32 {
        self.index * 2 + end as u32
    }

    fn token(&self, end: PairEnd) -> Token {
        Token { tenant: self.tenant, slot: self.slot(end) }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // Closing takes both sockets out of the maps; no verdict can run for them afterwards.
        self.sockets = None;
        if let Some(cookies) = self.cookies.get() {
            let mut maps = self.datapath.sockets();
            cookies.iter().for_each(|cookie| maps.drop_lane(*cookie));
        }
        self.datapath.free_slot(self.index);
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("index", &self.index).field("cookies", &self.cookies).finish()
    }
}
