//! Tells of certificates that are about to expire: a month ahead, again a week ahead, and when it is too late.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::config::model::Config;

const DAY: i64 = 24 * 3600;

/// How near an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Month,
    Week,
    Over,
}

/// The certificates in service, and what was told of them.
#[derive(Debug)]
pub(super) struct Expiry {
    /// When each expires, in seconds since 1970, by where it came from.
    certificates: HashMap<Arc<str>, i64>,
    told: HashMap<Arc<str>, (i64, Stage)>,
    daily: Interval,
}

impl Expiry {
    pub(super) fn new() -> Self {
        let mut daily = interval(Duration::from_secs(DAY.unsigned_abs()));
        // After a day asleep once is enough.
        daily.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { certificates: HashMap::new(), told: HashMap::new(), daily }
    }

    /// Looks at the certificates of this configuration from now on, and at once.
    pub(super) fn watch(&mut self, config: &Config) {
        self.certificates.clear();
        for identity in config.identities() {
            self.certificates.insert(Arc::clone(&identity.source), identity.expires);
        }
        self.told.retain(|source, _| self.certificates.contains_key(source));
        self.look();
    }

    /// Returns at the next moment to look again.
    pub(super) async fn due(&mut self) {
        self.daily.tick().await;
    }

    /// Warns of what has come nearer to its end since the last look.
    pub(super) fn look(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for warning in self.warnings(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)) {
            tracing::warn!("{warning}");
        }
    }

    fn warnings(&mut self, now: i64) -> Vec<String> {
        let mut warnings = Vec::new();
        for (source, expires) in &self.certificates {
            let Some(stage) = Stage::at(expires - now) else { continue };
            let told = self.told.insert(Arc::clone(source), (*expires, stage));
            if told.is_some_and(|(of, stage_told)| of == *expires && stage_told >= stage) {
                continue;
            }
            warnings.push(match (expires - now) / DAY {
                _ if stage == Stage::Over => format!("the certificate of {source} has expired"),
                0 => format!("the certificate of {source} expires within a day"),
                days => format!("the certificate of {source} expires in {days} days"),
            });
        }
        warnings.sort();
        warnings
    }
}

impl Stage {
    fn at(seconds_left: i64) -> Option<Self> {
        match seconds_left {
            ..=0 => Some(Self::Over),
            left if left < 7 * DAY => Some(Self::Week),
            left if left < 30 * DAY => Some(Self::Month),
            _ => None,
        }
    }
}
