//! Medians, and what they are worth.

/// The middle and the width of a few samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Median distance from the median.
    pub(super) mad: f64,
}

impl Spread {
    /// Of nothing there is none.
    pub(super) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let median = middle(&sorted);
        let mut distances: Vec<f64> = sorted.iter().map(|sample| (sample - median).abs()).collect();
        distances.sort_by(f64::total_cmp);
        Some(Self { median, min, max, mad: middle(&distances) })
    }

    /// Whether these samples cannot tell their value from `value`.
    pub(super) fn swallows(&self, value: f64) -> bool {
        self.min <= value && value <= self.max
    }
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

/// A small generator for shuffling: the same order for the same seed.
#[derive(Debug)]
pub(super) struct Shuffler(u64);

impl Shuffler {
    pub(super) fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let below = (self.0 >> 33) % (i as u64 + 1);
            items.swap(i, usize::try_from(below).unwrap_or(i));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Shuffler, Spread};

    #[test]
    fn finds_the_middle_of_odd_and_even() {
        let spread = Spread::of(&[9.0, 1.0, 4.0]).unwrap();
        assert_eq!(spread, Spread { median: 4.0, min: 1.0, max: 9.0, mad: 3.0 });
        assert_eq!(Spread::of(&[1.0, 2.0, 4.0, 100.0]).unwrap().median, 3.0);
        assert_eq!(Spread::of(&[5.0]).unwrap().mad, 0.0);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn one_outlier_moves_the_range_and_not_the_middle() {
        let spread = Spread::of(&[10.0, 10.1, 9.9, 10.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.min), (10.0, 2.0));
        assert!(spread.mad < 0.2, "{spread:?}");
    }

    #[test]
    fn swallows_what_lies_between() {
        assert!(Spread::of(&[0.9, 1.2, 1.3]).unwrap().swallows(1.0));
        assert!(!Spread::of(&[1.1, 1.2, 1.3]).unwrap().swallows(1.0));
    }

    #[test]
    fn shuffles_the_same_for_the_same_seed() {
        let order = |seed| {
            let mut items: Vec<u8> = (0..20).collect();
            Shuffler::new(seed).shuffle(&mut items);
            items
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(3);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<u8>>());
    }
}
