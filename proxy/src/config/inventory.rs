//! What documents were taken for, by dialect and kind, and what nobody recognised.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// How many resources of which kinds there were, served or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// By dialect and kind.
    pub recognised: BTreeMap<&'static str, BTreeMap<String, usize>>,
    /// By what they look like.
    pub unrecognised: BTreeMap<String, usize>,
}

impl Inventory {
    /// Counts a resource of a kind that a dialect has.
    pub(super) fn recognise(&mut self, dialect: &'static str, kind: &str) {
        *self.recognised.entry(dialect).or_default().entry(kind.to_owned()).or_default() += 1;
    }

    /// Counts what no dialect has; `looks` reads on behind a number.
    pub(super) fn wonder(&mut self, looks: &str) {
        *self.unrecognised.entry(looks.to_owned()).or_default() += 1;
    }

    /// Nothing was there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recognised.is_empty() && self.unrecognised.is_empty()
    }
}

impl fmt::Display for Inventory {
    /// A line for what was recognised, and one for what was not, as far as there is any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |kinds: &BTreeMap<String, usize>| {
            kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
        };
        if !self.recognised.is_empty() {
            let dialects =
                self.recognised.iter().map(|(dialect, kinds)| format!("{dialect}: {}", listed(kinds)));
            writeln!(f, "recognised: {}", dialects.collect::<Vec<_>>().join("; "))?;
        }
        if !self.unrecognised.is_empty() {
            writeln!(f, "not recognised: {}", listed(&self.unrecognised))?;
        }
        Ok(())
    }
}
