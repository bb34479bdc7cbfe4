//! Resources that nothing is made of: counted by kind, so that a whole cluster's dump stays readable.

use std::collections::BTreeMap;

use super::report::Place;
use crate::config::diagnostic::{Diagnostic, Severity};

/// The kinds met, where first and how often.
#[derive(Debug, Default)]
pub(super) struct Strangers(BTreeMap<String, (Place, usize)>);

impl Strangers {
    /// Counts a resource; `described` reads like `kind Secret (v1)`.
    pub(super) fn meet(&mut self, described: &str, place: &Place) {
        let entry = self.0.entry(described.to_owned()).or_insert_with(|| (place.clone(), 0));
        entry.1 += 1;
    }

    /// One line a kind, at the first place it was met.
    pub(super) fn into_diagnostics(self) -> impl Iterator<Item = Diagnostic> {
        self.0.into_iter().map(|(described, (place, count))| {
            let resources = if count == 1 { "1 resource".to_owned() } else { format!("{count} resources") };
            let message = format!("{described} is not one that sluice serves; {resources} passed over");
            place.diagnostic(Severity::Info, message)
        })
    }
}
