//! The kernel side as the agent sees it: the one module that knows aya.

mod budget;
mod datapath;
mod log;
mod mapped;
mod mappings;
mod memory;
mod pair;
mod reactor;
mod sockets;
#[cfg(test)]
mod tests;

pub use budget::{Budget, default_limit};
pub use datapath::{Datapath, LoadError};
pub use log::forward as forward_log;
pub use mappings::{MappingSlot, Mappings};
pub use pair::{Event, Events, Interest, LaneView, Pair, PairEnd};
pub use reactor::Reactor;
pub use sockets::InsertError;
