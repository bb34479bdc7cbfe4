//! Hands a pair of connected sockets to the kernel, as far as it takes them.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::super::socket;
use super::credit::Credit;
use super::lane::Lane;
use crate::ebpf::{Datapath, Pair, PairEnd};

/// Sizes of a lane's window, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// What a lane starts with.
    pub start: u64,
    /// What it may grow to.
    pub max: u64,
}

/// How and when a connection is handed to the kernel.
#[derive(Debug, Clone)]
pub(super) struct Offload {
    /// Index of the mapping in the program's tables.
    pub(super) mapping: u32,
    pub(super) window: Window,
    /// What the agent carries first: bytes, and [`proxy_common::SEGMENT_CHARGE`] a message. A short
    /// connection is over before it has paid for two entries in a sockmap.
    pub(super) after: u64,
    /// Whether the kernel relay is switched on.
    pub(super) on: Arc<AtomicBool>,
}

/// Why a connection is not in the kernel, and its sockets back, untouched.
#[derive(Debug)]
pub struct Declined {
    /// The word for logs and labels.
    pub reason: &'static str,
    /// Downstream and upstream.
    pub sockets: [OwnedFd; 2],
}

/// Why neither lane joined.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotJoined {
    /// The word for logs and labels.
    pub(super) reason: &'static str,
    /// Whether every byte is still where splice(2) looks for it.
    pub(super) untouched: bool,
}

impl Offload {
    /// Why a connection is not to join yet, which has `charged` so much by now.
    pub(super) fn too_early(&self, charged: u64) -> Option<&'static str> {
        if charged < self.after {
            Some("short")
        } else if !self.on.load(Relaxed) {
            Some("switched_off")
        } else {
            None
        }
    }

    /// Opens both lanes, each drained by its agent. What a lane is refused stays the agent's; why, is
    /// what is returned.
    ///
    /// # Errors
    /// Why both stay the agent's.
    pub(super) fn join(&self, pair: &Pair, lanes: &mut [Lane; 2]) -> Result<Option<&'static str>, NotJoined> {
        let datapath = pair.datapath();
        let mut credits =
            credits(datapath, self.window).ok_or(NotJoined { reason: "budget", untouched: true })?;
        let refused = match pair.join(self.mapping) {
            Ok(refused) => refused,
            Err(error) => {
                credits.iter_mut().for_each(|credit| credit.release(datapath));
                return Err(NotJoined { reason: error.as_str(), untouched: error.leaves_untouched() });
            }
        };
        for (end, lane) in PairEnd::BOTH.into_iter().zip(&*lanes) {
            let joined = end == PairEnd::Downstream || refused.is_none();
            if joined && lane.is_fresh() {
                Credit::open(pair.lane(end));
            }
        }
        let ([downstream, upstream], [first, mut second]) = (lanes, credits);
        downstream.join(first);
        if refused.is_some() {
            second.release(datapath);
        } else {
            upstream.join(second);
            // The upstream first: in server-first protocols its greeting may be there already.
            socket::kick(pair.socket(PairEnd::Upstream));
        }
        socket::kick(pair.socket(PairEnd::Downstream));
        Ok(refused.map(|error| error.as_str()))
    }
}

fn credits(datapath: &Datapath, window: Window) -> Option<[Credit; 2]> {
    let credit = |source| Credit::new(datapath, source, window.start, window.max);
    let mut first = credit(PairEnd::Downstream);
    let second = first.as_ref().and_then(|_| credit(PairEnd::Upstream));
    match (first.take(), second) {
        (Some(first), Some(second)) => Some([first, second]),
        (Some(mut first), None) => {
            first.release(datapath);
            datapath.reclaim();
            None
        }
        (None, _) => {
            datapath.reclaim();
            None
        }
    }
}
