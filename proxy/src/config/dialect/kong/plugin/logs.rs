//! `tcp-log`, `file-log`, `http-log`: where else an account of each connection goes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::config::dialect::fields::Fields;
use crate::config::dialect::kong::entity::Entity;
use crate::config::dialect::kong::index::Broken;
use crate::config::dialect::kong::service::read_host;
use crate::config::dialect::log_to::{self, Server};
use crate::config::dialect::names;
use crate::config::dialect::report::Report;
use crate::config::model::{
    LogDestination, LogMethod, LogQueue, LogRequest, LogSink, NameSent, Origination, Parameters, Service,
    Verification,
};

/// In milliseconds.
const LONGEST: u64 = 2_147_483_646;

/// What each takes that sluice makes nothing of.
const PASSED_OVER: [&str; 5] =
    ["flush_timeout", "retry_count", "queue_size", "ssl_verify", "concurrency_limit"];

pub(super) fn read(
    name: &str,
    config: Option<Fields<'_>>,
    plugin: &Fields<'_>,
    entity: &Entity,
) -> Result<LogSink, Broken> {
    let report = &entity.report;
    let Some(config) = config else {
        plugin.missing("config", "say where its lines go");
        return Err(Broken);
    };
    if let Some(fields) = config.pairs("custom_fields_by_lua").first() {
        let message =
            format!("{:?} is a field made by Lua, which sluice does not run; lines lack it", fields.0);
        report.warn(config.path("custom_fields_by_lua"), message);
    }
    config.ignore(&PASSED_OVER);
    let millis =
        |field, default| Duration::from_millis(config.integer(field, 1..=LONGEST).unwrap_or(default));
    let timeout = millis("timeout", 10_000);
    let keepalive = millis("keepalive", 60_000);
    let queue = queue(&config);
    let destination = match name {
        "tcp-log" => tcp(&config, keepalive, entity),
        "file-log" => file(&config),
        _ => http(&config, keepalive, entity),
    };
    config.refuse_unknown(&[]);
    if report.failed() {
        return Err(Broken);
    }
    let name = format!("{} at {}", entity.label(), entity.path).into();
    Ok(LogSink { name, destination: destination?, timeout, queue })
}

fn tcp(config: &Fields<'_>, keepalive: Duration, entity: &Entity) -> Result<LogDestination, Broken> {
    let (host, port) = (config.filled("host"), config.integer("port", 1..=65_535));
    for (field, is_there) in [("host", host.is_some()), ("port", port.is_some())] {
        if !is_there && config.raw(field).is_none() {
            config.missing(field, "say who takes the lines");
        }
    }
    let sni = config.filled("tls_sni");
    let tls = config.boolean("tls").unwrap_or(false).then(|| originate(sni.as_deref(), entity));
    let service = service(host.ok_or(Broken)?, port.and_then(|port| u16::try_from(port).ok()).ok_or(Broken)?);
    let Some(service) = service else {
        entity.report.discard(config.path("host"), "is neither a DNS name nor an IP address; write one");
        return Err(Broken);
    };
    Ok(LogDestination::Tcp { service, tls, keepalive })
}

fn file(config: &Fields<'_>) -> Result<LogDestination, Broken> {
    let reopen = config.boolean("reopen").unwrap_or(false);
    match config.filled("path") {
        Some(path) => Ok(LogDestination::File { path: path.into(), reopen }),
        None => {
            config.missing("path", "say which file takes the lines");
            Err(Broken)
        }
    }
}

fn http(config: &Fields<'_>, keepalive: Duration, entity: &Entity) -> Result<LogDestination, Broken> {
    let report = &entity.report;
    let methods = [("POST", LogMethod::Post), ("PUT", LogMethod::Put), ("PATCH", LogMethod::Patch)];
    let method = config.choice("method", &methods).unwrap_or_default();
    let content_type = config.filled("content_type").unwrap_or_else(|| "application/json".to_owned());
    let headers = headers(config, report);
    let Some(url) = config.filled("http_endpoint") else {
        config.missing("http_endpoint", "write the URL that takes the lines");
        return Err(Broken);
    };
    let is_http = ["http://", "https://"].iter().any(|scheme| url.to_ascii_lowercase().starts_with(scheme));
    // A URL may carry a password.
    let Some(Server { tls, service, path }) = log_to::server(&url).ok().filter(|_| is_http) else {
        let message = "is no URL of http or https without a user; write https://host/path";
        report.discard(config.path("http_endpoint"), message);
        return Err(Broken);
    };
    Ok(LogDestination::Http(Arc::new(LogRequest {
        method,
        service,
        tls: tls.then(|| originate(None, entity)),
        path,
        headers,
        content_type: content_type.into(),
        keepalive,
    })))
}

fn headers(config: &Fields<'_>, report: &Report) -> Vec<(Arc<str>, Arc<str>)> {
    const OWN: [&str; 3] = ["host", "content-type", "content-length"];
    let mut headers = Vec::new();
    for (name, value) in config.pairs("headers") {
        let is_token = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        let is_value = value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b));
        // What it says may be a secret.
        if OWN.contains(&name.to_ascii_lowercase().as_str()) {
            report.discard(
                config.path("headers"),
                format!("cannot contain {name:?}, which has a field of its own or is made; remove it"),
            );
        } else if is_token && is_value {
            headers.push((name.into(), value.into()));
        } else {
            report.discard(
                config.path("headers"),
                format!("{name:?} or what it says is not fit for HTTP; correct it"),
            );
        }
    }
    headers
}

/// As Kong does: whoever answers takes the lines.
fn originate(sni: Option<&str>, entity: &Entity) -> Arc<Origination> {
    let server_name = sni.and_then(names::server_name).map_or(NameSent::Host, NameSent::Fixed);
    Arc::new(Origination {
        name: entity.label().into(),
        identity: None,
        server_name,
        verification: Verification::None,
        parameters: Parameters::default(),
    })
}

fn service(host: String, port: u16) -> Option<Service> {
    read_host(&host).map(|host| Service { host, port })
}

/// `queue`, and its defaults.
fn queue(config: &Fields<'_>) -> LogQueue {
    let mut queue = LogQueue::default();
    let Some(said) = config.child("queue") else {
        return queue;
    };
    let count = |field, most| {
        said.integer(field, 1..=most).and_then(|n| usize::try_from(n).ok()).and_then(NonZeroUsize::new)
    };
    let span = |field, most| said.decimal(field, 0.0..=most).map(Duration::from_secs_f64);
    set(&mut queue.batch, count("max_batch_size", 1_000_000));
    set(&mut queue.entries, count("max_entries", 1_000_000));
    set(&mut queue.delay, span("max_coalescing_delay", 3600.0));
    set(&mut queue.retry, span("max_retry_time", 1_000_000.0));
    set(&mut queue.pauses.0, span("initial_retry_delay", 1_000_000.0));
    set(&mut queue.pauses.1, span("max_retry_delay", 1_000_000.0));
    said.ignore(&["max_bytes", "concurrency_limit"]);
    said.refuse_unknown(&[]);
    queue
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
