//! Plugins of a route: whom it refuses, and who else is told of its connections.

use serde_json::{Value, json};

use super::route::shown;
use crate::config::dialect::write::Draft;
use crate::config::model::{
    LogDestination, LogQueue, LogSink, NameSent, Origination, Parameters, Route, Verification,
};

/// They stand in their route, which they are for alone.
pub(super) fn of(route: &Route, protocol: &str, whose: &str, draft: &mut Draft<'_>) -> Vec<Value> {
    let mut plugins = Vec::new();
    if route.access != Default::default() {
        let words =
            |networks: &[ipnet::IpNet]| networks.iter().map(|network| shown(*network)).collect::<Vec<_>>();
        let config = json!({ "allow": words(&route.access.allow), "deny": words(&route.access.deny) });
        plugins.push(json!({ "name": "ip-restriction", "protocols": [protocol], "config": config }));
    }
    let mut known: Vec<&str> = Vec::new();
    for sink in &route.logs.sinks {
        let (name, config) = self::sink(sink, whose, draft);
        if known.contains(&name) {
            draft.lose(
                whose,
                format!("tells two sinks with {name}, and a route has each plugin once; the first stays"),
            );
            continue;
        }
        known.push(name);
        plugins.push(json!({ "name": name, "protocols": [protocol], "config": config }));
    }
    plugins
}

fn sink(sink: &LogSink, whose: &str, draft: &mut Draft<'_>) -> (&'static str, Value) {
    let timeout = u64::try_from(sink.timeout.as_millis()).unwrap_or(u64::MAX);
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut tls = |origination: &Origination| {
        let is_plain = origination.verification == Verification::None
            && origination.identity.is_none()
            && origination.parameters == Parameters::default();
        if !is_plain {
            draft.lose(whose, "verifies who takes accounts of its connections, or shows a certificate; Kong's plugins do neither");
        }
        match &origination.server_name {
            NameSent::Fixed(name) => Some(name.to_string()),
            NameSent::Nothing | NameSent::Host | NameSent::Client => None,
        }
    };
    match &sink.destination {
        LogDestination::Tcp { service, tls: begun, keepalive } => {
            let sni = begun.as_ref().and_then(|origination| tls(origination));
            let host = match &service.host {
                crate::config::model::Host::Ip(ip) => ip.to_string(),
                crate::config::model::Host::Name(name) => name.to_string(),
            };
            let config = json!({
                "host": host,
                "port": service.port,
                "tls": begun.is_some(),
                "tls_sni": sni,
                "timeout": timeout,
                "keepalive": millis(*keepalive),
                "queue": queue(&sink.queue),
            });
            ("tcp-log", config)
        }
        LogDestination::File { path, reopen } => ("file-log", json!({ "path": path, "reopen": reopen })),
        LogDestination::Http(request) => {
            if let Some(origination) = &request.tls {
                tls(origination);
            }
            let scheme = if request.tls.is_some() { "https" } else { "http" };
            let headers: serde_json::Map<_, _> =
                request.headers.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
            let config = json!({
                "http_endpoint": format!("{scheme}://{}{}", request.service, request.path),
                "method": request.method.as_str(),
                "content_type": request.content_type,
                "headers": headers,
                "timeout": timeout,
                "keepalive": millis(request.keepalive),
                "queue": queue(&sink.queue),
            });
            ("http-log", config)
        }
    }
}

/// Nothing where it is Kong's own.
fn queue(queue: &LogQueue) -> Value {
    if *queue == LogQueue::default() {
        return Value::Null;
    }
    json!({
        "max_entries": queue.entries,
        "max_batch_size": queue.batch,
        "max_coalescing_delay": queue.delay.as_secs_f64(),
        "max_retry_time": queue.retry.as_secs_f64(),
        "initial_retry_delay": queue.pauses.0.as_secs_f64(),
        "max_retry_delay": queue.pauses.1.as_secs_f64(),
    })
}
