//! What a kernel is asked for, and which tests show it. Those of timeouts are left out: they hold clocks to tenths
//! of a second, which an emulated machine misses.

use std::path::Path;

use super::plan::Test;
use super::programs::{Programs, tests_of};
use anyhow::Result;

/// A thing that sluice does, or does not, on a kernel.
struct Capability {
    name: &'static str,
    tests: &'static [Set],
}

/// Tests of a program whose names begin so.
struct Set {
    program: fn(&Programs) -> &Path,
    all: &'static str,
    /// Beginnings of those that the bounded run has: over the kernel relay above all, since splice(2) has changed
    /// less from kernel to kernel.
    bounded: &'static [&'static str],
}

const fn kernel(all: &'static str, bounded: &'static [&'static str]) -> Set {
    Set { program: |programs| &programs.kernel, all, bounded }
}

const fn it(all: &'static str, bounded: &'static [&'static str]) -> Set {
    Set { program: |programs| &programs.it, all, bounded }
}

const CAPABILITIES: &[Capability] = &[
    Capability { name: "privileges", tests: &[kernel("privileges::", &["privileges::"])] },
    Capability {
        name: "sockets the kernel refuses",
        tests: &[kernel("refused::", &["refused::kernel::", "refused::no_room"])],
    },
    Capability { name: "end-to-end check", tests: &[kernel("integrity::", &["integrity::"])] },
    Capability {
        name: "reload",
        tests: &[kernel("reload::", &["reload::kernel::live", "reload::kernel::under"])],
    },
    Capability {
        name: "drain and crash",
        tests: &[kernel("lifecycle::", &["lifecycle::kernel::drain", "lifecycle::kernel::killed"])],
    },
    Capability {
        name: "PROXY protocol",
        tests: &[kernel(
            "proxy_protocol::",
            &[
                "proxy_protocol::kernel::before_a_megabyte",
                "proxy_protocol::kernel::in_one_segment",
                "proxy_protocol::kernel::sent_again",
            ],
        )],
    },
    Capability {
        name: "TLS",
        tests: &[it("tls::cases::", &["tls::cases::"]), kernel("starttls::", &["starttls::kernel::by_name"])],
    },
    Capability {
        name: "limits",
        tests: &[
            kernel("limits::", &["limits::kernel::"]),
            kernel("rates::", &[]),
            kernel("breakers::", &[]),
            kernel("bandwidth::", &[]),
        ],
    },
    Capability {
        name: "whole streams both ways",
        tests: &[
            kernel(
                "transfer::",
                &[
                    "transfer::kernel::client_first",
                    "transfer::kernel::server_first",
                    "transfer::kernel::sent_before_accept",
                    "transfer::joining::server_first",
                    "transfer::splice::server_first",
                ],
            ),
            kernel("shapes::", &["shapes::kernel::over_ipv4"]),
        ],
    },
    Capability {
        name: "IPv4, IPv6 and pairs of both",
        tests: &[kernel("families::", &["families::kernel::"])],
    },
    Capability { name: "half-close", tests: &[kernel("half_close::", &["half_close::kernel::"])] },
    Capability {
        name: "resets and refusals",
        tests: &[
            kernel("ends::", &["ends::kernel::", "ends::splice::what_came"]),
            kernel("victims::", &["victims::kernel::a_client_that_left"]),
        ],
    },
    Capability {
        name: "loss, reordering, slow links",
        tests: &[kernel("loss::", &["loss::kernel::one_percent", "loss::kernel::out_of_order"])],
    },
    Capability {
        name: "retransmissions, urgent bytes, credit",
        tests: &[kernel(
            "faults::",
            &[
                "faults::kernel::a_fin",
                "faults::kernel::both",
                "faults::kernel::over",
                "faults::kernel::urgent",
                "faults::the_largest",
            ],
        )],
    },
    Capability {
        name: "flow control",
        tests: &[kernel("stall::", &["stall::kernel::an_echo", "stall::splice::an_echo"])],
    },
    Capability { name: "few wake-ups and calls", tests: &[kernel("sleep::", &[]), kernel("calls::", &[])] },
    Capability { name: "listeners and hand-over", tests: &[kernel("listeners::", &[])] },
    Capability { name: "endpoints", tests: &[kernel("endpoints::", &[])] },
];

/// Tests that measure what the whole machine does: kworkers and memory are everybody's.
const ALONE: [&str; 2] = ["stall::", "sleep::"];

/// Tests of the kernel relay that are not made for each relay, and so do not name it.
const OF_THE_RELAY: [&str; 6] = [
    "faults::the_",
    "integrity::",
    "privileges::",
    "refused::no_room",
    "sleep::an_exchange",
    "sleep::ten_thousand",
];

/// Twenty thousand connections: not to be waited for where each takes a tenth of a second.
const TOO_MANY: &str = "::data_and_fin_in_one_segment";

/// The tests of every capability: all, those of the bounded run, or those with `filter` in their names.
pub(super) fn tests(programs: &Programs, all: bool, filter: Option<&str>) -> Result<Vec<Test>> {
    let kernel = tests_of(&programs.kernel)?;
    let it = tests_of(&programs.it)?;
    let mut tests = Vec::new();
    for capability in CAPABILITIES {
        for set in capability.tests {
            let program = (set.program)(programs);
            let names = if program == programs.kernel { &kernel } else { &it };
            let bounded = |name: &str| set.bounded.iter().any(|beginning| name.starts_with(beginning));
            let asked = |name: &str| filter.map_or(all || bounded(name), |filter| name.contains(filter));
            let wanted = names
                .iter()
                .filter(|name| name.starts_with(set.all) && asked(name) && !name.ends_with(TOO_MANY));
            tests.extend(wanted.map(|name| Test {
                capability: capability.name,
                program: program.to_owned(),
                name: name.clone(),
                relay: of_the_relay(name),
                alone: ALONE.iter().any(|beginning| name.starts_with(beginning)),
            }));
        }
    }
    Ok(tests)
}

fn of_the_relay(name: &str) -> bool {
    name.contains("::kernel::")
        || name.contains("::joining::")
        || OF_THE_RELAY.iter().any(|beginning| name.starts_with(beginning))
}
