//! The life of one connection, from accept to its last word.

mod close;
mod record;
mod serve;
mod tracker;

pub use close::{CloseReason, Side};
pub use record::{ConnRecord, Progress, RelayKind, Transfer};
pub use serve::{Accepted, Ctx, Routes, serve};
pub use tracker::{ConnSnapshot, Refused, Tracker};
