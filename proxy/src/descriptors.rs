//! How many connections the descriptor limit allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors a connection needs: the client's socket and the upstream's.
const PER_CONNECTION: u64 = 2;

/// Descriptors for everything else: listeners, maps, admin clients, pooled pipes, log files.
const RESERVED: u64 = 512;

/// Raises the soft descriptor limit to the hard one and derives how many connections fit.
/// `wanted` is the configured limit, 0 for as many as possible; with one that is too high the
/// second value says how high it may be.
#[must_use]
pub(crate) fn connection_limit(wanted: u32) -> (u32, Option<u32>) {
    let limit = getrlimit(Resource::Nofile);
    // Without this right the soft limit stays, and counts.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    let reserved = RESERVED.min(descriptors / 4);
    let most = u32::try_from((descriptors - reserved) / PER_CONNECTION).unwrap_or(u32::MAX);
    match wanted {
        0 => (most, None),
        wanted if wanted > most => (most, Some(most)),
        wanted => (wanted, None),
    }
}
