//! How one endpoint is: what connections found, and what checks found. Time is told, not asked for.

use std::time::{Duration, Instant};

use crate::config::model::{Check, Ejection};

/// A change worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    /// Too many connections in a row came to nothing.
    Ejected {
        /// For how long it is left alone.
        span: Duration,
    },
    /// The time of an ejection is over; one more failure ejects again.
    Returned,
    /// Checks failed.
    Down,
    /// Checks succeeded again.
    Up,
}

/// What is known of one endpoint.
#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    /// Connect failures in a row.
    failures: u32,
    ejected: Option<Ejected>,
    /// Ejections in a row, and the last one's span, while it is not long over.
    past: Option<Past>,
    down: bool,
    /// Checks in a row that contradict `down`.
    streak: u32,
    /// Since when its share grows.
    rising: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Ejected {
    until: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Past {
    ejections: u32,
    span: Duration,
    over: Instant,
}

/// A share that has fully grown, in thousandths.
pub(super) const FULL: u32 = 1000;

/// What a share begins with, in thousandths: enough to be noticed as healthy.
const LEAST: u32 = 100;

impl Health {
    /// That of an endpoint which joins others.
    pub(super) fn joining(now: Instant) -> Self {
        Self { rising: Some(now), ..Self::default() }
    }

    /// A connection was made.
    pub(super) fn connected(&mut self, now: Instant) {
        self.failures = 0;
        // Forgiven once it has been well for as long as it was ejected.
        if self.past.is_some_and(|past| now >= past.over + past.span) {
            self.past = None;
        }
    }

    /// A connection came to nothing. There may be no `room` to eject another endpoint.
    pub(super) fn failed(&mut self, rule: &Ejection, room: bool, now: Instant) -> Option<Transition> {
        self.failures = self.failures.saturating_add(1);
        if rule.after == 0 || self.failures < rule.after || self.ejected.is_some() || !room {
            return None;
        }
        let ejections = self.past.map_or(0, |past| past.ejections);
        let span = rule
            .base
            .unwrap_or(rule.most)
            .saturating_mul(1u32.checked_shl(ejections).unwrap_or(u32::MAX))
            .min(rule.most);
        let over = now + span;
        self.ejected = Some(Ejected { until: over });
        self.past = Some(Past { ejections: ejections.saturating_add(1), span, over });
        Some(Transition::Ejected { span })
    }

    /// Ends what time ends.
    pub(super) fn settle(&mut self, rule: &Ejection, now: Instant) -> Option<Transition> {
        self.ejected.filter(|ejected| now >= ejected.until)?;
        self.ejected = None;
        self.failures = rule.after.saturating_sub(1);
        self.rising = Some(now);
        Some(Transition::Returned)
    }

    /// A check ended.
    pub(super) fn checked(&mut self, good: bool, rule: &Check, now: Instant) -> Option<Transition> {
        if good != self.down {
            self.streak = 0;
            return None;
        }
        self.streak = self.streak.saturating_add(1);
        if self.streak < if good { rule.healthy } else { rule.unhealthy } {
            return None;
        }
        (self.down, self.streak) = (!good, 0);
        if !good {
            return Some(Transition::Down);
        }
        // Checks connect as connections do: there is no reason left to leave it alone.
        (self.ejected, self.failures, self.rising) = (None, 0, Some(now));
        Some(Transition::Up)
    }

    /// An operator let it take connections again.
    pub(super) fn enabled(&mut self, now: Instant) {
        self.rising = Some(now);
    }

    /// No check asks any more: what they said is void.
    pub(super) fn unchecked(&mut self) {
        (self.down, self.streak) = (false, 0);
    }

    /// Checks say that it is not there.
    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    /// Until when it is left alone.
    pub(super) fn ejected_until(&self) -> Option<Instant> {
        self.ejected.map(|ejected| ejected.until)
    }

    /// Connect failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// How much of its weight counts, in thousandths.
    pub(super) fn share(&mut self, slow_start: Duration, now: Instant) -> u32 {
        let Some(since) = self.rising else { return FULL };
        let grown = now.saturating_duration_since(since);
        if grown >= slow_start {
            self.rising = None;
            return FULL;
        }
        let thousandths = grown.as_nanos() * u128::from(FULL) / slow_start.as_nanos().max(1);
        u32::try_from(thousandths).unwrap_or(FULL).clamp(LEAST, FULL)
    }
}
