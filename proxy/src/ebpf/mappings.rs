//! What the program knows of each mapping, and what it counted for it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aya::maps::{Array, MapData, PerCpuArray, PerCpuValues};
use proxy_common::{FLAG_LOG, FLAG_PASS, MAX_MAPPINGS, MappingConfig, MappingCounters};

use super::datapath::Datapath;

/// Index of a mapping without counters of its own: beyond the arrays, where look-ups find nothing.
const UNCOUNTED: u32 = u32::MAX;

/// The mappings' side of the program.
pub struct Mappings(Mutex<State>);

struct State {
    config: Array<MapData, MappingConfig>,
    counters: PerCpuArray<MapData, MappingCounters>,
    used: BTreeMap<u32, Arc<str>>,
    /// What mappings counted that are gone, by label.
    gone: HashMap<Arc<str>, MappingCounters>,
    flags: u64,
}

/// A mapping's place in the program's tables, free again when dropped.
pub struct MappingSlot {
    datapath: Arc<Datapath>,
    id: u32,
}

impl Mappings {
    pub(super) fn new(
        config: Array<MapData, MappingConfig>,
        counters: PerCpuArray<MapData, MappingCounters>,
    ) -> Self {
        Self(Mutex::new(State { config, counters, used: BTreeMap::new(), gone: HashMap::new(), flags: 0 }))
    }

    /// Sends every segment of every mapping through the agent, or no longer.
    ///
    /// # Errors
    /// The map's.
    pub fn pass_all(&self, on: bool) -> Result<(), aya::maps::MapError> {
        self.set_flag(FLAG_PASS, on)
    }

    /// Logs every verdict, or no longer.
    ///
    /// # Errors
    /// The map's.
    pub fn log_all(&self, on: bool) -> Result<(), aya::maps::MapError> {
        self.set_flag(FLAG_LOG, on)
    }

    /// Whether the kernel answers: an entry is read, and written as it was.
    #[must_use]
    pub fn answer(&self) -> bool {
        let mut state = self.state();
        state.config.get(&0, 0).and_then(|entry| state.config.set(0, entry, 0)).is_ok()
    }

    fn set_flag(&self, flag: u64, on: bool) -> Result<(), aya::maps::MapError> {
        let mut state = self.state();
        state.flags = if on { state.flags | flag } else { state.flags & !flag };
        let flags = state.flags;
        let used: Vec<u32> = state.used.keys().copied().collect();
        used.into_iter().try_for_each(|id| state.config.set(id, MappingConfig { flags }, 0))
    }

    /// What went through the kernel so far, by label; mappings that are gone included, so that it
    /// never goes back.
    #[must_use]
    pub fn totals(&self) -> HashMap<Arc<str>, MappingCounters> {
        let state = self.state();
        let mut totals = state.gone.clone();
        for (id, label) in &state.used {
            add(totals.entry(Arc::clone(label)).or_default(), state.read(*id));
        }
        totals
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A free index, with fresh counters.
    fn take(&mut self, label: &Arc<str>) -> Option<u32> {
        let id = (0..MAX_MAPPINGS).find(|id| !self.used.contains_key(id))?;
        let cpus = aya::util::nr_cpus().ok()?;
        let zero = PerCpuValues::try_from(vec![MappingCounters::default(); cpus]).ok()?;
        self.counters.set(id, zero, 0).ok()?;
        self.config.set(id, MappingConfig { flags: self.flags }, 0).ok()?;
        self.used.insert(id, Arc::clone(label));
        Some(id)
    }

    /// What all CPUs counted for an index.
    fn read(&self, id: u32) -> MappingCounters {
        let mut sum = MappingCounters::default();
        if let Ok(values) = self.counters.get(&id, 0) {
            values.iter().for_each(|cpu| add(&mut sum, *cpu));
        }
        sum
    }
}

impl MappingSlot {
    /// A place for one mapping, whose counters go by `label`. With all taken, or the map refusing, the mapping is served
    /// without counters of its own in the kernel.
    #[must_use]
    pub fn new(datapath: &Arc<Datapath>, label: &Arc<str>) -> Self {
        let id = datapath.mappings().state().take(label).unwrap_or(UNCOUNTED);
        Self { datapath: Arc::clone(datapath), id }
    }

    /// Index into the program's tables.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }
}

impl Drop for MappingSlot {
    fn drop(&mut self) {
        let mut state = self.datapath.mappings().state();
        if let Some(label) = state.used.remove(&self.id) {
            let last = state.read(self.id);
            add(state.gone.entry(label).or_default(), last);
        }
    }
}

impl fmt::Debug for MappingSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MappingSlot({})", self.id)
    }
}

impl fmt::Debug for Mappings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mappings({} used)", self.state().used.len())
    }
}

fn add(sum: &mut MappingCounters, more: MappingCounters) {
    sum.received += more.received;
    sum.sent += more.sent;
    sum.segments += more.segments;
}
