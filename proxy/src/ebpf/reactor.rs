//! Carries what the kernel tells to the task of the connection it concerns.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use aya::maps::{MapData, RingBuf};
use rustix::event::{Timespec, epoll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::datapath::Datapath;
use super::pair::{Event, Events, PairEnd, Token};

/// The event ring's token; sockets' have the slot in their lower half, and no slot is this high.
pub(super) const RING_TOKEN: u64 = u64::MAX;

/// The sockets of all pairs and the event ring, in an epoll of their own nested in tokio's:
/// tokio's own registration always asks for `EPOLLIN`, which every redirected segment raises.
pub struct Reactor {
    datapath: Arc<Datapath>,
    epoll: OwnedFd,
    ring: RingBuf<MapData>,
    lost: u64,
}

impl Reactor {
    pub(super) fn new(datapath: Arc<Datapath>, epoll: OwnedFd, ring: RingBuf<MapData>) -> Self {
        Self { datapath, epoll, ring, lost: 0 }
    }

    /// Runs until dropped.
    ///
    /// # Errors
    /// epoll's own failure, which leaves every kernel lane without its agent.
    pub async fn run(mut self) -> io::Result<()> {
        // SAFETY: the owned descriptor stays open, and the same, for as long as the AsyncFd lives.
        let epoll = unsafe { AsyncFd::register_with_interest(self.epoll, Interest::READABLE) }?;
        loop {
            let mut ready = epoll.readable().await?;
            dispatch(&self.datapath, epoll.get_ref(), &mut self.ring, &mut self.lost)?;
            // Cleared only now, with the inner epoll empty: what comes after raises it again.
            ready.clear_ready();
        }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// Leaves word for every connection concerned, until the inner epoll has nothing more to say.
fn dispatch(
    datapath: &Datapath,
    epoll: &OwnedFd,
    ring: &mut RingBuf<MapData>,
    lost: &mut u64,
) -> io::Result<()> {
    let mut events = Vec::with_capacity(256);
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        events.clear();
        match epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), Some(&now)) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        for event in &events {
            match event.data.u64() {
                RING_TOKEN => drain(datapath, ring, lost),
                token => {
                    let Token { tenant, slot } = token.into();
                    let events = Events::from_epoll(end_of(slot), event.flags);
                    datapath.mailbox(slot / 2).post_to(tenant, events);
                }
            }
        }
    }
}

fn drain(datapath: &Datapath, ring: &mut RingBuf<MapData>, lost: &mut u64) {
    while let Some(item) = ring.next() {
        if let Ok(bytes) = <[u8; 4]>::try_from(&item[..]) {
            let slot = u32::from_ne_bytes(bytes);
            datapath.mailbox(slot / 2).post(Events::one(end_of(slot), Event::Called));
        }
    }
    // A full ring drops calls but never the ring's own readiness, so this is reached after every loss.
    let now = datapath.events_lost();
    if now != *lost {
        *lost = now;
        datapath.nudge_all();
    }
}

const fn end_of(slot: u32) -> PairEnd {
    if slot & 1 == 0 { PairEnd::Downstream } else { PairEnd::Upstream }
}
