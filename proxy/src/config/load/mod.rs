//! Everything from paths to a proven configuration, as often as it changes.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::path::PathBuf;

use super::diagnostic::Diagnostic;
use super::dialect;
use super::inventory::Inventory;
use super::material::Files;
use super::model::{Config, ResourceStatus};
use super::settings::Settings;
use super::source::Sources;

/// Loads the configured paths, and remembers what was last good in each file. Lives as long as the process.
#[derive(Debug)]
pub struct Loader {
    settings: Settings,
    sources: Sources,
    material: RefCell<Files>,
}

/// What a load found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What is to be served.
    pub config: Config,
    /// Everything worth saying, by file and document.
    pub diagnostics: Vec<Diagnostic>,
    /// What controllers would write beside the resources, for dialects that have such a place.
    pub statuses: Vec<ResourceStatus>,
    /// The files read, in order; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// The certificates, keys and revocation lists that they name, sorted, readable or not.
    pub material: Vec<PathBuf>,
    /// Resources seen, served or not.
    pub resources: usize,
    /// What they were taken for, and what nobody recognised.
    pub inventory: Inventory,
}

impl Loader {
    /// A loader with an empty memory.
    pub fn new(settings: &Settings) -> Self {
        Self { settings: settings.clone(), sources: Sources::default(), material: RefCell::default() }
    }

    /// Reads all paths anew. Blocks on the file system, and the first time on standard input if that is a path.
    pub fn load(&mut self) -> Loaded {
        let limit = self.settings.limits.file_bytes;
        let reading = self.sources.read(&self.settings.paths, limit);
        let documents = reading.documents.iter().flat_map(|documents| documents.iter());
        self.material.get_mut().begin(limit);
        let lowered = dialect::lower(documents, &self.material, &self.settings);
        let material = self.material.get_mut().end();
        let mut diagnostics = reading.diagnostics;
        let dialect::Lowered { config, diagnostics: found, statuses, resources, mut inventory } = lowered;
        // What is no YAML is told of a document, and what cannot be read of its file.
        for _ in diagnostics.iter().filter(|finding| finding.document > 0) {
            inventory.wonder("document that is no YAML");
        }
        diagnostics.extend(found);
        diagnostics.sort_by(|a, b| (&a.file, a.document).cmp(&(&b.file, b.document)));
        Loaded { config, diagnostics, statuses, files: reading.files, material, resources, inventory }
    }
}
