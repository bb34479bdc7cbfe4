//! Annotations that bound what a mapping, or one client of it, may have.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use bytesize::ByteSize;

use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::{Limits, Rate, SourceLimits};

pub(in crate::config::dialect::ambassador) const RATE: &str = "sluice.dev/connection-rate";
pub(in crate::config::dialect::ambassador) const BURST: &str = "sluice.dev/connection-burst";
pub(in crate::config::dialect::ambassador) const PER_SOURCE: &str = "sluice.dev/max-connections-per-source";
pub(in crate::config::dialect::ambassador) const SOURCE_RATE: &str = "sluice.dev/connection-rate-per-source";
pub(in crate::config::dialect::ambassador) const SOURCE_BURST: &str =
    "sluice.dev/connection-burst-per-source";
pub(in crate::config::dialect::ambassador) const BANDWIDTH: &str = "sluice.dev/bandwidth";

/// One that a rate may be told in at most: a nanosecond, the clock's step, is still far below its interval.
const MOST_PER_UNIT: u32 = 1_000_000;

/// The slowest bandwidth that the kernel's pacing keeps with segments of 64 KiB: one in a minute.
const LEAST_BANDWIDTH: u64 = 1 << 10;

/// The fastest that anybody asks for; a network faster than this is not slowed down.
const MOST_BANDWIDTH: u64 = 1 << 40;

/// Lays what the annotations say over `limits`; 0 takes a bound away.
pub(super) fn apply(annotations: &Fields<'_>, limits: &mut Limits, report: &Report) {
    rate(annotations, [RATE, BURST], &mut limits.rate, report);
    rate(annotations, [SOURCE_RATE, SOURCE_BURST], &mut limits.source.rate, report);
    let SourceLimits { connections, .. } = &mut limits.source;
    if annotations.raw(PER_SOURCE).is_some() {
        let most = annotations.integer(PER_SOURCE, 0..=u32::MAX.into());
        *connections = most.and_then(|most| u32::try_from(most).ok()).and_then(NonZeroU32::new);
    }
    if let Some(text) = annotations.filled(BANDWIDTH) {
        match bandwidth(&text) {
            Some(bandwidth) => limits.bandwidth = NonZeroU64::new(bandwidth),
            None => report.discard(
                annotations.path(BANDWIDTH),
                format!(
                    "{text:?} is no number of bytes per second from 1KiB to 1TiB; write one such as 512KiB or \
                     10MiB, or 0 for none"
                ),
            ),
        }
    }
}

fn bandwidth(text: &str) -> Option<u64> {
    // Per second is all there is; who writes it means the same.
    let text = text.trim();
    let bytes = text.strip_suffix("/s").unwrap_or(text).parse::<ByteSize>().ok()?.as_u64();
    (bytes == 0 || (LEAST_BANDWIDTH..=MOST_BANDWIDTH).contains(&bytes)).then_some(bytes)
}

/// A rate and its burst, each of which may be said without the other where a default has it.
fn rate(
    annotations: &Fields<'_>,
    [rate, burst]: [&'static str; 2],
    limit: &mut Option<Rate>,
    report: &Report,
) {
    if let Some(text) = annotations.filled(rate) {
        match parse_rate(&text) {
            Some(parsed) => *limit = parsed,
            None => report.discard(
                annotations.path(rate),
                format!(
                    "{text:?} is no rate; write a whole number up to {MOST_PER_UNIT} of connections per second, \
                     minute or hour, such as 100, 100/s, 30/m or 6/h, or 0 for none"
                ),
            ),
        }
    }
    if annotations.raw(burst).is_none() {
        return;
    }
    let most = annotations.integer(burst, 1..=u32::MAX.into());
    let most = most.and_then(|most| u32::try_from(most).ok()).and_then(NonZeroU32::new);
    match (limit, most) {
        (Some(limit), Some(most)) => limit.burst = most,
        (None, Some(_)) => {
            let message = format!("is how far a rate may be exceeded, and {rate} sets none; add it");
            report.discard(annotations.path(burst), message);
        }
        // Found fault with already.
        (_, None) => {}
    }
}

/// `Some(None)` is no bound. Where no burst is said, what the rate allows in its own unit may come at once.
fn parse_rate(text: &str) -> Option<Option<Rate>> {
    let (number, unit) = match text.trim().split_once('/') {
        None => (text.trim(), "s"),
        Some((number, unit)) => (number.trim_end(), unit.trim_start()),
    };
    let unit = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return None,
    };
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u32 = number.parse().ok().filter(|number| *number <= MOST_PER_UNIT)?;
    Some(NonZeroU32::new(number).map(|burst| Rate { interval: unit / number, burst }))
}
