//! The in-kernel relay: the verdict moves the bytes, this agent gives it credit, carries what it
//! passes, and sees to it that an end is only told when every byte before it has arrived.

mod credit;
mod lane;
mod offload;
mod patience;
mod progress;
mod relay;
mod run;
mod selftest;
mod stats;

pub use offload::Declined;
pub use relay::{Carrying, KernelRelay, Loaded, MappingState, Unavailable};
pub use run::FellBack;
pub use selftest::SelfTestError;
