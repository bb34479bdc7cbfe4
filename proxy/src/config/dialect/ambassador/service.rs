//! `service`: `[scheme://]host[:port]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::config::dialect::names::is_dns_name;
use crate::config::model::Host;

/// What a service string says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upstream {
    /// `https://`: TLS is to be originated.
    pub(super) tls: bool,
    /// Lower case; not yet qualified by a namespace.
    pub(super) host: Host,
    pub(super) port: Port,
}

/// The port of a service string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Given(u16),
    Default,
    /// `svc:` or `svc:0`, which Ambassador reads as the default.
    Void,
}

/// Why a service string names no upstream.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ServiceError {
    #[error("{0:?} names no host; write host:port")]
    Empty(String),
    #[error("{0:?} has the unknown scheme {1:?}; write host:port without a scheme")]
    Scheme(String, String),
    #[error("{0:?} contains a user name, which TCP has no place for; write host:port")]
    User(String),
    #[error("{0:?} contains a path, which TCP has no place for; write host:port")]
    Path(String),
    #[error("{0:?} has brackets that hold no IPv6 address; write [address]:port")]
    Brackets(String),
    #[error("{0:?} has several colons; an IPv6 address is written [address]:port")]
    Colons(String),
    #[error("{0:?} has an interface zone, which is not supported; write the address without %")]
    Zone(String),
    #[error("{0:?} has the port {1:?}, which is no integer from 1 to 65535")]
    Port(String, String),
    #[error("{0:?} has the host {1:?}, which is neither a DNS name nor an IP address")]
    Name(String, String),
}

/// Reads a service string.
pub(super) fn parse(text: &str) -> Result<Upstream, ServiceError> {
    let whole = || text.to_owned();
    let (tls, rest) = match text.trim().split_once("://") {
        None => (false, text.trim()),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        Some((scheme, _)) => return Err(ServiceError::Scheme(whole(), scheme.to_owned())),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err(ServiceError::Path(whole()));
    }
    if rest.contains('@') {
        return Err(ServiceError::User(whole()));
    }
    let (host, port) = split(text, rest)?;
    Ok(Upstream { tls, host, port: read_port(text, port)? })
}

fn split<'a>(text: &str, rest: &'a str) -> Result<(Host, Option<&'a str>), ServiceError> {
    let whole = || text.to_owned();
    if let Some(inside) = rest.strip_prefix('[') {
        let (address, behind) = inside.split_once(']').ok_or_else(|| ServiceError::Brackets(whole()))?;
        if address.contains('%') {
            return Err(ServiceError::Zone(whole()));
        }
        let port = match behind.strip_prefix(':') {
            None if behind.is_empty() => None,
            None => return Err(ServiceError::Brackets(whole())),
            port => port,
        };
        let Ok(address) = address.parse::<Ipv6Addr>() else {
            return Err(ServiceError::Brackets(whole()));
        };
        return Ok((Host::Ip(IpAddr::V6(address).to_canonical()), port));
    }
    if rest.contains(['[', ']']) {
        return Err(ServiceError::Brackets(whole()));
    }
    if rest.matches(':').count() > 1 {
        return Err(ServiceError::Colons(whole()));
    }
    let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    if host.is_empty() {
        return Err(ServiceError::Empty(whole()));
    }
    let host = if let Ok(address) = host.parse::<Ipv4Addr>() {
        Host::Ip(address.into())
    } else if is_dns_name(host) {
        Host::Name(host.to_ascii_lowercase().into())
    } else {
        return Err(ServiceError::Name(whole(), host.to_owned()));
    };
    Ok((host, port))
}

fn read_port(text: &str, port: Option<&str>) -> Result<Port, ServiceError> {
    let Some(digits) = port else {
        return Ok(Port::Default);
    };
    let wrong = || ServiceError::Port(text.to_owned(), digits.to_owned());
    if digits.bytes().all(|b| b == b'0') {
        return Ok(Port::Void);
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse().map(Port::Given).map_err(|_overflow| wrong())
}
