//! `stream_listen`: `host:port [flag …]`, with commas between them, or `off`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

use crate::config::model::{Keepalive, SocketOptions};

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listen {
    /// One, or several where a name has them.
    pub(super) binds: Vec<SocketAddr>,
    /// Routes of `tls` and `tls_passthrough` have effect, and others none.
    pub(super) ssl: bool,
    pub(super) proxy_protocol: bool,
    pub(super) udp: bool,
    pub(super) socket: SocketOptions,
}

/// Why an entry says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ListenError {
    #[error("{0:?} is not <ip>:<port> [flags…], with commas between entries, or off; write 0.0.0.0:5432")]
    Form(String),
    #[error("{0:?} has the port {1:?}, which is no integer from 1 to 65535")]
    Port(String, String),
    #[error("{0:?} has the host {1:?}, which is no address and cannot be looked up ({2}); write its address")]
    Host(String, String, String),
    #[error("{0:?} has the flag {1:?}, which only listeners of HTTP have; remove it")]
    Http(String, String),
    #[error("{0:?} has the flag {1:?}, which does not exist; remove it")]
    Flag(String, String),
    #[error("{0:?} has {1:?}, and {2}")]
    Value(String, String, &'static str),
}

/// Every entry; `off` as the first is none.
pub(super) fn parse(text: &str) -> Vec<Result<Listen, ListenError>> {
    match is_off(text) {
        true => Vec::new(),
        false => text.split(',').map(|text| entry(text.trim())).collect(),
    }
}

/// Whether its first entry says that nothing is listened on, or there is none.
pub(super) fn is_off(text: &str) -> bool {
    let first = text.split(',').next().unwrap_or_default().trim();
    first.is_empty() || first.eq_ignore_ascii_case("off")
}

fn entry(text: &str) -> Result<Listen, ListenError> {
    let mut words = text.split_whitespace();
    let address = words.next().unwrap_or_default();
    let mut listen = Listen {
        binds: Vec::new(),
        ssl: false,
        proxy_protocol: false,
        udp: false,
        socket: SocketOptions::default(),
    };
    let mut ipv6_only = true;
    for word in words {
        let value = |why| ListenError::Value(text.to_owned(), word.to_owned(), why);
        match word.split_once('=').unwrap_or((word, "")) {
            ("ssl", "") => listen.ssl = true,
            ("proxy_protocol", "") => listen.proxy_protocol = true,
            ("udp", "") => listen.udp = true,
            // What every listener of sluice is and has.
            ("bind" | "reuseport", "") => {}
            ("backlog", number) => {
                let backlog = number.parse().ok().and_then(NonZeroU32::new);
                listen.socket.backlog =
                    Some(backlog.ok_or_else(|| value("a backlog is an integer of 1 or more"))?);
            }
            ("ipv6only", "on") => ipv6_only = true,
            ("ipv6only", "off") => ipv6_only = false,
            ("ipv6only", _) => return Err(value("ipv6only is on or off")),
            ("so_keepalive", how) => {
                let read = keepalive(how)
                    .ok_or_else(|| value("so_keepalive is on, off, or idle:interval:count, as 30m::10"))?;
                listen.socket.keepalive = Some(read);
            }
            ("http2" | "deferred", "") => return Err(ListenError::Http(text.to_owned(), word.to_owned())),
            _ => return Err(ListenError::Flag(text.to_owned(), word.to_owned())),
        }
    }
    listen.binds = binds(text, address)?;
    if !ipv6_only
        && let [SocketAddr::V6(wildcard)] = listen.binds[..]
        && wildcard.ip().is_unspecified()
    {
        listen.binds.push(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), wildcard.port()));
    }
    Ok(listen)
}

fn binds(text: &str, address: &str) -> Result<Vec<SocketAddr>, ListenError> {
    let form = || ListenError::Form(text.to_owned());
    let (host, digits) = address.rsplit_once(':').ok_or_else(form)?;
    let port =
        digits.parse::<u16>().ok().filter(|port| *port > 0 && digits.bytes().all(|b| b.is_ascii_digit()));
    let port = port.ok_or_else(|| ListenError::Port(text.to_owned(), digits.to_owned()))?;
    if let Some(inside) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let ip: Ipv6Addr = inside.parse().map_err(|_no_address| form())?;
        return Ok(vec![SocketAddr::new(ip.into(), port)]);
    }
    if host.is_empty() || host.contains([':', '[', ']', '/']) {
        return Err(form());
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let why = |error: &dyn std::fmt::Display| {
        ListenError::Host(text.to_owned(), host.to_owned(), error.to_string())
    };
    let mut found: Vec<_> = (host, port).to_socket_addrs().map_err(|error| why(&error))?.collect();
    found.sort();
    found.dedup();
    if found.is_empty() { Err(why(&"it has no address")) } else { Ok(found) }
}

/// `on`, `off`, or `idle:interval:count`, of which each may be left out.
fn keepalive(text: &str) -> Option<Keepalive> {
    match text {
        "on" => return Some(Keepalive::On { idle: None, interval: None, count: None }),
        "off" => return Some(Keepalive::Off),
        _ => {}
    }
    let parts: Vec<_> = text.split(':').collect();
    let [idle, interval, count] = parts[..] else { return None };
    let part = |text: &str| if text.is_empty() { Some(None) } else { span(text).map(Some) };
    let count = if count.is_empty() { None } else { Some(NonZeroU32::new(count.parse().ok()?)?) };
    let (idle, interval) = (part(idle)?, part(interval)?);
    (!text.trim_matches(':').is_empty()).then_some(Keepalive::On { idle, interval, count })
}

/// nginx's spans of whole seconds: `75`, `30s`, `30m`, `2h`, `1d`.
fn span(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u32 = digits.parse().ok().filter(|number| *number > 0)?;
    Some(Duration::from_secs(u64::from(number) * unit))
}
