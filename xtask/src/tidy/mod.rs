//! `cargo xtask tidy`: the rules of the architecture that no compiler checks.

mod layout;
mod rooms;
mod source;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::cmd;
use source::Source;

/// One breach of one rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// Relative to the repository.
    file: String,
    /// From 1; 0 where the file as a whole is meant.
    line: usize,
    /// What is wrong and why that matters.
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// Prints every breach; any is an error.
pub(crate) fn run() -> Result<()> {
    let root = cmd::root();
    let mut findings = layout::top_level(&names(&root)?);
    let mut files = Vec::new();
    for folder in ["config", "proxy", "proxy-common", "proxy-ebpf", "tests", "xtask"] {
        collect(&root, &root.join(folder), &mut files)?;
    }
    findings.extend(layout::unreachable(&files));
    for file in &files {
        findings.extend(words::check(file));
        findings.extend(rooms::check(file));
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    ensure!(findings.is_empty(), "tidy: {} findings", findings.len());
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Reads every text that somebody edits, in order of path.
fn collect(root: &Path, folder: &Path, files: &mut Vec<Source>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for name in names(folder)? {
        let path = folder.join(name);
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path
            .extension()
            .is_some_and(|e| ["rs", "toml", "yaml", "yml", "md", "sh", "py"].iter().any(|k| e == *k))
        {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let relative = path.strip_prefix(root).unwrap_or(&path);
            files.push(Source::new(&relative.to_string_lossy(), &text));
        }
    }
    Ok(())
}
