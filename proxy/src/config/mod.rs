//! YAML in, proven model out.

pub mod diagnostic;
mod dialect;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod load;
mod material;
pub mod model;
#[cfg(test)]
mod scratch;
pub mod settings;
pub mod settings_file;
mod source;
pub mod watch;

pub use dialect::{LabelSelector, Language, SelectorError, Written, write};
