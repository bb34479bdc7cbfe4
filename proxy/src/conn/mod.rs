//! The life of one connection, from accept to its last word.

mod record;
mod serve;
mod tracker;

pub use record::ConnRecord;
pub use serve::{Accepted, Ctx, Routes, serve};
pub use tracker::{Refused, Tracker};
