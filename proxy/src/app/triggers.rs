//! What makes sluice read its configuration anew.

use std::io;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::watch::{Following, Watcher};

/// The reasons to read the configuration anew, as they come.
pub(super) struct Triggers {
    reasons: mpsc::Receiver<&'static str>,
    /// `None` where changes of files go unnoticed.
    following: Option<Following>,
}

impl Triggers {
    /// The next reason, in a word that tells it.
    pub(super) async fn next(&mut self) -> Option<&'static str> {
        self.reasons.recv().await
    }

    /// Takes these for the files that the configuration names.
    pub(super) fn follow(&self, files: &[PathBuf]) {
        if let Some(following) = &self.following {
            following.set(files);
        }
    }
}

/// Watches for SIGHUP, and for changes below `paths` and of `files`.
pub(super) fn start(paths: &[PathBuf], files: &[PathBuf]) -> io::Result<Triggers> {
    let (sender, receiver) = mpsc::channel(4);
    let mut hangup = signal(SignalKind::hangup())?;
    let hangups = sender.clone();
    tokio::spawn(
        async move { while hangup.recv().await.is_some() && hangups.send("SIGHUP").await.is_ok() {} },
    );
    let following = match Watcher::start(paths, files) {
        Ok(mut watcher) => {
            let following = watcher.following();
            tokio::spawn(async move {
                loop {
                    watcher.changed().await;
                    if sender.send("files changed").await.is_err() {
                        return;
                    }
                }
            });
            Some(following)
        }
        Err(error) => {
            tracing::warn!("changes of files are not noticed, send SIGHUP: {error}");
            None
        }
    };
    Ok(Triggers { reasons: receiver, following })
}
