//! How one endpoint is: what connections found, and what checks found. Time is told, not asked for.

use std::time::{Duration, Instant};

use crate::config::model::{Check, Ejection};

/// What an attempt to connect or a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// What was hoped for.
    Good,
    /// A refusal, an error or a wrong answer.
    Bad,
    /// Nothing within its time.
    Late,
}

/// A change worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    /// Too many connections in a row came to nothing.
    Ejected {
        /// For how long it is left alone; `None` is until a check succeeds or an operator says so.
        span: Option<Duration>,
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
    /// Of connections.
    failures: Failures,
    ejected: Option<Ejected>,
    /// Ejections in a row, and the last one's span, while it is not long over.
    past: Option<Past>,
    down: bool,
    /// Of checks.
    failed_checks: Failures,
    /// Checks in a row that succeeded.
    good_checks: u32,
    /// Since when its share grows.
    rising: Option<Instant>,
}

/// Failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Failures {
    /// All that are not counted apart.
    pub(super) failures: u32,
    /// What took too long, where that is counted apart.
    pub(super) timeouts: u32,
}

impl Failures {
    /// Counts one more; whether that makes them too many. 0 of a kind never are.
    fn count(&mut self, late: bool, most: u32, most_late: Option<u32>) -> bool {
        let (count, most) = match most_late {
            Some(most_late) if late => (&mut self.timeouts, most_late),
            _ => (&mut self.failures, most),
        };
        *count = count.saturating_add(1);
        most > 0 && *count >= most
    }
}

#[derive(Debug, Clone, Copy)]
struct Ejected {
    /// `None` is for as long as nobody says otherwise.
    until: Option<Instant>,
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
        self.failures = Failures::default();
        // Forgiven once it has been well for as long as it was ejected.
        if self.past.is_some_and(|past| now >= past.over + past.span) {
            self.past = None;
        }
    }

    /// A connection came to nothing, or to nothing in time. There may be no `room` to eject another endpoint.
    pub(super) fn failed(
        &mut self,
        late: bool,
        rule: &Ejection,
        room: bool,
        now: Instant,
    ) -> Option<Transition> {
        let too_many = self.failures.count(late, rule.after, rule.after_timeouts);
        if !too_many || self.ejected.is_some() || !room {
            return None;
        }
        let Some(base) = rule.base else {
            self.ejected = Some(Ejected { until: None });
            // Successes from before are no reason to let it in again.
            self.good_checks = 0;
            return Some(Transition::Ejected { span: None });
        };
        let ejections = self.past.map_or(0, |past| past.ejections);
        let span = base.saturating_mul(1u32.checked_shl(ejections).unwrap_or(u32::MAX)).min(rule.most);
        let over = now + span;
        self.ejected = Some(Ejected { until: Some(over) });
        self.past = Some(Past { ejections: ejections.saturating_add(1), span, over });
        Some(Transition::Ejected { span: Some(span) })
    }

    /// Ends what time ends.
    pub(super) fn settle(&mut self, rule: &Ejection, now: Instant) -> Option<Transition> {
        // One without an end ends with the rule that made it.
        let is_over = |ejected: &Ejected| ejected.until.map_or(rule.base.is_some(), |until| now >= until);
        self.ejected.filter(is_over)?;
        self.ejected = None;
        let again = |most: u32| most.saturating_sub(1);
        self.failures =
            Failures { failures: again(rule.after), timeouts: rule.after_timeouts.map_or(0, again) };
        self.rising = Some(now);
        Some(Transition::Returned)
    }

    /// A check ended.
    pub(super) fn checked(&mut self, outcome: Outcome, rule: &Check, now: Instant) -> Option<Transition> {
        if outcome == Outcome::Good {
            self.failed_checks = Failures::default();
            self.good_checks = self.good_checks.saturating_add(1);
            let is_out = self.down || self.ejected.is_some_and(|ejected| ejected.until.is_none());
            if !is_out || rule.healthy == 0 || self.good_checks < rule.healthy {
                return None;
            }
            // Checks connect as connections do: there is no reason left to leave it alone.
            self.down = false;
            self.enabled(now);
            return Some(Transition::Up);
        }
        self.good_checks = 0;
        let late = outcome == Outcome::Late;
        let too_many = self.failed_checks.count(late, rule.unhealthy, rule.unhealthy_timeouts);
        if self.down || !too_many {
            return None;
        }
        self.down = true;
        Some(Transition::Down)
    }

    /// It may take connections again, whatever they found before.
    pub(super) fn enabled(&mut self, now: Instant) {
        (self.ejected, self.failures, self.rising) = (None, Failures::default(), Some(now));
    }

    /// No check asks any more: what they said is void.
    pub(super) fn unchecked(&mut self) {
        (self.down, self.failed_checks, self.good_checks) = (false, Failures::default(), 0);
    }

    /// Checks say that it is not there.
    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    /// Connections found that it is to be left alone.
    pub(super) fn is_ejected(&self) -> bool {
        self.ejected.is_some()
    }

    /// Until when it is left alone, where that is known.
    pub(super) fn ejected_until(&self) -> Option<Instant> {
        self.ejected?.until
    }

    /// Connect failures in a row.
    pub(super) fn failures(&self) -> Failures {
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
