//! The kernel program's own lines, forwarded to tracing.

use std::sync::Arc;

use aya_log::EbpfLogger;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::datapath::{Datapath, LoadError};

/// Forwards aya-log records until dropped. They arrive as `log` records, which
/// tracing-subscriber's bridge turns into events of target `sluice_ebpf`.
///
/// # Errors
/// The object was loaded without log support, or its ring is gone.
pub async fn forward(datapath: Arc<Datapath>) -> Result<(), LoadError> {
    let logger = datapath.logger()?;
    // SAFETY: the logger owns its ring's descriptor for as long as it lives.
    let mut logger = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) }
        .map_err(|e| LoadError::Setup { what: "the log ring", source: e.into() })?;
    loop {
        let mut ready = logger
            .readable_mut()
            .await
            .map_err(|source| LoadError::Setup { what: "the log ring", source })?;
        ready.get_inner_mut().flush();
        ready.clear_ready();
    }
}

/// What reads the records.
pub(super) type Logger = EbpfLogger<&'static dyn log::Log>;
