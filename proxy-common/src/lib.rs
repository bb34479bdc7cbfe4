//! What both sides of the kernel boundary agree on: map names, keys, values and their layout.
//!
//! A connection has two *lanes*, one per direction, in adjacent slots: the lane out of the
//! downstream socket in the even slot, the lane out of the upstream socket in the odd one.
//! Each field of a lane has one writer, and the two writers' fields live in separate maps, so
//! that no cache line is fought over and no shared struct is ever rewritten.

#![cfg_attr(not(test), no_std)]

/// The verdict program's name in the object.
pub const PROGRAM: &str = "relay";

/// Name of the one that also logs its verdicts.
pub const TELLING_PROGRAM: &str = "relay_and_tell";

/// Names of the maps in the object.
pub mod maps {
    /// SOCKHASH cookie → socket, verdict attached: membership makes a socket a source and a
    /// destination.
    pub const SOCKETS: &str = "SOCKETS";
    /// HASH source cookie → [`super::LaneKey`].
    pub const LANES: &str = "LANES";
    /// ARRAY slot → [`super::KernelLane`], mapped into the agent.
    pub const KERNEL_LANES: &str = "KERNEL_LANES";
    /// ARRAY slot → [`super::UserLane`], mapped into the agent.
    pub const USER_LANES: &str = "USER_LANES";
    /// ARRAY mapping id → [`super::MappingConfig`].
    pub const MAPPINGS: &str = "MAPPINGS";
    /// PERCPU_ARRAY mapping id → [`super::MappingCounters`].
    pub const MAPPING_COUNTERS: &str = "MAPPING_COUNTERS";
    /// RINGBUF of slots (u32) whose lane wants the agent.
    pub const EVENTS: &str = "EVENTS";
    /// ARRAY cpu → [`super::CpuCounters`], mapped into the agent.
    pub const CPUS: &str = "CPUS";
}

/// Credit that every segment costs on top of its bytes, so that tiny segments pay for their skb.
pub const SEGMENT_CHARGE: u64 = 1024;

/// Bytes of the ring that carries slots to the agent; a power of two and a page multiple.
pub const EVENTS_BYTES: u32 = 256 << 10;

/// CPUs that have counters of their own.
pub const MAX_CPUS: u32 = 4096;

/// Mappings that can have counters at a time.
pub const MAX_MAPPINGS: u32 = 4096;

/// Where a source's bytes go. Written by the agent before the source becomes active.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneKey {
    /// Cookie of the destination in `SOCKETS`.
    pub peer: u64,
    /// Index into the lane arrays.
    pub slot: u32,
    /// Index into the mapping arrays.
    pub mapping: u32,
}

/// A lane's counters, written only by the verdict (serialised by the source's socket lock).
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelLane {
    /// Bytes sent on to the destination in the kernel.
    pub redirected: u64,
    /// Bytes handed to the agent.
    pub passed: u64,
    /// Credit used: bytes plus [`SEGMENT_CHARGE`] per redirected segment.
    pub charged: u64,
    /// TCP sequence number of the byte that comes next, and [`STARTED`].
    pub next: u64,
    /// Bytes that came a second time, in retransmissions that overlap what was received, and were
    /// cut off.
    pub trimmed: u64,
    /// Not 0 once a segment did not fit the ones before it: the agent resets the connection.
    pub broken: u64,
    _pad: [u64; 2],
}

/// Set in [`KernelLane::next`] once a first segment was seen.
pub const STARTED: u64 = 1 << 32;

/// A lane's reins, written only by the agent.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserLane {
    /// Bytes of `passed` that the destination has taken from the agent.
    pub done: u64,
    /// The verdict redirects only while `charged` is below this.
    pub limit: u64,
    /// The verdict calls the agent when `charged` crosses this, ahead of `limit`.
    pub early: u64,
    _pad: [u64; 5],
}

/// What the verdict needs to know of a mapping.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MappingConfig {
    /// [`FLAG_PASS`] and [`FLAG_LOG`].
    pub flags: u64,
}

/// Every segment of the mapping goes to the agent: the kernel relay was switched off at runtime.
pub const FLAG_PASS: u64 = 1;
/// Log each verdict of the mapping through aya-log.
pub const FLAG_LOG: u64 = 2;

/// What went through the kernel for a mapping, on one CPU.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MappingCounters {
    /// Bytes redirected from downstream sockets.
    pub received: u64,
    /// Bytes redirected from upstream sockets.
    pub sent: u64,
    /// Segments redirected, both directions.
    pub segments: u64,
}

/// What one CPU counts. A mapped per-CPU array does not exist, and BPF targets have no atomic
/// add, so each CPU has an entry of its own.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuCounters {
    /// Calls to the agent that found the ring full: the agent looks at every lane when it moves.
    pub lost: u64,
    _pad: [u64; 7],
}

const _: () = {
    assert!(size_of::<LaneKey>() == 16);
    assert!(size_of::<KernelLane>() == 64 && align_of::<KernelLane>() == 64);
    assert!(size_of::<UserLane>() == 64 && align_of::<UserLane>() == 64);
    assert!(size_of::<MappingConfig>() == 8);
    assert!(size_of::<MappingCounters>() == 24);
    assert!(size_of::<CpuCounters>() == 64);
    assert!(EVENTS_BYTES.is_power_of_two());
};

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C), integers only, no implicit padding (sizes asserted above).
    unsafe impl aya::Pod for super::LaneKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::KernelLane {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::UserLane {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::MappingConfig {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::MappingCounters {}
}
