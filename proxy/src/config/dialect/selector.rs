//! Kubernetes label selectors, as `AMBASSADOR_LABEL_SELECTOR` takes them.

use std::str::FromStr;

use thiserror::Error;

/// All requirements of a selector; none takes everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

/// Why a text is no label selector.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectorError {
    /// A parenthesis without its partner.
    #[error("{0:?} has an unbalanced parenthesis")]
    Parenthesis(String),
    /// Not one of the forms.
    #[error("{0:?} is none of key, !key, key=value, key!=value, key in (a,b), key notin (a,b)")]
    Form(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl LabelSelector {
    /// Also asks for one of these values.
    pub(super) fn require_in(&mut self, key: String, values: Vec<String>) {
        self.0.push(Requirement { key, test: Test::In(values) });
    }

    /// Also asks for none of these values.
    pub(super) fn require_not_in(&mut self, key: String, values: Vec<String>) {
        self.0.push(Requirement { key, test: Test::NotIn(values) });
    }

    /// Also asks for the label.
    pub(super) fn require(&mut self, key: String) {
        self.0.push(Requirement { key, test: Test::Exists });
    }

    /// Also asks that there is no such label.
    pub(super) fn require_absent(&mut self, key: String) {
        self.0.push(Requirement { key, test: Test::Absent });
    }

    /// Whether labels meet every requirement.
    pub fn matches(&self, labels: &[(String, String)]) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.iter().find(|(key, _)| *key == requirement.key).map(|(_, value)| value);
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                // As in Kubernetes, a resource without the label passes.
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let parts = split(text)?;
        parts.into_iter().map(requirement).collect::<Result<_, _>>().map(Self)
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Result<Vec<&str>, SelectorError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match (c, inside) {
            ('(', false) => inside = true,
            (')', true) => inside = false,
            ('(', true) | (')', false) => return Err(SelectorError::Parenthesis(text.to_owned())),
            (',', false) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(SelectorError::Parenthesis(text.to_owned()));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, SelectorError> {
    let wrong = || SelectorError::Form(part.trim().to_owned());
    let text = part.trim();
    let (key, test) = if let Some((head, list)) = text.split_once('(') {
        let values = list.strip_suffix(')').ok_or_else(wrong)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            [key, "in"] => (*key, Test::In(values)),
            [key, "notin"] => (*key, Test::NotIn(values)),
            _ => return Err(wrong()),
        }
    } else if let Some((key, value)) = text.split_once("!=") {
        (key, Test::NotIn(vec![word(value).ok_or_else(wrong)?]))
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Test::In(vec![word(value).ok_or_else(wrong)?]))
    } else if let Some(key) = text.strip_prefix('!') {
        (key, Test::Absent)
    } else {
        (text, Test::Exists)
    };
    let key = word(key).filter(|key| !key.is_empty()).ok_or_else(wrong)?;
    Ok(Requirement { key, test })
}

/// A label's name or value; values may be empty.
fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    text.chars().all(fits).then(|| text.to_owned())
}
