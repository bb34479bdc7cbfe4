//! How long things took: a histogram, and its passage from the load generator to whoever reports.

use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Nanoseconds that are told apart, and the longest; three digits of each are kept.
const BOUNDS: (u64, u64, u8) = (1_000, 120_000_000_000, 3);

/// What reports name: of a hundred, or of more.
pub(super) const NAMED: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// What plots and samples hold.
pub(super) const CURVE: [f64; 15] =
    [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 1.0];

/// Latencies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Latency(Histogram<u64>);

impl Latency {
    /// None yet.
    pub(super) fn new() -> Result<Self> {
        let (low, high, digits) = BOUNDS;
        Ok(Self(Histogram::new_with_bounds(low, high, digits)?))
    }

    /// Adds one.
    pub(super) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds all of another.
    pub(super) fn add(&mut self, other: &Self) -> Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Seconds within which this part of all were done; 1 is the longest.
    pub(super) fn quantile(&self, part: f64) -> f64 {
        Duration::from_nanos(self.0.value_at_quantile(part)).as_secs_f64()
    }

    /// For the process that reads it with [`Self::decode`].
    pub(super) fn encode(&self) -> Value {
        self.0.iter_recorded().map(|step| json!([step.value_iterated_to(), step.count_at_value()])).collect()
    }

    /// What [`Self::encode`] wrote.
    pub(super) fn decode(value: &Value) -> Result<Self> {
        let mut latency = Self::new()?;
        for step in value.as_array().context("latencies are a list")? {
            let number = |at: usize| step.get(at).and_then(Value::as_u64).context("two numbers expected");
            latency.0.record_n(number(0)?, number(1)?)?;
        }
        Ok(latency)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Latency;

    fn of(millis: impl Iterator<Item = u64>) -> Latency {
        let mut latency = Latency::new().unwrap();
        millis.for_each(|millis| latency.record(Duration::from_millis(millis)));
        latency
    }

    fn near(seconds: f64, expected: f64) -> bool {
        (seconds / expected - 1.0).abs() < 0.002
    }

    #[test]
    fn finds_what_lies_at_a_part_of_all() {
        let latency = of(1..=1_000);
        assert!(near(latency.quantile(0.5), 0.5) && near(latency.quantile(0.999), 0.999));
        assert!(near(latency.quantile(1.0), 1.0), "{latency:?}");
    }

    #[test]
    fn survives_the_passage_and_adds_up() {
        let (one, other) = (of(1..=10), of(500..=600));
        let mut both = Latency::decode(&one.encode()).unwrap();
        assert_eq!(both.quantile(0.5), one.quantile(0.5));
        both.add(&Latency::decode(&other.encode()).unwrap()).unwrap();
        assert_eq!(both.count(), 111);
        assert!(near(both.quantile(1.0), 0.6));
    }

    #[test]
    fn what_is_longer_than_any_bound_is_the_bound() {
        assert!(of([u64::MAX / 1_000_000].into_iter()).quantile(1.0) > 119.0);
    }
}
