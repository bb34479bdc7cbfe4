//! Tells when files that configuration is made of have changed.

mod plan;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use self::plan::Plan;

/// A change is over when nothing happened for this long.
const QUIET: Duration = Duration::from_millis(100);
/// A change that never ends is taken up after this long.
const LONGEST: Duration = Duration::from_secs(1);
/// Folders that appear while watches are set need another look; an endless race does not.
const LOOKS: usize = 8;

/// Watches paths, whether they exist yet or not.
#[derive(Debug)]
pub struct Watcher {
    paths: Vec<PathBuf>,
    inotify: RecommendedWatcher,
    shared: Arc<Shared>,
    watched: BTreeSet<PathBuf>,
    /// A change was seen that `changed` has not returned for.
    pending: bool,
}

/// Why files cannot be watched. Reloading by signal still works.
#[derive(Debug, Error)]
pub enum WatchError {
    /// No inotify instance.
    #[error("inotify is not available; send SIGHUP after a change")]
    Unavailable(#[source] notify::Error),
    /// No watch on a directory.
    #[error("{0:?} cannot be watched (see fs.inotify.max_user_watches); send SIGHUP after a change")]
    Directory(PathBuf, #[source] notify::Error),
}

/// What the inotify thread and the watcher share.
#[derive(Debug, Default)]
struct Shared {
    plan: Mutex<Plan>,
    /// Followed besides the paths.
    more: Mutex<Vec<PathBuf>>,
    changed: Notify,
}

/// Has a running watcher follow the files that the configuration names.
#[derive(Debug, Clone)]
pub struct Following(Arc<Shared>);

impl Following {
    /// Replaces the files that are followed besides the paths. One that is new is reported as changed once:
    /// between its reading and this, nobody looked.
    pub fn set(&self, files: &[PathBuf]) {
        let mut more = self.0.more.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = files.iter().any(|file| !more.contains(file));
        *more = files.to_vec();
        if is_new {
            self.0.changed.notify_one();
        }
    }
}

impl Watcher {
    /// Starts to watch the paths, and `files` as [`Following::set`] would. Changes from here on are reported.
    pub fn start(paths: &[PathBuf], files: &[PathBuf]) -> Result<Self, WatchError> {
        let shared = Arc::new(Shared { more: Mutex::new(files.to_vec()), ..Shared::default() });
        let handler = Arc::clone(&shared);
        let inotify = notify::recommended_watcher(move |event| handler.note(event));
        let inotify = inotify.map_err(WatchError::Unavailable)?;
        let watched = BTreeSet::new();
        let mut watcher = Self { paths: paths.to_vec(), inotify, shared, watched, pending: false };
        watcher.renew()?;
        Ok(watcher)
    }

    /// The handle by which more files are followed.
    pub fn following(&self) -> Following {
        Following(Arc::clone(&self.shared))
    }

    /// Waits for a change, and for it to be over. Cancelling loses nothing.
    pub async fn changed(&mut self) {
        if !self.pending {
            self.shared.changed.notified().await;
            self.pending = true;
        }
        let deadline = Instant::now() + LONGEST;
        loop {
            let quiet = deadline.min(Instant::now() + QUIET);
            let over = timeout_at(quiet, self.shared.changed.notified()).await.is_err();
            if over || Instant::now() >= deadline {
                break;
            }
        }
        // Before the caller reads: what changes behind the new watches is either read or reported.
        if let Err(error) = self.renew() {
            tracing::warn!(error = %error, "some changes of the configuration will go unnoticed");
        }
        self.pending = false;
    }

    /// Follows the paths as they are now; folders may have been replaced under the same name.
    fn renew(&mut self) -> Result<(), WatchError> {
        let mut paths = self.paths.clone();
        paths.extend(self.shared.more.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        let mut plan = Plan::of(&paths);
        for _ in 0..LOOKS {
            self.watch(&plan)?;
            let again = Plan::of(&paths);
            if again == plan {
                break;
            }
            plan = again;
        }
        Ok(())
    }

    fn watch(&mut self, plan: &Plan) -> Result<(), WatchError> {
        *self.shared.plan() = plan.clone();
        let wanted: BTreeSet<PathBuf> = plan.directories().map(Path::to_path_buf).collect();
        for gone in self.watched.difference(&wanted) {
            // The kernel drops the watch of a deleted folder by itself.
            let _ = self.inotify.unwatch(gone);
        }
        self.watched.retain(|directory| wanted.contains(directory));
        for directory in wanted {
            match self.inotify.watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(directory);
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(WatchError::Directory(directory, error)),
            }
        }
        Ok(())
    }
}

impl Shared {
    fn note(&self, event: notify::Result<Event>) {
        let concerns = match &event {
            // An event may have been lost, this one for instance.
            Err(_) => true,
            Ok(event) => event.need_rescan() || (is_change(event.kind) && self.plan().concerns(&event.paths)),
        };
        if concerns {
            self.changed.notify_one();
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opening and reading, which a load does itself, are no changes.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// The folder vanished since it was looked for; the next look finds its parent.
fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}
