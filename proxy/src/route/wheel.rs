//! Smooth weighted round robin: exact over every full turn, and spread evenly within it.

use std::sync::{Mutex, PoisonError};

/// Whose turn it is among members with weights.
#[derive(Debug)]
pub(super) struct Wheel {
    total: i64,
    members: Mutex<Vec<Member>>,
}

#[derive(Debug)]
struct Member {
    weight: i64,
    current: i64,
}

impl Wheel {
    /// Starts at a random point of the turn, so that in a fleet of short-lived processes a 1 %
    /// member is neither always nor never first.
    pub(super) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let members: Vec<_> = weights.into_iter().map(|w| Member { weight: w.into(), current: 0 }).collect();
        let total = members.iter().map(|m| m.weight).sum();
        let wheel = Self { total, members: Mutex::new(members) };
        for _ in 0..fastrand::i64(0..total.clamp(1, 1000)) {
            wheel.turn();
        }
        wheel
    }

    /// The next member's index; `None` when no weight is above 0.
    pub(super) fn turn(&self) -> Option<usize> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        for member in members.iter_mut() {
            member.current += member.weight;
        }
        // The first of the largest, and never one of weight 0: its current stays 0 while some
        // other's is positive.
        let (index, chosen) = members
            .iter_mut()
            .enumerate()
            .filter(|(_, m)| m.weight > 0)
            .reduce(|best, next| if next.1.current > best.1.current { next } else { best })?;
        chosen.current -= self.total;
        Some(index)
    }
}
