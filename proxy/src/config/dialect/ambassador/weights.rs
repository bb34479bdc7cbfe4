//! `weight`: a percentage where it stands, an even share of the rest where it does not.

/// The shares of a group, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shares {
    pub(super) weights: Vec<u32>,
    pub(super) flaw: Option<Flaw>,
}

/// Why the shares are perhaps not what was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The weights sum to more than 100.
    Over(u32),
    /// They sum to 100 and leave nothing for members without one.
    NothingLeft,
    /// They sum to less than 100, and nobody takes the rest.
    Under(u32),
    /// All of them are 0.
    Nobody,
}

/// Shares 100 % among the members of a group; `None` is a member without a weight.
pub(super) fn share(declared: &[Option<u16>]) -> Shares {
    if declared.len() == 1 {
        return Shares { weights: vec![100], flaw: None };
    }
    let sum: u32 = declared.iter().flatten().map(|weight| u32::from(*weight)).sum();
    let unweighted = declared.iter().filter(|weight| weight.is_none()).count();
    let unweighted = u32::try_from(unweighted).unwrap_or(u32::MAX);
    let rest = 100_u32.saturating_sub(sum);
    let flaw = match (sum, unweighted) {
        (101.., _) => Some(Flaw::Over(sum)),
        (100, 1..) => Some(Flaw::NothingLeft),
        (0, 0) => Some(Flaw::Nobody),
        (..100, 0) => Some(Flaw::Under(sum)),
        _ => None,
    };
    // More members than percents would leave most of them without any: count in smaller parts.
    let scale = if unweighted > rest && rest > 0 { unweighted } else { 1 };
    let each = (rest * scale).checked_div(unweighted).unwrap_or(0);
    let mut left = unweighted;
    let weights = declared.iter().map(|weight| match weight {
        Some(weight) => u32::from(*weight) * scale,
        None => {
            left -= 1;
            if left > 0 { each } else { rest * scale - each * (unweighted - 1) }
        }
    });
    Shares { weights: weights.collect(), flaw }
}
