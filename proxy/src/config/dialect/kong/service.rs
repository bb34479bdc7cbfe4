//! Services: where connections go, and how.

use std::net::IpAddr;
use std::time::Duration;

use serde_yaml::Value;

use super::entity::{Entity, Kind};
use super::index::{Broken, Index};
use super::protocol::Protocol;
use crate::config::dialect::fields::{Fields, show};
use crate::config::dialect::names::is_dns_name;
use crate::config::model::Host;

/// Where connections go.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) index: usize,
    pub(super) protocol: Protocol,
    /// Whether the file says the protocol.
    pub(super) protocol_is_said: bool,
    /// An address, a name, or that of an upstream.
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) retries: u32,
    pub(super) connect: Duration,
    /// Kong has one time for both directions.
    pub(super) idle: Duration,
    pub(super) client_certificate: Option<usize>,
    pub(super) verify: Option<bool>,
    pub(super) depth: Option<u8>,
    /// `None` is whoever Kong's settings trust.
    pub(super) authorities: Option<Vec<usize>>,
    pub(super) enabled: bool,
}

/// The longest that Kong takes, in milliseconds.
const LONGEST: u64 = 2_147_483_646;

/// Only for protocols that begin TLS.
const OF_TLS: [&str; 4] = ["client_certificate", "tls_verify", "tls_verify_depth", "ca_certificates"];

/// Reads a service completely, so that all that is wrong with it is said at once.
pub(super) fn read(index: usize, entity: &Entity, entities: &Index) -> Result<Service, Broken> {
    let (fields, report) = (entity.fields(), &entity.report);
    let url = fields.filled("url").and_then(|text| url(&text, &fields, entity));
    let choices = Protocol::ALL;
    let said = fields.choice("protocol", &choices);
    let protocol = url.as_ref().map(|url| url.protocol).or(said).unwrap_or(Protocol::Http);
    let host = fields.filled("host");
    let port = fields.integer("port", 0..=65_535).and_then(|port| u16::try_from(port).ok());
    let (host, port) = match url {
        Some(url) => (Some(url.host), url.port),
        None => (host, port.unwrap_or(80)),
    };
    if host.is_none() && !report.failed() {
        fields.missing("host", "give a name or an address");
    }
    let host = host.and_then(|text| {
        let host = read_host(&text);
        if host.is_none() {
            let message = format!(
                "{} is neither a DNS name nor an IP address; a port goes to port",
                show(&without_user(&text).into())
            );
            report.discard(fields.path("host"), message);
        }
        host
    });
    let timeout = |name| Duration::from_millis(fields.integer(name, 1..=LONGEST).unwrap_or(60_000));
    let (connect, write, read) =
        (timeout("connect_timeout"), timeout("write_timeout"), timeout("read_timeout"));
    let retries = fields.integer("retries", 0..=32_767).and_then(|n| u32::try_from(n).ok()).unwrap_or(5);
    without_effect(&fields, protocol, entity);
    let client_certificate = entities.owner(entity, &fields, "client_certificate", Kind::Certificate);
    let authorities = authorities(&fields, entity, entities);
    let service = Service {
        index,
        protocol,
        protocol_is_said: said.is_some() || fields.raw("url").is_some(),
        host: host.ok_or(Broken)?,
        port,
        retries,
        connect,
        idle: read.max(write),
        verify: fields.boolean("tls_verify"),
        depth: fields.integer("tls_verify_depth", 0..=64).and_then(|n| u8::try_from(n).ok()),
        enabled: fields.boolean("enabled").unwrap_or(true),
        client_certificate: client_certificate?,
        authorities: authorities?,
    };
    if let Some(sans) = fields.raw("tls_sans") {
        let message = format!("{} is not read, and the name dialled is verified; remove it", show(sans));
        report.warn(fields.path("tls_sans"), message);
    }
    fields.refuse_unknown(&[("upstream", "write the upstream's name to host")]);
    if report.failed() { Err(Broken) } else { Ok(service) }
}

fn without_effect(fields: &Fields<'_>, protocol: Protocol, entity: &Entity) {
    let of_streams = matches!(
        protocol,
        Protocol::Tcp
            | Protocol::Tls
            | Protocol::TlsPassthrough
            | Protocol::Udp
            | Protocol::Grpc
            | Protocol::Grpcs
    );
    if let Some(path) = fields.raw("path").filter(|_| of_streams) {
        let message = format!("{}: value must be null, as {protocol} has no paths; remove it", show(path));
        entity.report.discard(fields.path("path"), message);
    }
    if matches!(protocol, Protocol::Https | Protocol::Tls) {
        return;
    }
    for name in OF_TLS {
        if let Some(value) = fields.raw(name) {
            let message = format!(
                "{}: value must be null when 'protocol' is {protocol}; write protocol: tls, or remove it",
                show(value)
            );
            entity.report.discard(fields.path(name), message);
        }
    }
}

fn authorities(fields: &Fields<'_>, entity: &Entity, entities: &Index) -> Result<Option<Vec<usize>>, Broken> {
    let named = match fields.raw("ca_certificates") {
        None => return Ok(None),
        Some(Value::Sequence(named)) => named,
        Some(other) => {
            let message = format!("{} is not a list; write the ids of ca_certificates", show(other));
            entity.report.discard(fields.path("ca_certificates"), message);
            return Err(Broken);
        }
    };
    let mut found = Vec::with_capacity(named.len());
    for (index, value) in named.iter().enumerate() {
        let path = format!("{}[{index}]", fields.path("ca_certificates"));
        found.push(entities.named(entity, value, &path, "ca_certificates", Kind::CaCertificate));
    }
    let found: Result<Vec<_>, _> = found.into_iter().collect();
    found.map(|found| Some(found).filter(|found| !found.is_empty()))
}

struct Url {
    protocol: Protocol,
    host: String,
    port: u16,
}

/// `scheme://host[:port][/path]`.
fn url(text: &str, fields: &Fields<'_>, entity: &Entity) -> Option<Url> {
    let report = &entity.report;
    let shown: String = without_user(text).chars().take(80).collect();
    for name in ["protocol", "host", "port", "path"] {
        if fields.raw(name).is_some() {
            report.warn(fields.path(name), "stands beside url, which counts; remove one of them");
        }
    }
    let wrong =
        |why: &str| report.discard(fields.path("url"), format!("{shown:?} {why}; write tcp://host:port"));
    let Some((scheme, rest)) = text.split_once("://") else {
        wrong("has no scheme");
        return None;
    };
    let Some(protocol) = Protocol::read(scheme) else {
        wrong(&format!("has the scheme {scheme:?}, which is none of {}", Protocol::words()));
        return None;
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let has_path = !matches!(path, "" | "/")
        && matches!(protocol, Protocol::Tcp | Protocol::Tls | Protocol::TlsPassthrough);
    if has_path {
        wrong("has a path, which connections have no place for");
    }
    if authority.contains('@') {
        wrong("has a user, which connections have no place for");
        return None;
    }
    let (host, digits) = match authority.rsplit_once(':') {
        Some((host, digits)) if !digits.contains(']') => (host, Some(digits)),
        _ => (authority, None),
    };
    let port = match digits.map(str::parse) {
        None if protocol == Protocol::Https => 443,
        None => 80,
        Some(Ok(port)) => port,
        Some(Err(_)) => {
            wrong("has a port that is no integer from 0 to 65535");
            return None;
        }
    };
    Some(Url { protocol, host: host.to_owned(), port })
}

/// What a message may show of a URL or a host: who logs in there, perhaps with a password, is not repeated.
fn without_user(text: &str) -> String {
    text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, behind)| format!("…@{behind}"))
}

/// An address, or a name in lower case.
pub(super) fn read_host(text: &str) -> Option<Host> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(address) => Some(Host::Ip(address.to_canonical())),
        Err(_) => is_dns_name(text).then(|| Host::Name(text.to_ascii_lowercase().into())),
    }
}
