//! Which files a path stands for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::STDIN;

/// What a path turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Listing {
    File,
    Directory {
        /// Sorted by name.
        files: Vec<PathBuf>,
        /// Folders in it, which are not entered.
        folders: Vec<PathBuf>,
    },
}

/// Looks at a path; hidden names stay out, which is what keeps a ConfigMap's `..data` from being read twice.
pub(super) fn list(path: &Path) -> io::Result<Listing> {
    if path == Path::new(STDIN) || !fs::metadata(path)?.is_dir() {
        return Ok(Listing::File);
    }
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        if entry.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        // Follows symlinks; a dangling one is a file that will be found unreadable.
        match fs::metadata(&entry) {
            Ok(metadata) if metadata.is_dir() => folders.push(entry),
            Ok(metadata) if !metadata.is_file() => {}
            _ if is_configuration(&entry) => files.push(entry),
            _ => {}
        }
    }
    files.sort();
    folders.sort();
    Ok(Listing::Directory { files, folders })
}

/// Whether a file of a directory is taken for configuration.
pub(in crate::config) fn is_configuration(file: &Path) -> bool {
    file.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}
