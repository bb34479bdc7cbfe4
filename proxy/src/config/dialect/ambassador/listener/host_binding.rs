//! `hostBinding` of a `Listener`: which Hosts it takes certificates from.

use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;

/// Both must hold; what is absent holds for every `Host`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::config::dialect::ambassador) struct HostBinding {
    namespace: Option<String>,
    labels: Vec<(String, String)>,
}

impl HostBinding {
    /// Reads it from a Listener's fields; `own` is the Listener's namespace.
    pub(super) fn read(listener: &Fields<'_>, own: &str, report: &Report) -> Self {
        let Some(binding) = listener.child("hostBinding") else {
            return Self::default();
        };
        let from = binding.child("namespace").and_then(|namespace| {
            namespace
                .choice("from", &[("SELF", Some(own)), ("ALL", None), ("Self", Some(own)), ("All", None)])
        });
        let selector = binding.child("selector");
        if let Some(selector) =
            selector.as_ref().filter(|selector| selector.raw("matchExpressions").is_some())
        {
            let message = "is not looked at, as in Ambassador; use matchLabels";
            report.error(selector.path("matchExpressions"), message);
        }
        let labels = selector.map(|selector| selector.pairs("matchLabels")).unwrap_or_default();
        Self { namespace: from.flatten().map(str::to_owned), labels }
    }

    /// Whether a `Host` in that namespace with those labels is meant.
    pub(in crate::config::dialect::ambassador) fn selects(
        &self,
        namespace: &str,
        labels: &[(String, String)],
    ) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
            && self.labels.iter().all(|label| labels.contains(label))
    }
}
