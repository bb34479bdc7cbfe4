//! What the app says of itself, for those who ask.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::load::Loaded;
use crate::config::settings::Settings;

/// Where in its life the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is served yet.
    Starting,
    /// Connections are accepted.
    Serving,
    /// Connections are no longer accepted; open ones go on.
    Draining,
}

/// The app's account of itself, kept up by the app.
#[derive(Debug)]
pub struct State {
    settings: Settings,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    phase: Phase,
    loaded: Option<Arc<Loaded>>,
    kernel: Option<bool>,
}

impl State {
    /// The account of a process that is starting.
    #[must_use]
    pub fn new(settings: Settings) -> Arc<Self> {
        let now = Mutex::new(Now { phase: Phase::Starting, loaded: None, kernel: None });
        Arc::new(Self { settings, now })
    }

    /// A configuration went into service.
    pub fn serving(&self, loaded: Loaded) {
        let mut now = self.now();
        now.loaded = Some(Arc::new(loaded));
        if now.phase == Phase::Starting {
            now.phase = Phase::Serving;
        }
    }

    /// Connections are no longer accepted.
    pub fn draining(&self) {
        self.now().phase = Phase::Draining;
    }

    /// There is a kernel relay, and it is on or off.
    pub fn kernel_relay(&self, on: bool) {
        self.now().kernel = Some(on);
    }

    /// Where in its life the process is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.now().phase
    }

    /// The settings the process started with.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What was loaded last.
    pub(super) fn loaded(&self) -> Option<Arc<Loaded>> {
        self.now().loaded.as_ref().map(Arc::clone)
    }

    /// Whether the kernel relay is on; `None` where there is none.
    pub(super) fn kernel(&self) -> Option<bool> {
        self.now().kernel
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    /// The word for answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }
}
