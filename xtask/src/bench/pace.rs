//! How fast latencies are measured: the same for every peer, so that the queue is each one's own.

use std::collections::HashMap;

use super::case::Case;

/// Requests or connections a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As they are.
    Fixed(u32),
    /// So many percent of what the slowest proxy reaches in this case, where each request waits for an answer.
    Percent(u32, Case),
}

/// What the slowest proxy reached, by case.
pub(super) type Slowest = HashMap<Case, f64>;

impl Pace {
    /// The case that tells how much a hundred percent is.
    pub(super) fn asks(self) -> Option<Case> {
        match self {
            Self::Fixed(_) => None,
            Self::Percent(_, case) => Some(case),
        }
    }

    /// In whole ones a second; none where nobody could be asked.
    pub(super) fn rate(self, slowest: &Slowest) -> Option<u32> {
        match self {
            Self::Fixed(rate) => Some(rate),
            Self::Percent(percent, case) => {
                slowest.get(&case).map(|rate| whole(rate * f64::from(percent) / 100.0))
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate; a cast saturates")]
fn whole(rate: f64) -> u32 {
    rate as u32
}

#[cfg(test)]
mod tests {
    use super::{Case, Pace, Slowest};

    #[test]
    fn is_a_share_of_what_the_slowest_reached() {
        let slowest = Slowest::from([(Case::Small32, 20_000.0)]);
        assert_eq!(Pace::Percent(75, Case::Small32).rate(&slowest), Some(15_000));
        assert_eq!(Pace::Percent(75, Case::Connect8).rate(&slowest), None);
        assert_eq!(Pace::Fixed(500).rate(&slowest), Some(500));
    }
}
