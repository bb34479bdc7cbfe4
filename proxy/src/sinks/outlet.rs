//! What lines are written to, whichever kind it is.

use std::sync::Arc;
use std::time::Duration;

use super::error::SinkError;
use super::file::FileOutlet;
use super::http::HttpOutlet;
use super::tcp::TcpOutlet;
use crate::config::model::LogDestination;
use crate::tls::Contexts;

/// Lines that go at a time where each is for itself.
const AT_A_TIME: usize = 256;

/// What lines are written to.
#[derive(Debug)]
pub(super) enum Outlet {
    Tcp(TcpOutlet),
    File(FileOutlet),
    Http(HttpOutlet),
}

impl Outlet {
    /// Not connected, and not open yet.
    pub(super) fn new(destination: &LogDestination, timeout: Duration, contexts: &Contexts) -> Self {
        match destination {
            LogDestination::Tcp { service, tls, keepalive } => {
                Self::Tcp(TcpOutlet::new(service, tls.as_ref(), contexts, timeout, *keepalive))
            }
            LogDestination::File { path, reopen } => Self::File(FileOutlet::new(path, *reopen)),
            LogDestination::Http(request) => Self::Http(HttpOutlet::new(request, contexts, timeout)),
        }
    }

    /// How many lines it takes at a time, of `wanted`.
    pub(super) fn capacity(&self, wanted: usize) -> usize {
        match self {
            Self::Http(_) => wanted,
            // Whoever reads sees no difference.
            Self::Tcp(_) | Self::File(_) => AT_A_TIME,
        }
    }

    /// Writes lines. After an error they can be written again: some may arrive twice, none half.
    pub(super) async fn write(&mut self, lines: &[Arc<str>], array: bool) -> Result<(), SinkError> {
        match self {
            Self::Tcp(outlet) => outlet.write(lines).await,
            Self::File(outlet) => outlet.write(lines).await,
            Self::Http(outlet) => outlet.write(lines, array).await,
        }
    }

    /// Looks after what is open while there is nothing to write: returns once it has been closed, and never where
    /// nothing is open.
    pub(super) async fn rest(&mut self) {
        match self {
            Self::Tcp(outlet) => outlet.rest().await,
            Self::File(_) => std::future::pending().await,
            Self::Http(outlet) => outlet.rest().await,
        }
    }
}

/// Lines with a newline behind each.
pub(super) fn joined(lines: &[Arc<str>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for line in lines {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}
