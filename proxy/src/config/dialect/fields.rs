//! Reads the fields of one YAML mapping one by one, so that every error is found, not the first.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use serde_yaml::{Mapping, Value};

use super::report::Report;
use super::words::nearest;
// No field of a resource takes a key, and none that strayed into one is repeated.
use crate::config::material::{PEM, is_pem};

/// The fields of a mapping and the path that leads to it.
pub(super) struct Fields<'a> {
    map: &'a Mapping,
    path: String,
    report: &'a Report,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// `path` is empty for the document itself.
    pub(super) fn new(map: &'a Mapping, path: impl Into<String>, report: &'a Report) -> Self {
        Self { map, path: path.into(), report, known: RefCell::default() }
    }

    /// Dotted path of one of the fields.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Dotted path of the whole.
    pub(super) fn here(&self) -> &str {
        &self.path
    }

    /// The field as it stands; null counts as absent.
    pub(super) fn raw(&self, name: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().push(name);
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// A string, or a number that its author forgot to quote.
    pub(super) fn text(&self, name: &'static str) -> Option<String> {
        let value = self.raw(name)?;
        let text = scalar(value).filter(|text| !is_pem(text));
        if text.is_none() {
            self.wrong(name, value, "a string");
        }
        text
    }

    /// A text that may be a key, and is not repeated whatever it is.
    pub(super) fn secret(&self, name: &'static str) -> Option<String> {
        let value = self.raw(name)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.report.discard(self.path(name), "is not a string");
        }
        text
    }

    /// A string that says something.
    pub(super) fn filled(&self, name: &'static str) -> Option<String> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// A whole number, quoted or not.
    pub(super) fn integer(&self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.raw(name)?;
        let number = integer(value).filter(|number| range.contains(number));
        if number.is_none() {
            self.wrong(name, value, &format!("an integer from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// A number, quoted or not.
    pub(super) fn decimal(&self, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.raw(name)?;
        let number = scalar(value).and_then(|text| text.trim().parse().ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.wrong(name, value, &format!("a number from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// `true` or `false`, and what YAML 1.1 also reads so.
    pub(super) fn boolean(&self, name: &'static str) -> Option<bool> {
        let value = self.raw(name)?;
        let truth = boolean(value);
        if truth.is_none() {
            self.wrong(name, value, "true or false");
        }
        truth
    }

    /// A list of strings, or one string alone.
    pub(super) fn texts(&self, name: &'static str) -> Option<Vec<String>> {
        let value = self.raw(name)?;
        let texts: Option<Vec<String>> = match value {
            Value::Sequence(items) => items.iter().map(scalar).collect(),
            single => scalar(single).map(|text| vec![text]),
        };
        let texts = texts.filter(|texts| !texts.iter().any(|text| is_pem(text)));
        if texts.is_none() {
            self.wrong(name, value, "a string or a list of strings");
        }
        texts
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.report.discard(self.path(name), format!("{text:?} is none of {}", words.join(", ")));
        }
        found
    }

    /// The fields of a nested mapping.
    pub(super) fn child(&self, name: &'static str) -> Option<Fields<'a>> {
        let value = self.raw(name)?;
        let Value::Mapping(map) = value else {
            self.wrong(name, value, "a mapping of fields");
            return None;
        };
        Some(Fields::new(map, self.path(name), self.report))
    }

    /// The fields of each mapping of a list.
    pub(super) fn children(&self, name: &'static str) -> Option<Vec<Fields<'a>>> {
        let value = self.raw(name)?;
        let Value::Sequence(items) = value else {
            self.wrong(name, value, "a list");
            return None;
        };
        let mut children = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{index}]", self.path(name));
            match item {
                Value::Mapping(map) => children.push(Fields::new(map, path, self.report)),
                other => self.report.discard(path, format!("{} is not a mapping of fields", show(other))),
            }
        }
        Some(children)
    }

    /// Pairs of strings, such as labels; values that are no strings are left out.
    pub(super) fn pairs(&self, name: &'static str) -> Vec<(String, String)> {
        let Some(Value::Mapping(map)) = self.raw(name) else {
            return Vec::new();
        };
        map.iter().filter_map(|(key, value)| Some((scalar(key)?, scalar_or_bool(value)?))).collect()
    }

    /// Names and the mappings behind them, for users who choose the names; anything else is left out.
    pub(super) fn entries(&self) -> impl Iterator<Item = (String, &'a Mapping)> {
        self.map.iter().filter_map(|(name, value)| Some((scalar(name)?, value.as_mapping()?)))
    }

    /// Every name that stands here.
    pub(super) fn names(&self) -> Vec<String> {
        self.map.keys().map(|key| scalar(key).unwrap_or_else(|| show(key))).collect()
    }

    /// Fields that may stand here and are none of sluice's business.
    pub(super) fn ignore(&self, names: &[&'static str]) {
        self.known.borrow_mut().extend_from_slice(names);
    }

    /// Says so where a field was written that cannot be had.
    pub(super) fn missing(&self, name: &str, way_out: &str) {
        self.report.discard(self.path(name), format!("is missing; {way_out}"));
    }

    /// Warns of every field nobody asked for; `hints` says where a well-known stranger belongs.
    pub(super) fn warn_unknown(&self, hints: &[(&str, &str)]) {
        for (name, hint) in self.unknown(hints) {
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            self.report.warn(self.path(&name), format!("unknown field {name:?} is ignored{hint}"));
        }
    }

    /// Does not put up with any field nobody asked for.
    pub(super) fn refuse_unknown(&self, hints: &[(&str, &str)]) {
        for (name, hint) in self.unknown(hints) {
            let hint = hint.unwrap_or_else(|| "remove it".to_owned());
            self.report.discard(self.path(&name), format!("unknown field {name:?}; {hint}"));
        }
    }

    /// Every field nobody asked for, and what to say of it if anything is known.
    pub(super) fn unknown(&self, hints: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
        let known = self.known.borrow();
        let hint = |name: &str| match hints.iter().find(|(stranger, _)| *stranger == name) {
            Some((_, hint)) => Some((*hint).to_owned()),
            None => nearest(name, &known).map(|near| format!("did you mean {near:?}?")),
        };
        let strangers = self.names().into_iter().filter(|name| !known.contains(&name.as_str()));
        strangers.map(|name| (hint(&name), name)).map(|(hint, name)| (name, hint)).collect()
    }

    fn wrong(&self, name: &str, value: &Value, expected: &str) {
        self.report.discard(self.path(name), format!("{} is not {expected}", show(value)));
    }
}

/// A value as a message shows it, bounded.
pub(super) fn show(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = match value {
        // Whatever field a key strayed into.
        Value::String(text) if is_pem(text) => format!("a PEM text ({PEM}…)"),
        Value::String(text) => format!("{text:?}"),
        Value::Bool(_) | Value::Number(_) => scalar_or_bool(value).unwrap_or_default(),
        Value::Null => "null".to_owned(),
        Value::Sequence(items) if items.is_empty() => "[]".to_owned(),
        Value::Sequence(items) => format!("a list of {}", items.len()),
        Value::Mapping(_) | Value::Tagged(_) => "a mapping".to_owned(),
    };
    if text.chars().count() <= LONGEST {
        text
    } else {
        text.chars().take(LONGEST).chain("…".chars()).collect()
    }
}

/// A string, or a number as it was written.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `true` or `false`, and what YAML 1.1 also reads so.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        // u64::from_str takes a leading plus, which no user means.
        Value::String(text) if text.trim().bytes().all(|b| b.is_ascii_digit()) => text.trim().parse().ok(),
        _ => None,
    }
}

fn scalar_or_bool(value: &Value) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(truth.to_string()),
        other => scalar(other),
    }
}
