//! The configuration in service, as JSON.

mod tls;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{Value, json};

use super::Handles;
use crate::config::model::{
    Config, Listener, Mapping, Matcher, NamePattern, RelayChoice, Resolution, Timeouts,
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
    let routes = listener.in_order().into_iter().map(|route| {
        let matcher = match &route.matcher {
            Matcher::Any => json!("any"),
            Matcher::Tls { name, alpn } => {
                let name = match name {
                    NamePattern::Exact(name) => name.to_string(),
                    NamePattern::Suffix(suffix) => format!("*{suffix}"),
                    NamePattern::Everything => "*".to_owned(),
                };
                json!({ "server_name": name, "alpn": tls::protocols(alpn) })
            }
        };
        json!({
            "match": matcher,
            "downstream": tls::downstream(&route.downstream),
            "mappings": route.mappings.iter().map(mapping).collect::<Vec<_>>(),
        })
    });
    json!({
        "bind": listener.bind,
        "starttls": listener.prelude.map(tls::prelude),
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
        "starttls": mapping.prelude.map(tls::prelude),
        "families": { "ipv4": mapping.families.ipv4, "ipv6": mapping.families.ipv6 },
        "relay": relay,
        "timeouts": timeouts(&mapping.timeouts),
    })
}

fn resolution(resolution: &Resolution) -> Value {
    match resolution {
        Resolution::Dns => json!("dns"),
        Resolution::Fixed(endpoints) => json!({ "endpoints": endpoints }),
        Resolution::Catalogue(catalogue) => json!({
            "agent": catalogue.agent.to_string(),
            "datacenter": catalogue.datacenter,
            "service": catalogue.service,
        }),
    }
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

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
