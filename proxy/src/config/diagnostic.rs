//! What is wrong with a document, where, and the way out.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// How much a diagnostic takes away from what the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is lost; something about the document is worth knowing.
    Info,
    /// Served, though perhaps not as the author meant it.
    Warning,
    /// The resource, document or file is not served, or not as written.
    Error,
}

/// One finding about one place in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What it costs.
    pub severity: Severity,
    /// The file, or `-` for standard input.
    pub file: PathBuf,
    /// Which YAML document of the file, from 1; 0 where the file as a whole is meant.
    pub document: usize,
    /// `kind namespace/name`, as far as known; else empty.
    pub resource: String,
    /// Dotted path of the field, such as `spec.circuit_breakers[0].priority`; else empty.
    pub field: String,
    /// What is wrong, naming the value, and the way out.
    pub message: String,
    /// Whether the resource (or file) named is left out of what is served.
    pub discarded: bool,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.document > 0 {
            write!(f, "#{}", self.document)?;
        }
        for part in [&self.resource, &self.field] {
            if !part.is_empty() {
                write!(f, ": {part}")?;
            }
        }
        write!(f, ": {}", self.message)
    }
}

impl Diagnostic {
    /// Writes the finding to the log, at the level of its severity.
    pub fn log(&self) {
        match self.severity {
            Severity::Info => tracing::info!("{self}"),
            Severity::Warning => tracing::warn!("{self}"),
            Severity::Error => tracing::error!("{self}"),
        }
    }
}
