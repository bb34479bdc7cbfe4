//! The kernel relay: started here as `sluice run` would, and asked how far it got.

use std::time::{Duration, Instant};

use super::finding::Finding;
use crate::config::settings::{Kernel, Settings};
use crate::descriptors::connection_limit;
use crate::relay::Step;
use crate::relay::kernel::KernelRelay;

/// What the kernel relay's start showed.
pub(super) struct Relay {
    pub(super) findings: Vec<Finding>,
    /// Whether `sluice run` would relay in the kernel.
    pub(super) works: bool,
}

/// Runs every step, also where the settings switch the relay off: what is allowed is asked, not what is wanted.
pub(super) async fn probe(settings: &Settings) -> Relay {
    let (connections, _) = connection_limit(settings.limits.connections);
    let kernel = Kernel { enabled: true, ..settings.kernel };
    let begun = Instant::now();
    let started = match KernelRelay::load(&kernel, connections, settings.log.kernel) {
        Ok(loaded) => loaded.start().await,
        Err(error) => Err(error),
    };
    let (failed, why) = match started {
        Ok(_relay) => (None, String::new()),
        Err(error) => (error.step(), format!("{:#}", anyhow::Error::new(error))),
    };
    let mut findings = findings(failed, &why, begun.elapsed());
    if !settings.kernel.enabled {
        findings.push(Finding::degraded(
            "kernel relay setting",
            "kernel-relay is false: everything is relayed in userspace",
            "leave it out, or set --kernel-relay true",
        ));
    }
    Relay { findings, works: failed.is_none() && settings.kernel.enabled }
}

/// What is known of each step when `failed` is the first that did not succeed.
pub(super) fn findings(failed: Option<Step>, why: &str, took: Duration) -> Vec<Finding> {
    Step::ALL
        .into_iter()
        .map(|step| match failed {
            Some(failed) if failed == step => Finding::missing(what(step), why, remedy(step)),
            Some(failed) if failed < step => {
                Finding::missing(what(step), "not reached", format!("first: {}", what(failed)))
            }
            _ if step == Step::Relay => {
                Finding::ok(what(step), format!("every byte arrived, in {} ms", took.as_millis()))
            }
            _ => Finding::ok(what(step), done(step)),
        })
        .collect()
}

const fn what(step: Step) -> &'static str {
    match step {
        Step::Built => "kernel relay built in",
        Step::Load => "kernel program loads",
        Step::Attach => "verdict attaches",
        Step::Insert => "sockmap takes sockets",
        Step::Relay => "relay self-test",
    }
}

const fn done(step: Step) -> &'static str {
    match step {
        Step::Built => "feature ebpf",
        Step::Load => "object, maps and program are accepted",
        Step::Attach => "to the map of sources",
        Step::Insert => "both ends of a connection",
        Step::Relay => "every byte arrived",
    }
}

const fn remedy(step: Step) -> &'static str {
    match step {
        Step::Built => "use a sluice built with default features",
        Step::Load => {
            "needs CAP_BPF and CAP_NET_ADMIN, CONFIG_BPF_SYSCALL and CONFIG_BPF_STREAM_PARSER, \
             and a seccomp profile and lockdown mode that allow bpf(2); before Linux 5.11 also memory to lock: \
             ulimit -l unlimited, LimitMEMLOCK=infinity (systemd), or CAP_SYS_RESOURCE"
        }
        Step::Attach => "needs CAP_NET_ADMIN and CONFIG_BPF_STREAM_PARSER",
        Step::Insert => "look for another sockmap program on this machine: bpftool prog show type sk_skb",
        Step::Relay => {
            "this kernel does not relay faithfully (6.4 to 6.15.2 and some stable ones do not): update it; \
             until then sluice relays in userspace by itself"
        }
    }
}
