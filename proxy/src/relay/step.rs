//! How far the kernel relay got before something stopped it.

/// What starting the kernel relay takes, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// This binary has it (feature `ebpf`).
    Built,
    /// The kernel takes the object: its maps, and its program past the verifier.
    Load,
    /// The verdict is attached to the map of sources.
    Attach,
    /// The maps take sockets.
    Insert,
    /// Every byte arrives, once and in order, and every end after it.
    Relay,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Built, Self::Load, Self::Attach, Self::Insert, Self::Relay];
}
