//! What AWS' two kinds have in common: lists of keys and values, and fields for which sluice has no use.

use serde_yaml::Value;

use crate::config::dialect::fields::{Fields, scalar};
use crate::config::dialect::report::Report;
use crate::config::dialect::words::nearest;

/// `[{key, value}]`, each with the path of its value; of the same key the last one counts.
pub(super) fn pairs(
    fields: &Fields<'_>,
    name: &'static str,
    report: &Report,
) -> Vec<(String, String, String)> {
    let mut pairs: Vec<(String, String, String)> = Vec::new();
    for entry in fields.children(name).unwrap_or_default() {
        let key = entry.filled("key");
        // true without quotes is what everybody writes, and what Kubernetes refuses.
        let truth = |value: &Value| value.as_bool().map(|truth| truth.to_string());
        let value = entry.raw("value").and_then(|value| scalar(value).or_else(|| truth(value)));
        entry.warn_unknown(&[]);
        match (key, value) {
            (Some(key), Some(value)) => {
                pairs.retain(|(known, ..)| *known != key);
                pairs.push((key, value, entry.path("value")));
            }
            _ => report.discard(entry.here(), "lacks its key or its value; write both"),
        }
    }
    pairs
}

/// What is said of a key that nobody knows.
pub(super) fn unknown(key: &str, known: &[&str]) -> String {
    let hint = nearest(key, known).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
    format!("the attribute {key:?} is ignored{hint}")
}

/// Says once of all these fields that they change nothing here.
pub(super) fn without_effect(fields: &Fields<'_>, names: &[&'static str], report: &Report) {
    let there: Vec<_> = names.iter().copied().filter(|name| fields.raw(name).is_some()).collect();
    if !there.is_empty() {
        let (verb, what) = if there.len() == 1 { ("is", "has") } else { ("are", "have") };
        let message =
            format!("{} {verb} the load balancer's, and {what} no effect on sluice", there.join(", "));
        report.info(fields.here(), message);
    }
}
