//! Text to YAML documents, each parsed on its own so that a broken one costs no other.

use std::cell::Cell;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Mapping, Value};

use super::report::Place;

/// What aliases may add to the size of a text. yaml_serde bounds how often they are followed, not what
/// that copies, which is quadratic in the size of the file.
const ALIAS_BYTES: usize = 1 << 20;

/// One YAML document that is not empty.
#[derive(Clone, PartialEq)]
pub(in crate::config) struct Document {
    /// Where it stands.
    pub(in crate::config) place: Place,
    pub(super) value: Value,
}

impl fmt::Debug for Document {
    // Never the value, which may be a Secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A document that is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct SyntaxError {
    /// Where it stands.
    pub(in crate::config) place: Place,
    /// With line and column of the file.
    pub(in crate::config) message: String,
}

/// The documents of a text, and what is wrong with the others.
pub(in crate::config) fn parse(file: &Arc<Path>, text: &str) -> (Vec<Document>, Vec<SyntaxError>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut documents, mut errors, mut number) = (Vec::new(), Vec::new(), 0);
    for (lines_before, chunk) in chunks(text) {
        if is_empty(chunk) {
            number += usize::from(is_marker(chunk));
            continue;
        }
        for deserializer in serde_yaml::Deserializer::from_str(chunk) {
            number += 1;
            let place = Place { file: Arc::clone(file), document: number };
            match value(deserializer, 2 * chunk.len() + ALIAS_BYTES) {
                Ok(Value::Null) => {}
                Ok(value) => documents.push(Document { place, value }),
                Err(error) => {
                    errors.push(SyntaxError { place, message: shift(&error.to_string(), lines_before) });
                    // libyaml cannot resume behind an error.
                    break;
                }
            }
        }
    }
    (documents, errors)
}

/// Splits before every line that starts a document, with the number of lines in front.
///
/// YAML forbids `---` at the start of a line inside any scalar, so lines are enough to go by.
fn chunks(text: &str) -> Vec<(usize, &str)> {
    let (mut chunks, mut start, mut start_line, mut offset) = (Vec::new(), 0, 0, 0);
    for (line_number, line) in text.split_inclusive('\n').enumerate() {
        if is_marker(line) && offset > start {
            chunks.push((start_line, &text[start..offset]));
            (start, start_line) = (offset, line_number);
        }
        offset += line.len();
    }
    chunks.push((start_line, &text[start..]));
    chunks
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Only comments, markers and directives; those belong to the document behind them.
fn is_empty(chunk: &str) -> bool {
    chunk.lines().all(|line| {
        let line = line.strip_prefix("---").filter(|_| is_marker(line)).unwrap_or(line);
        let content = line.trim();
        content.is_empty() || content.starts_with('#') || line.starts_with('%') || content == "..."
    })
}

fn value(deserializer: serde_yaml::Deserializer<'_>, budget: usize) -> Result<Value, serde_yaml::Error> {
    let budget = Cell::new(budget);
    let mut value = Bounded(&budget).deserialize(deserializer)?;
    value.apply_merge()?;
    Ok(value)
}

/// Adds the lines in front of the chunk to each line number the parser names.
fn shift(message: &str, lines_before: usize) -> String {
    const LINE: &str = " line ";
    let mut pieces = message.split(LINE);
    let mut shifted = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let line = piece[..digits].parse::<usize>().map(|line| (line + lines_before).to_string());
        shifted.push_str(LINE);
        shifted.push_str(line.as_deref().unwrap_or_default());
        shifted.push_str(&piece[digits..]);
    }
    shifted
}

/// Builds a [`Value`] as long as its size stays within what is left.
#[derive(Clone, Copy)]
struct Bounded<'b>(&'b Cell<usize>);

impl Bounded<'_> {
    fn spend<E: serde::de::Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(bytes + 1);
        self.0.set(left.ok_or_else(|| E::custom("aliases (*) copy too much; write the values out"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain YAML value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.spend(0).map(|()| value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.spend(0).map(|()| value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.spend(0).map(|()| value.into())
    }

    // A Value holds no such number, and no field takes one; as text it is found fault with where it stands.
    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Value, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Value, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.spend(0).map(|()| value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.spend(value.len()).map(|()| value.into())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.spend(0).map(|()| Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.spend(0)?;
        let mut sequence = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            sequence.push(item);
        }
        Ok(Value::Sequence(sequence))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.spend(0)?;
        let mut mapping = Mapping::new();
        while let Some(key) = entries.next_key_seed(self)? {
            let value = entries.next_value_seed(self)?;
            let name = super::fields::show(&key);
            if mapping.insert(key, value).is_some() {
                return Err(A::Error::custom(format_args!("the key {name} stands twice")));
            }
        }
        Ok(Value::Mapping(mapping))
    }
}
