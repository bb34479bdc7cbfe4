//! The life of one connection, from accept to its last word.

mod ctx;
mod farewell;
mod introduce;
mod limits;
mod reach;
mod record;
mod serve;
mod side;
mod tracker;
mod welcome;

pub use ctx::{Accepted, Ctx, Kept, Routes};
pub use limits::{Excess, Limiter, Seat, Sources, Usage};
pub use record::ConnRecord;
pub use serve::serve;
pub use tracker::{Refused, Tracker};
