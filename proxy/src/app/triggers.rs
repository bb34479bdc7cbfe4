//! What makes sluice read its configuration anew.

use std::io;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::watch::Watcher;

/// Watches for SIGHUP and for changes below `paths`; each comes with the word that tells it.
pub(super) fn start(paths: &[PathBuf]) -> io::Result<mpsc::Receiver<&'static str>> {
    let (sender, receiver) = mpsc::channel(4);
    let mut hangup = signal(SignalKind::hangup())?;
    let hangups = sender.clone();
    tokio::spawn(
        async move { while hangup.recv().await.is_some() && hangups.send("SIGHUP").await.is_ok() {} },
    );
    match Watcher::start(paths) {
        Ok(mut watcher) => {
            tokio::spawn(async move {
                loop {
                    watcher.changed().await;
                    if sender.send("files changed").await.is_err() {
                        return;
                    }
                }
            });
        }
        Err(error) => tracing::warn!("changes of files are not noticed, send SIGHUP: {error}"),
    }
    Ok(receiver)
}
