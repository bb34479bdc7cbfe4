//! The life of one connection, from accept to its last word.

mod close;
mod record;
mod tracker;

pub use close::{CloseReason, Side};
pub use record::{ConnRecord, Progress, RelayKind, Transfer};
pub use tracker::{ConnSnapshot, Refused, Tracker};
