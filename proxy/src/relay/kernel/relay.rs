//! The kernel relay as the rest of sluice sees it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::super::{Step, Terms};
use super::offload::{Declined, Offloaded, Window, offload};
use super::run::{progress, run};
use super::selftest::{SelfTestError, self_test};
use crate::config::settings;
use crate::ebpf::{Datapath, LoadError, MappingSlot, default_limit, forward_log};
use crate::telemetry::{CloseReason, KernelStats, Progress};

/// Why there is no kernel relay.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The settings say so.
    #[error("switched off by the settings")]
    SwitchedOff,
    /// The kernel or its privileges did not allow it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It loaded, and then did not relay every byte.
    #[error("the kernel relay failed its self-test")]
    SelfTest(#[from] SelfTestError),
}

impl Unavailable {
    /// What was not achieved; `None` where it was not tried.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        match self {
            Self::SwitchedOff => None,
            Self::Load(LoadError::Attach(_)) => Some(Step::Attach),
            Self::Load(_) => Some(Step::Load),
            Self::SelfTest(SelfTestError::Declined(_)) => Some(Step::Insert),
            Self::SelfTest(_) => Some(Step::Relay),
        }
    }
}

/// The loaded and tested kernel relay.
#[derive(Debug)]
pub struct KernelRelay {
    datapath: Arc<Datapath>,
    window: Window,
    on: AtomicBool,
}

/// A mapping's place in the kernel's tables.
pub type MappingState = MappingSlot;

impl KernelRelay {
    /// Loads the program with room for `connections`, and proves that it works here.
    ///
    /// # Errors
    /// Why this kernel, these privileges or the settings give none.
    pub async fn start(
        settings: &settings::Kernel,
        connections: u32,
        log: bool,
    ) -> Result<Self, Unavailable> {
        if !settings.enabled {
            return Err(Unavailable::SwitchedOff);
        }
        let budget = if settings.budget == 0 { default_limit() } else { settings.budget };
        // The self-test's own pairs come on top.
        let (datapath, reactor) = Datapath::load(connections + 8, budget, log)?;
        tokio::spawn(async move {
            if let Err(error) = reactor.run().await {
                tracing::error!(%error, "the kernel relay's reactor stopped");
            }
        });
        if log {
            datapath.mappings().log_all(true).map_err(|e| LoadError::Load(e.into()))?;
            let datapath = Arc::clone(&datapath);
            tokio::spawn(async move {
                if let Err(error) = forward_log(datapath).await {
                    tracing::warn!(%error, "the kernel program's log is not forwarded");
                }
            });
        }
        let window = Window { start: settings.window_start.into(), max: settings.window_max.into() };
        self_test(&datapath, window).await?;
        Ok(Self { datapath, window, on: AtomicBool::new(true) })
    }

    /// A place for a mapping's counters.
    #[must_use]
    pub fn mapping(&self, label: &Arc<str>) -> MappingState {
        MappingSlot::new(&self.datapath, label)
    }

    /// Switches the relay off, or on again. Off, new connections are userspace's, and the verdict
    /// hands every segment of live ones to their agent.
    pub fn switch(&self, on: bool) {
        self.on.store(on, Relaxed);
        if let Err(error) = self.datapath.mappings().pass_all(!on) {
            tracing::error!(%error, "live connections were not switched");
        }
    }

    /// Hands a pair of sockets to the kernel.
    ///
    /// # Errors
    /// Why userspace has to carry them, with the sockets.
    pub fn take(&self, mapping: &MappingState, sockets: [OwnedFd; 2]) -> Result<Carrying, Declined> {
        if !self.on.load(Relaxed) {
            return Err(Declined { reason: "switched_off", sockets });
        }
        let offloaded = offload(&self.datapath, mapping.id(), self.window, sockets)?;
        let progress = progress(&offloaded);
        Ok(Carrying { offloaded, progress })
    }

    /// The kernel's side, for metrics.
    #[must_use]
    pub fn stats(&self) -> Arc<dyn KernelStats> {
        Arc::clone(&self.datapath) as Arc<dyn KernelStats>
    }
}

/// A connection in the kernel's hands.
#[derive(Debug)]
pub struct Carrying {
    offloaded: Offloaded,
    progress: Arc<super::progress::KernelProgress>,
}

impl Carrying {
    /// Why a direction is the agent's, where one is.
    #[must_use]
    pub fn fallback(&self) -> Option<&'static str> {
        self.offloaded.refused.map(|error| error.as_str())
    }

    /// Where to read how far it is.
    #[must_use]
    pub fn progress(&self) -> Arc<dyn Progress> {
        Arc::clone(&self.progress) as Arc<dyn Progress>
    }

    /// Sees the connection to its end; both sockets are closed then.
    pub async fn run(self, terms: Terms) -> CloseReason {
        run(self.offloaded, terms, self.progress).await
    }
}
