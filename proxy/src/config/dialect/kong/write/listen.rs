//! `stream_listen` and what goes with it in kong.conf.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::config::dialect::write::Draft;
use crate::config::model::{Keepalive, Listener, Matcher, ProxySources};

/// Whether a listener has the flag `ssl`: some of its routes ask how TLS begins.
pub(super) fn is_ssl(listener: &Listener, is_version_1: bool) -> bool {
    !is_version_1 && listener.routes.iter().any(|route| matches!(route.matcher, Matcher::Tls { .. }))
}

pub(super) fn settings(listeners: &[&Listener], is_version_1: bool, draft: &mut Draft<'_>) {
    let entries: Vec<_> = listeners.iter().map(|listener| entry(listener, is_version_1)).collect();
    if !entries.is_empty() {
        draft.set("stream_listen", entries.join(", "));
    }
    trusted(listeners, draft);
}

fn entry(listener: &Listener, is_version_1: bool) -> String {
    let mut entry = listener.bind.to_string();
    if is_ssl(listener, is_version_1) {
        entry += " ssl";
    }
    if listener.proxy_protocol.is_some() {
        entry += " proxy_protocol";
    }
    if let Some(backlog) = listener.socket.backlog {
        entry += &format!(" backlog={backlog}");
    }
    match listener.socket.keepalive {
        None => {}
        Some(Keepalive::Off) => entry += " so_keepalive=off",
        Some(Keepalive::On { idle: None, interval: None, count: None }) => entry += " so_keepalive=on",
        Some(Keepalive::On { idle, interval, count }) => {
            let seconds = |span: Option<std::time::Duration>| {
                span.map(|span| format!("{}s", span.as_secs())).unwrap_or_default()
            };
            let count = count.map(|count| count.to_string()).unwrap_or_default();
            entry += &format!(" so_keepalive={}:{}:{count}", seconds(idle), seconds(interval));
        }
    }
    entry
}

/// Kong trusts the same peers on all of its listeners.
fn trusted(listeners: &[&Listener], draft: &mut Draft<'_>) {
    let (mut networks, mut everyone) = (BTreeSet::<IpNet>::new(), false);
    let mut first: Option<&ProxySources> = None;
    for listener in listeners {
        let Some(sources) = &listener.proxy_protocol else { continue };
        if *first.get_or_insert(sources) != sources {
            draft.lose(
                &listener.bind.to_string(),
                "believes other peers' PROXY headers than other addresses do, and Kong's trusted_ips are for all: it \
                 has those of all",
            );
        }
        match sources {
            ProxySources::Everyone => everyone = true,
            ProxySources::Networks(own) | ProxySources::Believed(own) => networks.extend(own),
        }
    }
    match (first, everyone) {
        (None, _) => {}
        (Some(_), true) => draft.set("trusted_ips", "0.0.0.0/0, ::/0"),
        (Some(_), false) => {
            let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
            draft.set("trusted_ips", networks.join(", "));
        }
    }
}
