//! A token bucket in one number.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::config::model::Rate;

/// The moment at which the bucket is full again, in nanoseconds of its owner's clock (the generic cell rate
/// algorithm, ITU-T I.371). How large it is and how fast it fills is told with each take, so that a
/// reload can change both and keep what was taken.
#[derive(Debug, Default)]
pub(super) struct Bucket(AtomicU64);

impl Bucket {
    /// Takes a token; whether there was one.
    pub(super) fn take(&self, rate: &Rate, now: u64) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |full_at| take(full_at, rate, now)).is_ok()
    }
}

/// When a bucket is full again after a token was taken; `None` where it has none.
pub(super) fn take(full_at: u64, rate: &Rate, now: u64) -> Option<u64> {
    let interval = u64::try_from(rate.interval.as_nanos()).unwrap_or(u64::MAX);
    let empty = now.saturating_add(interval.saturating_mul(rate.burst.get().into()));
    // Never emptier than empty: a slower rate from before a reload is not to be waited for.
    let full_at = full_at.clamp(now, empty).checked_add(interval)?;
    (full_at <= empty).then_some(full_at)
}
