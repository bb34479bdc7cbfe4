//! What a serving process no longer does is taken from it, before it has heard a word from anybody: capabilities
//! for good, and system calls that no proxy makes.

mod capabilities;
mod syscalls;

use std::io;

use rustix::thread::CapabilitySet;

use crate::relay::kernel::Loaded;

/// What was given up, and what could not be.
#[derive(Debug)]
pub(super) struct Confinement {
    capabilities: io::Result<CapabilitySet>,
    syscalls: Result<(), seccompiler::Error>,
}

/// Confines the calling thread and all that it starts: to be called while it is the only one, with the kernel
/// relay loaded already if there is one.
pub(super) fn confine(kernel: Option<&Loaded>) -> Confinement {
    Confinement { capabilities: capabilities::give_up(kernel), syscalls: syscalls::forbid() }
}

impl Confinement {
    /// Says what is left, once there is a log.
    pub(super) fn tell(&self) {
        match &self.capabilities {
            Ok(kept) => tracing::info!(capabilities = capabilities::names(*kept), "confined"),
            Err(error) => tracing::warn!(%error, "capabilities that serving does not need are kept"),
        }
        if let Err(error) = &self.syscalls {
            tracing::warn!(%error, "system calls are not restricted");
        }
    }
}
