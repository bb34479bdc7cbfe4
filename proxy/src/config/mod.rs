//! YAML in, proven model out.

pub mod diagnostic;
pub mod model;
pub mod settings;
