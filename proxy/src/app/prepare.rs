//! What is done while the process has one thread: capabilities are each thread's own, so they are given up before
//! there are others.

use rustix::thread::{CapabilitySets, capabilities};

use super::confine::{Confinement, confine};
use super::privileges::hint;
use crate::config::settings::Settings;
use crate::descriptors::connection_limit;
use crate::relay::kernel::{KernelRelay, Loaded, Unavailable};

/// A process that has taken what it needs of its privileges, and given up the rest.
#[derive(Debug)]
pub struct Prepared {
    /// Connections that there is room for.
    pub(super) limit: u32,
    /// How many there may be at most, where the settings want more.
    pub(super) too_many: Option<u32>,
    kernel: Result<Loaded, Unavailable>,
    /// What there was to begin with.
    own: Option<CapabilitySets>,
    confinement: Option<Confinement>,
}

impl Prepared {
    /// To be called while the process has one thread; nothing is logged yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let own = capabilities(None).ok();
        let (limit, too_many) = connection_limit(settings.limits.connections);
        let kernel = KernelRelay::load(&settings.kernel, limit, settings.log.kernel);
        let confinement = settings.confine.then(|| confine(kernel.as_ref().ok()));
        Self { limit, too_many, kernel, own, confinement }
    }

    /// Says what is left of its privileges.
    pub(super) fn tell(&self) {
        match &self.confinement {
            Some(confinement) => confinement.tell(),
            None => tracing::info!("not confined, as the settings say"),
        }
    }

    /// Starts the kernel relay; where there is none, the reason is logged.
    pub(super) async fn kernel_relay(self) -> Option<KernelRelay> {
        let started = match self.kernel {
            Ok(loaded) => loaded.start().await,
            Err(error) => Err(error),
        };
        started
            .map_err(|error| {
                let error = anyhow::Error::new(error);
                tracing::warn!("relaying in userspace: {}: {error:#}", hint(&error, self.own));
            })
            .ok()
    }
}
