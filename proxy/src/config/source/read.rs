//! The text of one file, bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::string::FromUtf8Error;

use thiserror::Error;

use super::STDIN;

/// The text, and whether it can be had again.
#[derive(Debug)]
pub(super) enum Content {
    File(String),
    /// Standard input, or a pipe such as a shell's `<(…)`.
    Stream(String),
}

/// Why a file has no text.
#[derive(Debug, Error)]
pub(super) enum ReadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("is larger than {0} bytes; split it, or raise the setting limits.file_bytes")]
    TooLarge(u64),
    #[error("is not UTF-8: {0}")]
    Encoding(#[from] FromUtf8Error),
}

/// Reads a file to its end, as long as that comes within the limit.
pub(super) fn read(path: &Path, limit: u64) -> Result<Content, ReadError> {
    if path == Path::new(STDIN) {
        return text(io::stdin().lock(), limit).map(Content::Stream);
    }
    let file = File::open(path)?;
    if file.metadata()?.is_file() {
        text(file, limit).map(Content::File)
    } else {
        text(file, limit).map(Content::Stream)
    }
}

fn text(source: impl Read, limit: u64) -> Result<String, ReadError> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(ReadError::TooLarge(limit));
    }
    Ok(String::from_utf8(bytes)?)
}
