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
    is_less(a.active.into(), a.weight, b.active.into(), b.weight)
}

/// Whether `a` would have fewer connections for its weight than `b`, each with one more. A light endpoint that has
/// none yet is then not the first to be filled up.
pub(super) fn would_be_less_busy(a: Candidate, b: Candidate) -> bool {
    is_less(i64::from(a.active) + 1, a.weight, i64::from(b.active) + 1, b.weight)
}

fn is_less(a: i64, of_a: i64, b: i64, of_b: i64) -> bool {
    i128::from(a) * i128::from(of_b) < i128::from(b) * i128::from(of_a)
}

/// The better of two that are drawn by weight, the first drawn among equals.
pub(super) fn two_choices<I>(
    candidates: impl Fn() -> I,
    is_better: impl Fn(Candidate, Candidate) -> bool,
) -> Option<usize>
where
    I: Iterator<Item = Candidate>,
{
    let first = draw(candidates())?;
    let second = draw(candidates().filter(|candidate| candidate.index != first.index));
    Some(second.filter(|second| is_better(*second, first)).unwrap_or(first).index)
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
