//! What may be open, begun and dialled at a time: of a mapping, and for each client.

mod bucket;
mod limiter;
mod sources;

#[cfg(test)]
mod tests;

pub use limiter::{Limiter, Usage};
pub use sources::{Excess, Seat, Sources};
