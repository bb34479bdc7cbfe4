//! How far a relay is, and who does the work.

/// Who moves the bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RelayKind {
    /// The kernel relay: the sockmap program, and its agent before a connection joins and where the
    /// kernel does not take it.
    Kernel,
    /// splice(2) through a pipe.
    Splice,
    /// TLS ends or begins here.
    Tls,
}

impl RelayKind {
    /// Every kind, so that metrics exist before their first event.
    pub const ALL: [Self; 3] = [Self::Kernel, Self::Splice, Self::Tls];

    /// The word for logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Splice => "splice",
            Self::Tls => "tls",
        }
    }
}

/// Bytes relayed so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfer {
    /// From the client to the upstream, all paths.
    pub received: u64,
    /// From the upstream to the client, all paths.
    pub sent: u64,
    /// The part of `received` that never left the kernel.
    pub received_in_kernel: u64,
    /// The part of `sent` that never left the kernel.
    pub sent_in_kernel: u64,
}

/// Where a relay tells how far it is, at any time and without asking the relay's task.
pub trait Progress: Send + Sync + std::fmt::Debug {
    /// Bytes so far.
    fn transfer(&self) -> Transfer;
}
