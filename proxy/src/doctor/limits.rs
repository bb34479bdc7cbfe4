//! How much of everything there is: descriptors, memory, ports.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::finding::Finding;
use crate::config::settings::Settings;
use crate::descriptors::connection_limit;

/// Fewer connections than this are soon used up.
const FEW: u32 = 1024;

/// What the kernel caps every listening socket's backlog at, in this network namespace.
const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";

pub(super) fn probe(settings: &Settings) -> Vec<Finding> {
    let wanted = settings.limits.connections;
    let (allowed, too_many) = connection_limit(wanted);
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let ports = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    vec![
        connections(descriptors, wanted, allowed, too_many.is_some()),
        #[cfg(feature = "ebpf")]
        memory(settings, allowed),
        port_range(&ports, wanted),
        backlog(settings.sockets.backlog, &fs::read_to_string(SOMAXCONN).unwrap_or_default()),
    ]
}

pub(super) fn connections(descriptors: u64, wanted: u32, allowed: u32, too_many: bool) -> Finding {
    let what = "descriptor limit";
    let detail = format!("{descriptors} descriptors: {allowed} connections at once");
    let remedy = "raise it: ulimit -Hn, LimitNOFILE= (systemd), --ulimit nofile= (containers)";
    if too_many {
        return Finding::degraded(what, format!("{detail}, not the {wanted} of max-connections"), remedy);
    }
    if wanted == 0 && allowed < FEW {
        Finding::degraded(what, detail, remedy)
    } else {
        Finding::ok(what, detail)
    }
}

/// What the windows of all connections may sum up to.
#[cfg(feature = "ebpf")]
fn memory(settings: &Settings, allowed: u32) -> Finding {
    let budget = match settings.kernel.budget {
        0 => crate::ebpf::default_limit(),
        budget => budget,
    };
    window_budget(budget, settings.kernel.window_start, allowed)
}

#[cfg(feature = "ebpf")]
pub(super) fn window_budget(budget: u64, window_start: u32, allowed: u32) -> Finding {
    let what = "memory budget of windows";
    // A connection has two.
    let fit = budget / (u64::from(window_start) * 2);
    let detail = format!("{} MiB: {fit} connections in the kernel at once", budget >> 20);
    if fit >= FEW.min(allowed).into() {
        return Finding::ok(what, detail);
    }
    Finding::degraded(
        what,
        format!("{detail}, more are relayed in userspace"),
        "raise net.ipv4.tcp_mem or --budget, or lower --window-start (64KiB at least)",
    )
}

pub(super) fn port_range(range: &str, wanted: u32) -> Finding {
    let what = "local ports";
    let mut ends = range.split_whitespace().map(str::parse::<u32>);
    let (Some(Ok(first)), Some(Ok(last))) = (ends.next(), ends.next()) else {
        return Finding::degraded(what, "net.ipv4.ip_local_port_range cannot be read", "mount /proc");
    };
    let size = (last + 1).saturating_sub(first);
    let detail = format!("{first} to {last}: {size} connections at once to any one upstream endpoint");
    let remedy = "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"";
    // What a mapping to a single endpoint needs where a number was asked for, else a round number.
    let few = size < wanted || size < 10_000;
    if few { Finding::degraded(what, detail, remedy) } else { Finding::ok(what, detail) }
}

pub(super) fn backlog(wanted: u32, somaxconn: &str) -> Finding {
    let what = "backlog of listening sockets";
    match somaxconn.trim().parse::<u32>() {
        Ok(most) if wanted <= most => Finding::ok(what, format!("{wanted} connections may wait at each")),
        Ok(most) => Finding::degraded(
            what,
            format!("net.core.somaxconn allows {most} connections to wait, not the {wanted} of backlog"),
            format!("sysctl -w net.core.somaxconn={wanted}, or lower --backlog"),
        ),
        Err(_) => Finding::degraded(what, "net.core.somaxconn cannot be read", "mount /proc"),
    }
}
