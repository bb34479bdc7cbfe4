//! Reads the files that configuration is made of, and remembers what was last good in each.

mod list;
mod read;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::list::is_configuration;
pub(super) use self::read::{ReadError, read_bytes};

use self::list::Listing;
use self::read::Content;
use super::diagnostic::{Diagnostic, Severity};
use super::dialect::{Document, Place, parse};

/// Stands for standard input.
pub(super) const STDIN: &str = "-";

/// The memory behind repeated reads of the same paths.
#[derive(Default)]
pub(super) struct Sources {
    /// Of each file, the documents of its last reading without a flaw.
    good: HashMap<PathBuf, Arc<Vec<Document>>>,
    /// What can be read only once: standard input and pipes.
    once: HashMap<PathBuf, String>,
    /// Of each directory, the files of its last successful listing.
    listed: HashMap<PathBuf, Vec<PathBuf>>,
}

/// The outcome of one reading.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// In the order read.
    pub(super) files: Vec<PathBuf>,
    pub(super) documents: Vec<Arc<Vec<Document>>>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl fmt::Debug for Sources {
    // Never the content, which may be a Secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("files", &self.good.keys()).finish_non_exhaustive()
    }
}

impl Sources {
    /// Reads everything that the paths name; files that are gone from a directory are forgotten.
    pub(super) fn read(&mut self, paths: &[PathBuf], limit: u64) -> Reading {
        let mut reading = Reading::default();
        let (mut files, mut seen) = (Vec::new(), HashSet::new());
        for path in paths {
            for file in self.files_of(path, &mut reading.diagnostics) {
                // A file reached twice would only be found to repeat itself.
                if seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())) {
                    files.push(file);
                }
            }
        }
        for file in &files {
            let documents = self.read_file(file, limit, &mut reading.diagnostics);
            reading.documents.push(documents);
        }
        let current: HashSet<&PathBuf> = files.iter().collect();
        self.good.retain(|file, _| current.contains(file));
        reading.files = files;
        reading
    }

    fn files_of(&mut self, path: &Path, found: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
        match list::list(path) {
            Ok(Listing::File) => vec![path.to_path_buf()],
            Ok(Listing::Directory { files, folders }) => {
                if files.is_empty() {
                    found.push(about(path, Severity::Warning, "holds no *.yaml, *.yml or *.json".to_owned()));
                }
                for folder in folders {
                    let message = "is not read: name it as a path of its own to have its files".to_owned();
                    found.push(about(&folder, Severity::Info, message));
                }
                self.listed.insert(path.to_path_buf(), files.clone());
                files
            }
            Err(error) => match self.listed.get(path) {
                Some(files) => {
                    let message = format!("{error}; the files last seen in it stay");
                    found.push(about(path, Severity::Error, message));
                    files.clone()
                }
                None if path.is_dir() => {
                    let message = format!("{error}; the directory is discarded");
                    found.push(Diagnostic { discarded: true, ..about(path, Severity::Error, message) });
                    Vec::new()
                }
                // Reading the file will say what is wrong, and know its last good content.
                None => vec![path.to_path_buf()],
            },
        }
    }

    fn read_file(&mut self, file: &Path, limit: u64, found: &mut Vec<Diagnostic>) -> Arc<Vec<Document>> {
        let text = match self.text(file, limit) {
            Ok(text) => text,
            Err(error) => return self.fall_back(file, Arc::default(), vec![failure(file, &error)], found),
        };
        let shared: Arc<Path> = file.into();
        let (documents, errors) = parse(&shared, &text);
        let documents = Arc::new(documents);
        if errors.is_empty() {
            if documents.is_empty() {
                found.push(about(file, Severity::Warning, "holds no document".to_owned()));
            }
            self.good.insert(file.to_path_buf(), Arc::clone(&documents));
            return documents;
        }
        let errors = errors
            .into_iter()
            .map(|error| Diagnostic {
                discarded: true,
                ..error.place.diagnostic(Severity::Error, error.message)
            })
            .collect();
        self.fall_back(file, documents, errors, found)
    }

    /// The last good content stays as a whole: a file half written must not take its mappings along.
    fn fall_back(
        &self,
        file: &Path,
        intact: Arc<Vec<Document>>,
        errors: Vec<Diagnostic>,
        found: &mut Vec<Diagnostic>,
    ) -> Arc<Vec<Document>> {
        let good = self.good.get(file);
        found.extend(errors.into_iter().map(|error| {
            let fate = match (good, error.document) {
                (Some(_), _) => "the file's last good content stays",
                (None, 0) => "the file is discarded",
                (None, _) => "the document is discarded",
            };
            Diagnostic { message: format!("{}; {fate}", error.message), ..error }
        }));
        good.map_or(intact, Arc::clone)
    }

    fn text(&mut self, file: &Path, limit: u64) -> Result<String, ReadError> {
        if let Some(text) = self.once.get(file) {
            return Ok(text.clone());
        }
        match read::read(file, limit)? {
            Content::File(text) => Ok(text),
            Content::Stream(text) => {
                self.once.insert(file.to_path_buf(), text.clone());
                Ok(text)
            }
        }
    }
}

fn failure(file: &Path, error: &ReadError) -> Diagnostic {
    Diagnostic { discarded: true, ..about(file, Severity::Error, error.to_string()) }
}

fn about(path: &Path, severity: Severity, message: String) -> Diagnostic {
    Place { file: path.into(), document: 0 }.diagnostic(severity, message)
}
