//! The kernel relay as the rest of sluice sees it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::super::{Spoken, Step, Terms};
use super::offload::{Declined, Offload, Window};
use super::run::{Agent, FellBack};
use super::selftest::{SelfTestError, self_test};
use crate::config::settings;
use crate::ebpf::{Datapath, LoadError, MappingSlot, Pair, Reactor, default_limit, forward_log};
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

/// The loaded kernel relay, which nobody has asked to relay anything.
#[derive(Debug)]
pub struct Loaded {
    datapath: Arc<Datapath>,
    reactor: Reactor,
    window: Window,
    after: u64,
    log: bool,
}

/// The loaded and tested kernel relay.
#[derive(Debug)]
pub struct KernelRelay {
    datapath: Arc<Datapath>,
    window: Window,
    after: u64,
    on: Arc<AtomicBool>,
}

/// A mapping's place in the kernel's tables.
pub type MappingState = MappingSlot;

impl Loaded {
    /// Whether the kernel lets this thread use the maps.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.datapath.mappings().answer()
    }

    /// Starts the agent's side, and proves that bytes are relayed faithfully here.
    ///
    /// # Errors
    /// What went wrong in the self-test, or before it.
    pub async fn start(self) -> Result<KernelRelay, Unavailable> {
        let Self { datapath, reactor, window, after, log } = self;
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
        self_test(&datapath, window).await?;
        Ok(KernelRelay { datapath, window, after, on: Arc::new(AtomicBool::new(true)) })
    }
}

impl KernelRelay {
    /// Loads the program with room for `connections`; nothing that comes later takes more privileges than
    /// relaying does. With `log`, every verdict is logged.
    ///
    /// # Errors
    /// Why this kernel, these privileges or the settings give none.
    pub fn load(settings: &settings::Kernel, connections: u32, log: bool) -> Result<Loaded, Unavailable> {
        if !settings.enabled {
            return Err(Unavailable::SwitchedOff);
        }
        let budget = if settings.budget == 0 { default_limit() } else { settings.budget };
        // The self-test's own pairs come on top.
        let (datapath, reactor) = Datapath::load(connections + 8, budget, log)?;
        let window = Window { start: settings.window_start.into(), max: settings.window_max.into() };
        Ok(Loaded { datapath, reactor, window, after: settings.join_after, log })
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

    /// Takes a pair of sockets into the kernel's hands: now, or once it is worth it.
    ///
    /// # Errors
    /// Why userspace has to carry them, with the sockets.
    pub fn take(
        &self,
        mapping: &MappingState,
        sockets: [OwnedFd; 2],
        spoken: [Spoken; 2],
    ) -> Result<Carrying, Declined> {
        if !self.on.load(Relaxed) {
            return Err(Declined { reason: "switched_off", sockets });
        }
        let offload = Offload {
            mapping: mapping.id(),
            window: self.window,
            after: self.after,
            on: Arc::clone(&self.on),
        };
        Carrying::new(&self.datapath, offload, sockets, spoken)
    }

    /// The kernel's side, for metrics.
    #[must_use]
    pub fn stats(&self) -> Arc<dyn KernelStats> {
        Arc::clone(&self.datapath) as Arc<dyn KernelStats>
    }
}

/// A connection in the kernel's hands, or its agent's.
#[derive(Debug)]
pub struct Carrying {
    agent: Agent,
    refused: Option<&'static str>,
}

impl Carrying {
    /// Takes both sockets.
    ///
    /// # Errors
    /// Why userspace has to carry them, with the sockets.
    pub(super) fn new(
        datapath: &Arc<Datapath>,
        offload: Offload,
        sockets: [OwnedFd; 2],
        spoken: [Spoken; 2],
    ) -> Result<Self, Declined> {
        let pair =
            Pair::new(datapath, sockets).map_err(|sockets| Declined { reason: "map_full", sockets })?;
        // A segment that was read in part would meet the verdict whole: the agent reads what is left of it.
        if offload.after > 0 || spoken.iter().any(|spoken| spoken.in_part) {
            return Ok(Self { agent: Agent::new(pair, offload, spoken), refused: None });
        }
        let (agent, refused) = Agent::joined(pair, &offload, spoken)?;
        Ok(Self { agent, refused })
    }

    /// Where to read how far it is.
    #[must_use]
    pub fn progress(&self) -> Arc<dyn Progress> {
        self.agent.progress()
    }

    /// Sees the connection to its end; both sockets are closed then. `fell_back` is told why the
    /// kernel does not carry both directions, once that is known.
    pub async fn run(self, terms: Terms, fell_back: FellBack<'_>) -> CloseReason {
        if let Some(reason) = self.refused {
            fell_back(reason);
        }
        self.agent.run(terms, fell_back).await
    }
}
