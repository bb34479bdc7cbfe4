//! Whose turn it is among endpoints that may all be taken.

/// An endpoint as a policy sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Its index on the board.
    pub(super) index: usize,
    /// Its share; above 0.
    pub(super) weight: i64,
    /// Connections that sluice has open to it.
    pub(super) active: u32,
}

/// Whether `a` has fewer connections for its weight than `b`.
pub(super) fn is_less_busy(a: Candidate, b: Candidate) -> bool {
    i128::from(a.active) * i128::from(b.weight) < i128::from(b.active) * i128::from(a.weight)
}

/// The less busy of two that are drawn by weight, the first drawn among equals.
pub(super) fn two_choices<I>(candidates: impl Fn() -> I) -> Option<usize>
where
    I: Iterator<Item = Candidate>,
{
    let first = draw(candidates())?;
    let second = draw(candidates().filter(|candidate| candidate.index != first.index));
    Some(second.filter(|second| is_less_busy(*second, first)).unwrap_or(first).index)
}

/// One by weight, in one pass (weighted reservoir sampling).
fn draw(candidates: impl Iterator<Item = Candidate>) -> Option<Candidate> {
    let mut total = 0;
    let mut drawn = None;
    for candidate in candidates {
        total += candidate.weight;
        if fastrand::i64(0..total) < candidate.weight {
            drawn = Some(candidate);
        }
    }
    drawn
}
