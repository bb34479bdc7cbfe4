//! Hands a pair of connected sockets to the kernel, as far as it takes them.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::super::socket::{self, Accepted};
use super::credit::Credit;
use super::lane::{Carrier, Lane};
use crate::ebpf::{Datapath, InsertError, Pair, PairEnd};

/// Sizes of a lane's window, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// What a lane starts with.
    pub start: u64,
    /// What it may grow to.
    pub max: u64,
}

/// A pair whose lanes are open.
#[derive(Debug)]
pub(super) struct Offloaded {
    pub(super) pair: Arc<Pair>,
    pub(super) lanes: [Lane; 2],
    /// Why lanes are the agent's, where any is.
    pub refused: Option<InsertError>,
}

/// Why a connection is not in the kernel, and its sockets back, untouched.
#[derive(Debug)]
pub struct Declined {
    /// The word for logs and labels.
    pub reason: &'static str,
    /// Downstream and upstream.
    pub sockets: [OwnedFd; 2],
}

/// Opens both lanes. Nothing may have been read from either socket except what is already in the
/// other's send queue.
///
/// # Errors
/// [`Declined`], when userspace has to carry both directions.
pub(super) fn offload(
    datapath: &Arc<Datapath>,
    mapping: u32,
    window: Window,
    sockets: [OwnedFd; 2],
) -> Result<Offloaded, Declined> {
    let Some(mut credits) = credits(datapath, window) else {
        return Err(Declined { reason: "budget", sockets });
    };
    let mut give_back = || credits.iter_mut().for_each(|c| c.release(datapath));
    let pair = match Pair::new(datapath, mapping, sockets) {
        Ok(pair) => pair,
        Err((error, sockets)) => {
            give_back();
            return Err(Declined { reason: error.as_str(), sockets });
        }
    };
    let Some(bases) = bases(&pair) else {
        give_back();
        return Err(Declined { reason: "tcp_info", sockets: pair.dissolve() });
    };
    // The upstream first: in server-first protocols its greeting may be there already.
    let upstream = open(&pair, PairEnd::Upstream);
    let downstream = open(&pair, PairEnd::Downstream);
    if let (Err(error), Err(other)) = (upstream, downstream)
        && error.leaves_untouched()
        && other.leaves_untouched()
    {
        give_back();
        return Err(Declined { reason: error.as_str(), sockets: pair.dissolve() });
    }
    let lane = |source: PairEnd, credit, opened: Result<(), InsertError>| {
        let carrier = if opened.is_ok() { Carrier::Kernel } else { Carrier::Agent };
        Lane::new(source, carrier, credit, bases[source.other().index()])
    };
    let [first, second] = credits;
    let lanes = [lane(PairEnd::Downstream, first, downstream), lane(PairEnd::Upstream, second, upstream)];
    Ok(Offloaded { pair: Arc::new(pair), lanes, refused: downstream.err().or(upstream.err()) })
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

/// What each end had accepted before any lane wrote to it.
fn bases(pair: &Pair) -> Option<[u64; 2]> {
    let base = |end| socket::accepted_exactly(pair.socket(end)).ok().map(Accepted::total);
    Some([base(PairEnd::Downstream)?, base(PairEnd::Upstream)?])
}

fn open(pair: &Pair, source: PairEnd) -> Result<(), InsertError> {
    Credit::open(pair.lane(source));
    if let Err(error) = pair.activate(source) {
        // The verdict may run on it all the same: it leaves everything to the agent.
        pair.lane(source).set_limit(0, 0);
        return Err(error);
    }
    socket::kick(pair.socket(source));
    Ok(())
}
