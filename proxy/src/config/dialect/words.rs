//! What a misspelt name was probably meant to be.

/// Names at least this alike are worth suggesting: one slip in four letters.
const ALIKE: f64 = 0.7;
/// Nobody misspells a name this long; comparing it would only take time.
const LONGEST: usize = 100;

/// The known name closest to `word`, if any is close.
pub(in crate::config) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = plain(word);
    known
        .iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&word, &plain(name)), *name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// `idleTimeoutMs`, `idle-timeout-ms` and `idle_timeout_ms` are one name to their author.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
