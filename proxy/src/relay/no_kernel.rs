//! What stands for the kernel relay in a build without feature `ebpf`: never there.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::{Spoken, Step, Terms};
use crate::config::settings;
use crate::telemetry::{CloseReason, KernelStats, Progress};

/// Why there is no kernel relay.
#[derive(Debug, thiserror::Error)]
#[error("this sluice was built without the kernel relay (feature `ebpf`)")]
pub struct Unavailable;

impl Unavailable {
    /// What was not achieved.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        Some(Step::Built)
    }
}

/// Told why the kernel does not carry both directions.
pub type FellBack<'a> = &'a (dyn Fn(&'static str) + Send + Sync);

/// Nothing to keep per mapping.
pub type MappingState = ();

/// Never constructed.
#[derive(Debug)]
pub struct Loaded(Infallible);

/// Never constructed.
#[derive(Debug)]
pub struct KernelRelay(Infallible);

/// Never constructed.
#[derive(Debug)]
pub struct Carrying(Infallible);

/// Why a connection is not in the kernel, and its sockets back, untouched.
#[derive(Debug)]
pub struct Declined {
    /// The word for logs and labels.
    pub reason: &'static str,
    /// Downstream and upstream.
    pub sockets: [OwnedFd; 2],
}

impl Loaded {
    /// Unreachable.
    pub fn answers(&self) -> bool {
        match self.0 {}
    }

    /// Unreachable.
    ///
    /// # Errors
    /// Unreachable.
    pub async fn start(self) -> Result<KernelRelay, Unavailable> {
        match self.0 {}
    }
}

impl KernelRelay {
    /// Always refuses.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn load(_: &settings::Kernel, _: u32, _: bool) -> Result<Loaded, Unavailable> {
        Err(Unavailable)
    }

    /// Unreachable.
    pub fn mapping(&self, _: &Arc<str>) -> MappingState {
        match self.0 {}
    }

    /// Unreachable.
    pub fn stats(&self) -> Arc<dyn KernelStats> {
        match self.0 {}
    }

    /// Unreachable.
    pub fn switch(&self, _: bool) {
        match self.0 {}
    }

    /// Unreachable.
    ///
    /// # Errors
    /// Unreachable.
    pub fn take(&self, (): &MappingState, _: [OwnedFd; 2], _: [Spoken; 2]) -> Result<Carrying, Declined> {
        match self.0 {}
    }
}

impl Carrying {
    /// Unreachable.
    pub fn progress(&self) -> Arc<dyn Progress> {
        match self.0 {}
    }

    /// Unreachable.
    pub async fn run(self, _: Terms, _: FellBack<'_>) -> CloseReason {
        match self.0 {}
    }
}
