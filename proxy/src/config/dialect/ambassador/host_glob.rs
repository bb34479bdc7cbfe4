//! `host` of a `TCPMapping`: the server names that it takes.

use std::net::IpAddr;

use thiserror::Error;

use crate::config::dialect::names;
use crate::config::model::NamePattern;

/// Why a host matches nothing that a client could send.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum HostError {
    #[error(
        "{0:?} is an address, which no client sends as a server name; write a DNS name, or \"*\" for any"
    )]
    Address(String),
    #[error(
        "{0:?} has its star in a place that TLS has none for; write a whole name, \"*.suffix\", or \"*\" for any"
    )]
    Star(String),
    #[error("{0:?} is no DNS name (international names are written xn--…)")]
    Name(String),
}

/// Reads a host; its lower-case text is what certificates are looked up by.
pub(super) fn parse(text: &str) -> Result<(String, NamePattern), HostError> {
    let trimmed = text.trim();
    // The root's dot, but "*." must not become "*".
    let host = trimmed.strip_suffix('.').filter(|rest| *rest != "*").unwrap_or(trimmed).to_ascii_lowercase();
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(HostError::Address(text.to_owned()));
    }
    let pattern = match host.strip_prefix('*') {
        Some("") => NamePattern::Everything,
        Some(suffix) => match suffix.strip_prefix('.') {
            Some(rest) if !rest.contains('*') => {
                names::server_name(rest).ok_or_else(|| HostError::Name(text.to_owned()))?;
                NamePattern::Suffix(suffix.into())
            }
            _ => return Err(HostError::Star(text.to_owned())),
        },
        None if host.contains('*') => return Err(HostError::Star(text.to_owned())),
        None => {
            let name = names::server_name(&host).ok_or_else(|| HostError::Name(text.to_owned()))?;
            NamePattern::Exact(name)
        }
    };
    Ok((host, pattern))
}
