//! How long an endpoint lately took to connect to. Time is told, not asked for.

use std::time::{Duration, Instant};

/// What was measured counts for 1/e of itself after this long: Finagle's peak EWMA and Kong's `latency` have it too.
const DECAY: Duration = Duration::from_secs(10);

/// A moving average that weighs what it was told by its age, and believes peaks at once: one slow connection says
/// more than a fast one, which need not have been busy.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Latency(Option<Average>);

#[derive(Debug, Clone, Copy)]
struct Average {
    seconds: f64,
    told: Instant,
}

impl Average {
    /// How much of it is left.
    fn left(&self, now: Instant) -> f64 {
        (-now.saturating_duration_since(self.told).as_secs_f64() / DECAY.as_secs_f64()).exp()
    }
}

impl Latency {
    /// An attempt to connect took so long.
    pub(super) fn took(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let seconds = match self.0 {
            Some(before) if took < before.seconds * before.left(now) => {
                let left = before.left(now);
                before.seconds * left + took * (1.0 - left)
            }
            _ => took,
        };
        self.0 = Some(Average { seconds, told: now });
    }

    /// In seconds. It fades while nothing is told, so that whoever was slow is asked again some time; `None` before
    /// anything was.
    pub(super) fn at(&self, now: Instant) -> Option<f64> {
        self.0.map(|average| average.seconds * average.left(now))
    }
}
