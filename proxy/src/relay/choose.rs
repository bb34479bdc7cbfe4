//! Which relay carries a connection: the kernel's where it can, else userspace's.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::kernel::{KernelRelay, MappingState};
use super::splice::{self, SpliceProgress};
use super::tls::{self, Leg, TlsProgress};
use super::{Spoken, Terms, kernel};
use crate::config::model::RelayChoice;
use crate::telemetry::{CloseReason, Progress, RelayKind};
use crate::tls::Pool;

/// Every relay there is on this machine.
#[derive(Debug)]
pub struct Relays {
    kernel: Option<KernelRelay>,
    pipes: splice::Pool,
    buffers: Pool,
}

/// What was begun for a connection.
#[derive(Debug)]
pub struct Begun<'a> {
    /// Who moves the bytes.
    pub kind: RelayKind,
    /// Why not the kernel.
    fallback: Option<&'static str>,
    /// Where to read how far it is.
    pub progress: Arc<dyn Progress>,
    carrier: Carrier<'a>,
}

#[derive(Debug)]
enum Carrier<'a> {
    // Boxed: an idle splice connection need not hold a kernel one's lanes.
    Kernel(Box<kernel::Carrying>),
    Splice { sockets: [OwnedFd; 2], pool: &'a splice::Pool, progress: Arc<SpliceProgress> },
    Tls { legs: Box<[Leg; 2]>, pool: &'a Pool, progress: Arc<TlsProgress> },
}

impl Relays {
    /// The userspace relay, and the kernel's where there is one.
    #[must_use]
    pub fn new(kernel: Option<KernelRelay>) -> Self {
        Self { kernel, pipes: splice::Pool::default(), buffers: Pool::default() }
    }

    /// The kernel's relay, where there is one.
    #[must_use]
    pub fn kernel(&self) -> Option<&KernelRelay> {
        self.kernel.as_ref()
    }

    /// What relays keep per mapping.
    #[must_use]
    pub fn mapping(&self, label: &Arc<str>) -> Option<MappingState> {
        self.kernel.as_ref().map(|kernel| kernel.mapping(label))
    }

    /// Takes downstream and upstream sockets, in this order, both connected, and what was `spoken` on each.
    #[must_use]
    pub fn begin(
        &self,
        choice: RelayChoice,
        mapping: Option<&MappingState>,
        sockets: [OwnedFd; 2],
        spoken: [Spoken; 2],
    ) -> Begun<'_> {
        let (fallback, sockets) = match (choice, &self.kernel, mapping) {
            (RelayChoice::Splice, ..) => ("configured", sockets),
            (RelayChoice::Auto, Some(kernel), Some(mapping)) => match kernel.take(mapping, sockets, spoken) {
                Ok(carrying) => {
                    return Begun {
                        kind: RelayKind::Kernel,
                        fallback: None,
                        progress: carrying.progress(),
                        carrier: Carrier::Kernel(Box::new(carrying)),
                    };
                }
                Err(declined) => (declined.reason, declined.sockets),
            },
            (RelayChoice::Auto, ..) => ("unavailable", sockets),
        };
        let progress = Arc::new(SpliceProgress::default());
        Begun {
            kind: RelayKind::Splice,
            fallback: Some(fallback),
            progress: Arc::clone(&progress) as Arc<dyn Progress>,
            carrier: Carrier::Splice { sockets, pool: &self.pipes, progress },
        }
    }

    /// Takes downstream and upstream, in this order, where TLS ends or begins.
    #[must_use]
    pub fn secure(&self, legs: [Leg; 2]) -> Begun<'_> {
        let progress = Arc::new(TlsProgress::default());
        Begun {
            kind: RelayKind::Tls,
            fallback: None,
            progress: Arc::clone(&progress) as Arc<dyn Progress>,
            carrier: Carrier::Tls { legs: Box::new(legs), pool: &self.buffers, progress },
        }
    }

    /// Buffers for TLS.
    #[must_use]
    pub fn buffers(&self) -> &Pool {
        &self.buffers
    }
}

impl Begun<'_> {
    /// Relays to the end. Both sockets are closed when it returns: in order after
    /// [`CloseReason::Finished`], by reset after anything else.
    /// `fell_back` is told why the kernel does not carry both directions, once that is known.
    pub async fn run(self, terms: Terms, fell_back: kernel::FellBack<'_>) -> CloseReason {
        if let Some(reason) = self.fallback {
            fell_back(reason);
        }
        match self.carrier {
            Carrier::Kernel(carrying) => carrying.run(terms, fell_back).await,
            Carrier::Splice { sockets, pool, progress } => splice::run(sockets, pool, terms, progress).await,
            Carrier::Tls { legs, pool, progress } => tls::run(legs, pool, terms, progress).await,
        }
    }
}
