//! The dialects that `sluice convert` writes.

use clap::ValueEnum;

use crate::config::Language;

/// Whose words are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// TCPMapping, TLSContext, Host and what goes with them (getambassador.io/v3alpha1)
    Ambassador,
}

impl From<To> for Language {
    fn from(to: To) -> Self {
        match to {
            To::Ambassador => Self::Ambassador,
        }
    }
}
