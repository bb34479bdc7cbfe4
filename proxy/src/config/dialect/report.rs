//! Collects what is found about one resource, all at once.

use std::cell::RefCell;
use std::fmt::{self, Display};
use std::path::Path;
use std::sync::Arc;

use crate::config::diagnostic::{Diagnostic, Severity};

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Place {
    /// The file, or `-`.
    pub(in crate::config) file: Arc<Path>,
    /// Which document of it, from 1; 0 is the file as a whole.
    pub(in crate::config) document: usize,
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.document {
            0 => write!(f, "{}", self.file.display()),
            document => write!(f, "{}#{document}", self.file.display()),
        }
    }
}

impl Place {
    /// Sorts what stands first in the files first.
    pub(super) fn rank(&self) -> (&Path, usize) {
        (&self.file, self.document)
    }

    /// A finding about this place.
    pub(in crate::config) fn diagnostic(&self, severity: Severity, message: impl Display) -> Diagnostic {
        Diagnostic {
            severity,
            file: self.file.to_path_buf(),
            document: self.document,
            resource: String::new(),
            field: String::new(),
            message: message.to_string(),
            discarded: false,
        }
    }
}

/// The findings about one resource.
#[derive(Debug)]
pub(super) struct Report {
    place: Place,
    resource: String,
    noun: &'static str,
    found: RefCell<Vec<Diagnostic>>,
}

impl Report {
    /// `noun` is what a message calls the resource: "the mapping is discarded".
    pub(super) fn new(place: Place, resource: String, noun: &'static str) -> Self {
        Self { place, resource, noun, found: RefCell::default() }
    }

    /// The resource must not be served.
    pub(super) fn discard(&self, field: impl Into<String>, message: impl Display) {
        let message = format!("{message}; the {} is discarded", self.noun);
        self.push(Severity::Error, field.into(), message, true);
    }

    /// Another of the same kind, namespace and name counts in its stead.
    pub(super) fn replaced_by(&self, place: &Place) {
        self.discard(
            "",
            format!(
                "the same kind, namespace and name stands again in {place}, which replaces this one; \
                 rename one of them"
            ),
        );
    }

    /// Wrong, but served all the same.
    pub(super) fn error(&self, field: impl Into<String>, message: impl Display) {
        self.push(Severity::Error, field.into(), message.to_string(), false);
    }

    /// Served, though perhaps not as meant.
    pub(super) fn warn(&self, field: impl Into<String>, message: impl Display) {
        self.push(Severity::Warning, field.into(), message.to_string(), false);
    }

    /// Drops what is no error: nothing comes of the resource, so nobody wants to know.
    pub(super) fn keep_errors(&self) {
        self.found.borrow_mut().retain(|finding| finding.severity == Severity::Error);
    }

    /// Worth knowing.
    pub(super) fn info(&self, field: impl Into<String>, message: impl Display) {
        self.push(Severity::Info, field.into(), message.to_string(), false);
    }

    /// Whether anything found so far discards the resource.
    pub(super) fn failed(&self) -> bool {
        self.found.borrow().iter().any(|finding| finding.discarded)
    }

    /// Where the resource stands.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// `kind namespace/name` as far as known.
    pub(super) fn resource(&self) -> &str {
        &self.resource
    }

    /// The resource and where it stands, as findings about others name it.
    pub(super) fn whereabouts(&self) -> String {
        format!("{} ({})", self.resource, self.place)
    }

    /// Ends the collection.
    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }

    fn push(&self, severity: Severity, field: String, message: String, discarded: bool) {
        let resource = self.resource.clone();
        let finding = Diagnostic { resource, field, discarded, ..self.place.diagnostic(severity, message) };
        self.found.borrow_mut().push(finding);
    }
}
