//! How many there are of something, exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Counts the places that are taken; clones share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<AtomicU32>);

/// A place that is taken for as long as it lives.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicU32>);

impl Counter {
    /// Takes a place, unless `most` are taken. One step, so that however many ask at once, none gets one too many
    /// and none goes away while there is one.
    pub(crate) fn take(&self, most: Option<u32>) -> Option<Place> {
        let more = |taken: u32| taken.checked_add(1).filter(|taken| most.is_none_or(|most| *taken <= most));
        self.0.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Place(Arc::clone(&self.0)))
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
