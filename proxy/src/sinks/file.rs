//! Lines to the end of a file (Kong's file-log).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::error::SinkError;
use super::outlet::joined;

/// A file that lines are appended to.
#[derive(Debug)]
pub(super) struct FileOutlet {
    path: Arc<PathBuf>,
    /// For all that is written at a time.
    reopen: bool,
    file: Option<File>,
    /// The file's last line is not whole: a pipe took a part of it.
    torn: bool,
}

impl FileOutlet {
    pub(super) fn new(path: &Path, reopen: bool) -> Self {
        Self { path: Arc::new(path.to_owned()), reopen, file: None, torn: false }
    }

    pub(super) async fn write(&mut self, lines: &[Arc<str>]) -> Result<(), SinkError> {
        let (path, file) = (Arc::clone(&self.path), self.file.take());
        let mut bytes = joined(lines);
        if self.torn {
            // So that readers lose one line, and not the next one too.
            bytes.insert(0, b'\n');
        }
        let written = spawn_blocking(move || append(&path, file, &bytes)).await;
        // A task that panicked has been told by its hook.
        let (file, written) = written.unwrap_or_else(|panic| (None, Err((io::Error::other(panic), false))));
        self.file = file.filter(|_| !self.reopen);
        self.torn = matches!(written, Err((_, true)));
        written.map_err(|(source, _torn)| SinkError::File { path: self.path.to_path_buf(), source })
    }
}

/// The file, and what became of the bytes: an error, and whether a part of a line was written before.
type Appended = (Option<File>, Result<(), (io::Error, bool)>);

fn append(path: &Path, file: Option<File>, bytes: &[u8]) -> Appended {
    let opened = match file {
        Some(file) => Ok(file),
        None => open(path),
    };
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => return (None, Err((error, false))),
    };
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let torn = written > 0 && bytes[written - 1] != b'\n';
                return (Some(file), Err((error, torn)));
            }
        }
    }
    (Some(file), Ok(()))
}

/// A pipe that nobody reads is an error, not a thread that stands still for ever; `/dev/stdout` may be one.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o644).custom_flags(libc::O_NONBLOCK).open(path)
}
