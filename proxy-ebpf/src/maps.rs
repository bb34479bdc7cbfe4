//! The maps, named and sized in proxy-common. The agent sets the real capacities at load.

use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, RingBuf, SockHash};
use proxy_common::{
    CpuCounters, EVENTS_BYTES, KernelLane, LaneKey, MAX_CPUS, MAX_MAPPINGS, MappingConfig, MappingCounters,
    UserLane,
};

#[map]
pub(crate) static SOCKETS: SockHash<u64> = SockHash::with_max_entries(1024, 0);

#[map]
pub(crate) static LANES: HashMap<u64, LaneKey> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

#[map]
pub(crate) static KERNEL_LANES: Array<KernelLane> = Array::with_max_entries(1024, BPF_F_MMAPABLE);

#[map]
pub(crate) static USER_LANES: Array<UserLane> = Array::with_max_entries(1024, BPF_F_MMAPABLE);

#[map]
pub(crate) static MAPPINGS: Array<MappingConfig> = Array::with_max_entries(MAX_MAPPINGS, 0);

#[map]
pub(crate) static MAPPING_COUNTERS: PerCpuArray<MappingCounters> =
    PerCpuArray::with_max_entries(MAX_MAPPINGS, 0);

#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(EVENTS_BYTES, 0);

#[map]
pub(crate) static CPUS: Array<CpuCounters> = Array::with_max_entries(MAX_CPUS, BPF_F_MMAPABLE);
