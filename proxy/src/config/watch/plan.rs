//! Which folders to watch so that no change of a path goes unnoticed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::config::source::{STDIN, is_configuration};

/// As many symlinks as the kernel follows.
const LINKS: usize = 40;

/// Folders, and what in them matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan(BTreeMap<PathBuf, Interest>);

/// What matters in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Interest {
    /// Everything that may be configuration.
    content: bool,
    names: BTreeSet<OsString>,
}

impl Plan {
    /// Looks at the paths as they are now.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut plan = Self::default();
        for path in paths.iter().filter(|path| *path != Path::new(STDIN)) {
            let Ok(path) = std::path::absolute(path) else {
                continue;
            };
            plan.follow(&path, LINKS);
            // Under one name each: inotify reports a folder's changes under the last name it was given.
            let entries = path.canonicalize().and_then(|path| Ok((fs::read_dir(&path)?, path)));
            let Ok((entries, path)) = entries else {
                continue;
            };
            plan.0.entry(path).or_default().content = true;
            for entry in entries.flatten().map(|entry| entry.path()).filter(|entry| entry.is_symlink()) {
                plan.follow(&entry, LINKS);
            }
        }
        plan
    }

    /// The folders to watch.
    pub(super) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// Whether a change of one of these paths may change configuration.
    pub(super) fn concerns(&self, paths: &[PathBuf]) -> bool {
        paths.iter().any(|path| {
            // A watched folder itself: removed, renamed, or its permissions changed.
            self.0.contains_key(path)
                || path.parent().zip(path.file_name()).is_some_and(|(parent, name)| {
                    self.0.get(parent).is_some_and(|interest| interest.covers(name))
                })
        })
    }

    /// Watches every step on the way to a path that could be taken elsewhere: the path's own name, the
    /// symlinks among its folders, and the first folder that is missing.
    fn follow(&mut self, path: &Path, links: usize) {
        let mut at = PathBuf::new();
        let mut components = path.components();
        while let Some(component) = components.next() {
            let Component::Normal(name) = component else {
                // Every link in front is resolved, so the parent is the one that is meant.
                match component {
                    Component::ParentDir => drop(at.pop()),
                    other => at.push(other),
                }
                continue;
            };
            let parent = at.clone();
            at.push(name);
            let rest = components.as_path();
            match at.read_link() {
                Ok(target) if links > 0 => {
                    self.name(&parent, name);
                    return self.follow(&parent.join(target).join(rest), links - 1);
                }
                _ if rest.as_os_str().is_empty() || !at.exists() => return self.name(&parent, name),
                _ => {}
            }
        }
    }

    fn name(&mut self, folder: &Path, name: &OsStr) {
        self.0.entry(folder.to_path_buf()).or_default().names.insert(name.to_owned());
    }
}

impl Interest {
    fn covers(&self, name: &OsStr) -> bool {
        // `..data` is what a ConfigMap swaps.
        let swapped = || name.as_encoded_bytes().starts_with(b"..");
        self.names.contains(name) || (self.content && (swapped() || is_configuration(Path::new(name))))
    }
}
