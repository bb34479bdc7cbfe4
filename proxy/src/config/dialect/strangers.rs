//! Resources that nothing is made of: counted by kind, so that a whole cluster's dump stays readable.

use std::collections::BTreeMap;

use super::report::Place;
use crate::config::diagnostic::{Diagnostic, Severity};

/// Why nothing is made of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stranger {
    /// Routes of a dialect that a later version reads.
    Later,
    /// None of sluice's business.
    Unknown,
}

/// The kinds met, where first and how often.
#[derive(Debug, Default)]
pub(super) struct Strangers(BTreeMap<(Stranger, String), (Place, usize)>);

impl Strangers {
    /// Counts a resource; `described` reads like `kind Secret (v1)`.
    pub(super) fn meet(&mut self, why: Stranger, described: &str, place: &Place) {
        let entry = self.0.entry((why, described.to_owned())).or_insert_with(|| (place.clone(), 0));
        entry.1 += 1;
    }

    /// One line a kind, at the first place it was met.
    pub(super) fn into_diagnostics(self) -> impl Iterator<Item = Diagnostic> {
        self.0.into_iter().map(|((why, described), (place, count))| {
            let resources = if count == 1 { "1 resource".to_owned() } else { format!("{count} resources") };
            let (severity, reason, fate) = match why {
                Stranger::Later => {
                    (Severity::Warning, "is not served by this version of sluice", "discarded")
                }
                Stranger::Unknown => (Severity::Info, "is not one that sluice serves", "passed over"),
            };
            let message = format!("{described} {reason}; {resources} {fate}");
            Diagnostic { discarded: why == Stranger::Later, ..place.diagnostic(severity, message) }
        })
    }
}
