//! What is remembered of a name: its last good addresses, and when to ask again.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::dns::{Answer, Answers};

/// An answer holds at least this long, so that a server whose answers hold for no time at all is not asked for ever.
const SHORTEST: Duration = Duration::from_secs(1);
/// And at most this long.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// An answer that there are none holds at most this long: what was just declared should come into service.
const LONGEST_NEGATIVE: Duration = Duration::from_secs(30);
/// Failures are asked about again after [`SHORTEST`], and then twice as long each time, up to this; and up to
/// [`WITHOUT_ANY`] where there is no address to go on with.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);
const WITHOUT_ANY: Duration = Duration::from_secs(5);

/// The addresses of a name, as far as known.
#[derive(Debug, Default)]
pub(super) struct Memory {
    ipv4: Vec<IpAddr>,
    ipv6: Vec<IpAddr>,
    /// Failures since the last answer in which none was.
    streak: u32,
    /// When the addresses were last told, by somebody who knows.
    pub(super) told: Option<Instant>,
    /// Why they are not newer.
    pub(super) error: Option<String>,
    /// Answers with an address.
    pub(super) answers: u64,
    /// Answers that there is none.
    pub(super) negatives: u64,
    /// Questions of which one family or both failed.
    pub(super) failures: u64,
}

impl Memory {
    /// Takes an answer in, and says when to ask again.
    pub(super) fn learn(&mut self, answers: &Answers, now: Instant) -> Duration {
        self.take(answers, now);
        if answers.any_address() {
            self.answers += 1;
        } else if !answers.any_failure() {
            self.negatives += 1;
        }
        let both = [&answers.ipv4, &answers.ipv6];
        let shortest = |of: fn(&Answer) -> Option<Duration>| both.into_iter().filter_map(of).min();
        let positive = shortest(|answer| match answer {
            Answer::Addresses { ttl, .. } => Some((*ttl).clamp(SHORTEST, LONGEST)),
            _ => None,
        });
        let failure = both.into_iter().find_map(|answer| match answer {
            Answer::Failed { message, .. } => Some(message),
            _ => None,
        });
        let Some(message) = failure else {
            self.streak = 0;
            let negative = both.into_iter().find_map(|answer| match answer {
                Answer::None { ttl, message } => Some(((*ttl).clamp(SHORTEST, LONGEST_NEGATIVE), message)),
                _ => None,
            });
            // A name with addresses of one family alone is asked for as often as those change.
            self.error = negative.filter(|_| positive.is_none()).map(|(_, message)| message.clone());
            return positive.or(negative.map(|(ttl, _)| ttl)).unwrap_or(LONGEST_NEGATIVE);
        };
        self.failures += 1;
        self.error = Some(message.clone());
        self.streak = self.streak.saturating_add(1);
        let back_off = back_off(self.streak, !self.is_empty());
        positive.map_or(back_off, |ttl| ttl.min(back_off))
    }

    /// Takes in what is known before the answer is complete.
    pub(super) fn take(&mut self, answers: &Answers, now: Instant) {
        for (known, answer) in [(&mut self.ipv4, &answers.ipv4), (&mut self.ipv6, &answers.ipv6)] {
            match answer {
                Answer::Addresses { addresses, .. } => {
                    // Many servers turn their answers around each time, which is no news.
                    let is_news =
                        addresses.len() != known.len() || !addresses.iter().all(|a| known.contains(a));
                    if is_news {
                        known.clone_from(addresses);
                    }
                }
                Answer::None { .. } => known.clear(),
                // The last good ones stay.
                Answer::Failed { .. } | Answer::Unasked => {}
            }
        }
        if answers.any_address() || !answers.any_failure() {
            self.told = Some(now);
        }
    }

    /// Every address, IPv6 first.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.ipv6.iter().chain(&self.ipv4).copied()
    }

    /// Whether there is no address.
    pub(super) fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }
}

/// How long to wait after so many failures in a row, with endpoints to go on with or without.
pub(super) fn back_off(failures: u32, has_any: bool) -> Duration {
    let doubled = SHORTEST.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(if has_any { LONGEST_BACK_OFF } else { WITHOUT_ANY })
}
