//! The content of one file, bounded.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::str::Utf8Error;

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
pub(in crate::config) enum ReadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("not a file")]
    NotAFile,
    #[error("is larger than {0} bytes; split it, or raise the setting max-file-size")]
    TooLarge(u64),
    #[error("is not UTF-8: {0}")]
    Encoding(#[from] Utf8Error),
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

/// Reads a file that is no text of ours, such as a certificate; what is no regular file is not waited for.
pub(in crate::config) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    if !fs::metadata(path)?.is_file() {
        return Err(ReadError::NotAFile);
    }
    bytes(File::open(path)?, limit)
}

fn text(source: impl Read, limit: u64) -> Result<String, ReadError> {
    // The error of String carries the bytes, which may be a key that was named by mistake.
    Ok(String::from_utf8(bytes(source, limit)?).map_err(|error| error.utf8_error())?)
}

fn bytes(source: impl Read, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(ReadError::TooLarge(limit));
    }
    Ok(bytes)
}
