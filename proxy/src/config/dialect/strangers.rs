//! Resources that nothing is made of: counted by kind, so that a whole cluster's dump stays readable.

use std::collections::BTreeMap;

use super::report::{Place, Report};
use super::resource::Resource;
use super::words::nearest;
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

    /// Turns away a resource of a kind that is none of `known`: it is taken for a misspelling, which is told, unless it
    /// is of `others` of its group, or like none.
    pub(super) fn turn_away(
        &mut self,
        resource: &Resource<'_>,
        [known, others]: [&[&str]; 2],
        own_namespace: &str,
        found: &mut Vec<Diagnostic>,
    ) {
        let kind = resource.kind.as_str();
        let Some(near) = nearest(kind, known).filter(|_| !others.contains(&kind)) else {
            return self.meet(&format!("kind {kind} ({})", resource.api_version), &resource.place);
        };
        let report = Report::new(resource.place.clone(), resource.label(own_namespace), "resource");
        report.discard("kind", format!("{kind:?} is unknown; did you mean {near:?}?"));
        found.extend(report.into_diagnostics());
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
