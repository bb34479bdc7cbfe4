//! What this process may do, as the kernel tells of it.

use std::fs;

use super::finding::Finding;

/// A capability, and what sluice wants it for.
struct Capability {
    name: &'static str,
    bit: u32,
    /// Includes this one.
    wider: Option<u32>,
    without: &'static str,
    remedy: &'static str,
}

/// Bits from include/uapi/linux/capability.h.
const CAP_SYS_ADMIN: u32 = 21;

const CAPABILITIES: [Capability; 3] = [
    Capability {
        name: "CAP_BPF",
        bit: 39,
        wider: Some(CAP_SYS_ADMIN),
        without: "no kernel program can be loaded",
        remedy: "run as root, or: setcap cap_bpf,cap_net_admin,cap_net_bind_service+ep sluice \
                 (containers: securityContext.capabilities.add)",
    },
    Capability {
        name: "CAP_NET_ADMIN",
        bit: 12,
        wider: None,
        without: "no program can be attached to sockets, no send buffer sized to its window",
        remedy: "as for CAP_BPF",
    },
    Capability {
        name: "CAP_NET_BIND_SERVICE",
        bit: 10,
        wider: None,
        without: "low ports cannot be listened on",
        remedy: "as for CAP_BPF, or: sysctl -w net.ipv4.ip_unprivileged_port_start=0",
    },
];

pub(super) fn probe() -> Vec<Finding> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let low_ports = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first_free_port = low_ports.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024);
    findings(&status, first_free_port)
}

/// What `/proc/self/status` says; `first_free_port` is the lowest that needs no capability.
pub(super) fn findings(status: &str, first_free_port: u16) -> Vec<Finding> {
    let Some(effective) = effective(status) else {
        let remedy = "mount /proc";
        return vec![Finding::degraded("capabilities", "/proc/self/status does not tell", remedy)];
    };
    let has = |bit: u32| effective >> bit & 1 == 1;
    CAPABILITIES
        .iter()
        .map(|capability| {
            let Capability { name, bit, wider, without, remedy } = *capability;
            if has(bit) {
                Finding::ok(name, "effective")
            } else if wider.is_some_and(has) {
                Finding::ok(name, "included in CAP_SYS_ADMIN")
            } else if name == "CAP_NET_BIND_SERVICE" && first_free_port <= 1 {
                Finding::ok(name, "not needed: net.ipv4.ip_unprivileged_port_start = 0")
            } else {
                Finding::missing(name, without, remedy)
            }
        })
        .collect()
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}
