//! Files of settings, one YAML mapping from names to values: read, and settings shown alike.

mod show;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::dialect::nearest;
pub use show::show;

/// Why a settings file says nothing.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFileError {
    /// It cannot be read at all.
    #[error("settings file {path}: {source}; name a file that can be read, or leave --settings out")]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no YAML, or a value is not what its key takes.
    #[error("settings file {path}: {source}")]
    Yaml {
        /// Which file.
        path: PathBuf,
        /// What and where; values say their own way out.
        source: serde_yaml::Error,
    },
    /// It is YAML, and not of keys and values.
    #[error("settings file {path}: not a mapping; write one `key: value` a line")]
    Shape {
        /// Which file.
        path: PathBuf,
    },
    /// A key that no setting has.
    #[error("settings file {path}{line}: unknown key `{key}`; {way_out}", line = at(*.line))]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// Where in it, from 1, as far as known.
        line: Option<usize>,
        /// The key.
        key: String,
        /// The nearest key there is, or where to find them all.
        way_out: String,
    },
}

/// Reads the file's one mapping; `known` names every key there is. An empty file says nothing.
///
/// # Errors
/// See [`SettingsFileError`].
pub fn read<T: DeserializeOwned + Default>(path: &Path, known: &[String]) -> Result<T, SettingsFileError> {
    let path_of = || path.to_path_buf();
    let text =
        fs::read_to_string(path).map_err(|source| SettingsFileError::Read { path: path_of(), source })?;
    let yaml = |source| SettingsFileError::Yaml { path: path_of(), source };
    let keys = match serde_yaml::from_str(&text).map_err(yaml)? {
        Value::Mapping(mapping) => mapping,
        Value::Null => return Ok(T::default()),
        _ => return Err(SettingsFileError::Shape { path: path_of() }),
    };
    for key in keys.keys() {
        let key = key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
        if !known.contains(&key) {
            let line = text.lines().position(|line| line.starts_with(&key)).map(|before| before + 1);
            let way_out = way_out(&key, known);
            return Err(SettingsFileError::UnknownKey { path: path_of(), line, key, way_out });
        }
    }
    // From the text again: errors then tell line and column.
    serde_yaml::from_str(&text).map_err(yaml)
}

fn way_out(key: &str, known: &[String]) -> String {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match nearest(key, &known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "config/sluice.yaml lists every key, and so does `sluice run --help`".to_owned(),
    }
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}
