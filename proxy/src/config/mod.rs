//! YAML in, proven model out.

mod certificate_map;
pub mod diagnostic;
mod dialect;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod inventory;
pub mod load;
mod material;
pub mod model;
#[cfg(test)]
mod scratch;
pub mod settings;
pub mod settings_file;
mod source;
pub mod watch;

pub use certificate_map::{CertificateMap, CertificateMapError, CertificatePlace};
pub use dialect::{LabelSelector, Language, SelectorError, Written, write};
