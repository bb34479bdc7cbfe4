//! When each request is due: at a constant rate, whatever has become of the former ones.

use std::time::{Duration, Instant};

/// A constant rate, for so long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    start: Instant,
    /// Requests a second.
    rate: u32,
    pub(super) total: u64,
}

/// How long answers are waited for after the last request was due. What is not answered then counts as having
/// taken until then: less than it would have, but not nothing.
pub(super) const GRACE: Duration = Duration::from_secs(2);

impl Schedule {
    /// One that begins now.
    pub(super) fn new(rate: u32, time: Duration) -> Self {
        let total = u64::try_from(u128::from(rate) * time.as_millis() / 1_000).unwrap_or(u64::MAX);
        Self { start: Instant::now(), rate: rate.max(1), total }
    }

    /// When a request is due, counted from 0.
    pub(super) fn due(&self, number: u64) -> Instant {
        let rate = u64::from(self.rate);
        // In two parts, so that neither rounding adds up nor anything overflows.
        let nanos = number % rate * 1_000_000_000 / rate;
        self.start + Duration::from_secs(number / rate) + Duration::from_nanos(nanos)
    }

    /// Up to when answers are waited for.
    pub(super) fn end(&self) -> Instant {
        self.due(self.total) + GRACE
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Schedule;

    #[test]
    fn keeps_its_rate_to_the_end() {
        let schedule = Schedule::new(3_000, Duration::from_millis(2_500));
        assert_eq!(schedule.total, 7_500);
        let at = |number| schedule.due(number) - schedule.due(0);
        assert_eq!(at(3_000), Duration::from_secs(1));
        assert_eq!(at(7_500), Duration::from_millis(2_500));
        let steps = (1..7_500).map(|number| at(number) - at(number - 1));
        assert!(steps.into_iter().all(|step| step.abs_diff(Duration::from_nanos(333_333)).as_nanos() <= 1));
    }

    #[test]
    fn of_no_rate_nothing_is_due() {
        assert_eq!(Schedule::new(0, Duration::from_secs(1)).total, 0);
    }
}
