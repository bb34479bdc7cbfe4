//! The dialects that `sluice convert` writes.

use clap::ValueEnum;

use crate::config::Language;

/// Whose words are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// TCPMapping, TLSContext, Host and what goes with them (getambassador.io/v3alpha1)
    Ambassador,
    /// Services, routes, upstreams and certificates in a declarative file, and kong.conf's settings in its first lines
    Kong,
    /// Gateway, TCPRoute, TLSRoute and what they refer to (gateway.networking.k8s.io)
    Gateway,
}

impl From<To> for Language {
    fn from(to: To) -> Self {
        match to {
            To::Ambassador => Self::Ambassador,
            To::Kong => Self::Kong,
            To::Gateway => Self::Gateway,
        }
    }
}
