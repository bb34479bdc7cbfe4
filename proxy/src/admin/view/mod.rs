//! The configuration in service, as JSON.

mod tls;

#[cfg(test)]
mod tests;

use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::Handles;
use crate::config::model::{
    Balancing, Check, Config, Ends, Keepalive, Limits, Listener, Mapping, Matcher, ProxySources,
    ProxyVersion, Question, Rate, RelayChoice, Resolution, Target, Timeouts,
};
use crate::config::settings_file;
use crate::telemetry::Telemetry;

/// Everything about what is served, and how.
pub(super) fn config(handles: &Handles) -> Value {
    let state = &handles.state;
    let loaded = state.loaded();
    let kernel_relay = match state.kernel() {
        None => "unavailable",
        Some(true) => "on",
        Some(false) => "off",
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "phase": state.phase().as_str(),
        "kernel_relay": kernel_relay,
        "log_filter": handles.telemetry.log().current(),
        "paths": state.settings().paths,
        "files": loaded.as_ref().map(|l| &l.files),
        "certificate_files": loaded.as_ref().map(|l| &l.material),
        "listeners": loaded.as_ref().map_or_else(Vec::new, |l| listening(&l.config, &handles.telemetry)),
        "resolutions": handles.telemetry.resolutions(),
        "diagnostics": loaded.as_ref().map(|l| &l.diagnostics),
        "status": loaded.as_ref().map(|l| &l.statuses),
        "settings": settings_file::show(state.settings()),
    })
}

/// Each listener, and whether it is bound.
fn listening(config: &Config, telemetry: &Telemetry) -> Vec<Value> {
    let mut shown = listeners(config);
    for (listener, shown) in config.listeners.iter().zip(&mut shown) {
        shown["sockets"] = telemetry.sockets(listener.bind).into();
    }
    shown
}

/// Each listener, with its routes in the order in which they are tried.
pub fn listeners(config: &Config) -> Vec<Value> {
    config.listeners.iter().map(listener).collect()
}

fn listener(listener: &Listener) -> Value {
    let routes = listener.routes.iter().map(|route| {
        let matcher = match &route.matcher {
            Matcher::Any => json!("any"),
            Matcher::Cleartext => json!("cleartext"),
            Matcher::Tls { name, alpn } => {
                json!({ "server_name": name.to_string(), "alpn": tls::protocols(alpn) })
            }
        };
        json!({
            "match": matcher,
            "downstream": tls::downstream(&route.downstream),
            "sources": between(&route.between.sources),
            "destinations": between(&route.between.destinations),
            "allow": route.access.allow,
            "deny": route.access.deny,
            "log_to": route.logs.sinks.iter().map(|sink| sink.to_string()).collect::<Vec<_>>(),
            "mappings": route.mappings.iter().map(mapping).collect::<Vec<_>>(),
            "refused": route.refused.0,
        })
    });
    json!({
        "bind": listener.bind,
        "proxy_protocol": listener.proxy_protocol.as_ref().map(proxy_sources),
        "starttls": listener.prelude.map(tls::prelude),
        "backlog": listener.socket.backlog,
        "keepalive": listener.socket.keepalive.map(keepalive),
        "routes": routes.collect::<Vec<_>>(),
    })
}

fn mapping(mapping: &Mapping) -> Value {
    let relay = match mapping.relay {
        RelayChoice::Auto => "auto",
        RelayChoice::Splice => "splice",
    };
    json!({
        "name": mapping.name.0,
        "stats_name": mapping.stats_name,
        "weight": mapping.weight.0,
        "service": mapping.service.to_string(),
        "resolution": resolution(&mapping.resolution),
        "originate": mapping.originate.as_deref().map(tls::originate),
        "proxy_protocol": mapping.proxy_protocol.map(ProxyVersion::as_str),
        "starttls": mapping.prelude.map(tls::prelude),
        "families": { "ipv4": mapping.families.ipv4, "ipv6": mapping.families.ipv6 },
        "balancing": balancing(&mapping.balancing),
        "relay": relay,
        "timeouts": timeouts(&mapping.timeouts),
        "limits": limits(&mapping.limits),
    })
}

/// What is not said is null, and the kernel's.
fn keepalive(keepalive: Keepalive) -> Value {
    match keepalive {
        Keepalive::Off => json!("off"),
        Keepalive::On { idle, interval, count } => json!({
            "idle_ms": idle.map(millis),
            "interval_ms": interval.map(millis),
            "count": count,
        }),
    }
}

/// As people write them; none is everyone.
fn between(ends: &[Ends]) -> Vec<String> {
    ends.iter().map(Ends::to_string).collect()
}

/// Networks, or everyone.
fn proxy_sources(sources: &ProxySources) -> Value {
    let list = |networks: &[IpNet]| json!(networks.iter().map(ToString::to_string).collect::<Vec<_>>());
    match sources {
        ProxySources::Everyone => json!({ "from": "everyone" }),
        ProxySources::Networks(networks) => json!({ "from": list(networks) }),
        ProxySources::Believed(networks) => json!({ "from": "everyone", "believed": list(networks) }),
    }
}

fn balancing(balancing: &Balancing) -> Value {
    let Balancing { policy, attempts, backup, source, ejection, check, slow_start, quorum } = balancing;
    json!({
        "policy": policy.as_str(),
        "connect_attempts": attempts,
        "backup_service": backup.as_ref().map(ToString::to_string),
        "source_address": { "ipv4": source.ipv4, "ipv6": source.ipv6 },
        "eject": {
            "after": ejection.after,
            "after_timeouts": ejection.after_timeouts,
            "ms": ejection.base.map(millis),
            "max_ms": millis(ejection.most),
            "max_percent": ejection.share,
        },
        "check": check.as_ref().map(self::check),
        "slow_start_ms": millis(*slow_start),
        "quorum_percent": quorum,
    })
}

/// What is said may be a password: its length alone is shown.
fn check(check: &Check) -> Value {
    json!({
        "interval_ms": millis(check.interval),
        "unhealthy_interval_ms": millis(check.unhealthy_interval),
        "timeout_ms": millis(check.timeout),
        "healthy": check.healthy,
        "unhealthy": check.unhealthy,
        "unhealthy_timeouts": check.unhealthy_timeouts,
        "port": check.port,
        "question": question(&check.question),
    })
}

fn question(question: &Question) -> Value {
    match question {
        Question::Exchange { send, expect } => {
            json!({ "send_bytes": send.len(), "expect_bytes": expect.len() })
        }
        Question::Http { tls, path, statuses } => json!({
            "get": path,
            "tls": tls,
            "statuses": statuses.iter().map(|range| json!([range.start(), range.end()])).collect::<Vec<_>>(),
        }),
    }
}

fn resolution(resolution: &Resolution) -> Value {
    match resolution {
        Resolution::Dns => json!("dns"),
        Resolution::Fixed(endpoints) => json!({ "endpoints": endpoints }),
        Resolution::Targets(targets) => json!({ "targets": targets.iter().map(target).collect::<Vec<_>>() }),
        Resolution::Catalogue(catalogue) => json!({
            "agent": catalogue.agent.to_string(),
            "datacenter": catalogue.datacenter,
            "service": catalogue.service,
        }),
    }
}

fn target(target: &Target) -> Value {
    json!({ "service": target.service.to_string(), "weight": target.weight })
}

/// Times without limit are null.
fn timeouts(timeouts: &Timeouts) -> Value {
    json!({
        "connect_ms": millis(timeouts.connect),
        "idle_ms": timeouts.idle.map(millis),
        "half_closed_ms": timeouts.half_closed.map(millis),
        "max_age_ms": timeouts.max_age.map(millis),
    })
}

/// Limits that are not set are null.
fn limits(limits: &Limits) -> Value {
    json!({
        "max_connections": limits.connections,
        "max_pending": limits.pending,
        "max_retries": limits.retries,
        "connection_rate": limits.rate.map(rate),
        "source_connections": limits.source.connections,
        "source_rate": limits.source.rate.map(rate),
        "bandwidth": limits.bandwidth,
    })
}

fn rate(rate: Rate) -> Value {
    json!({ "per_second": rate.interval.as_secs_f64().recip(), "burst": rate.burst })
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
