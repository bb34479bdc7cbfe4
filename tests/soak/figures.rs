//! What a sluice without connections holds, and what the kernel holds for it.

use std::fmt;
use std::path::PathBuf;

use crate::harness::admin::Admin;
use crate::harness::system::Usage;
use crate::harness::{bpf, net};

/// Once nobody is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Descriptors of sluice but for those of pipes.
    pub(crate) descriptors: usize,
    /// Ends of pipes, which the splice relay keeps for the next connection.
    pub(crate) pipes: usize,
    pub(crate) threads: usize,
    /// TCP sockets of the whole network that neither listen nor wait in TIME_WAIT.
    pub(crate) sockets: usize,
    /// In the maps that hold sockets and lanes.
    pub(crate) map_entries: usize,
    /// What sluice counts as open or used, all gauges together.
    pub(crate) gauges: u64,
    /// Bytes of resident memory.
    pub(crate) resident: u64,
}

/// Most ends of pipes: 128 pipes are kept for the next connection, and two lead to the log and the access log.
const PIPES: usize = 2 * 128 + 2;

/// Gauges that are 0 where nobody is connected and nothing is wrong with the configuration.
const GAUGES: [&str; 7] = [
    "sluice_config_diagnostics{",
    "sluice_connections_active{",
    "sluice_kernel_pairs",
    "sluice_kernel_budget_bytes{state=\"used\"}",
    "sluice_mapping_connections{",
    "sluice_mapping_pending_connections{",
    "sluice_endpoint_connections_active{",
];

/// Counters that stay 0 whatever happens.
const NEVER: [&str; 3] = [
    "sluice_kernel_integrity_failures_total",
    "sluice_access_log_lines_lost_total",
    "sluice_log_lines_lost_total",
];

impl Figures {
    /// As they are now.
    ///
    /// # Panics
    /// When the process is gone.
    pub(crate) fn of(pid: u32, admin: Admin) -> Self {
        let metrics = admin.get("/metrics");
        let entries = |folder: &str| std::fs::read_dir(format!("/proc/{pid}/{folder}")).unwrap().flatten();
        let is_pipe = |target: &PathBuf| target.to_string_lossy().starts_with("pipe:");
        // One may close while this looks.
        let targets = entries("fd").filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
        let (pipes, others): (Vec<_>, Vec<_>) = targets.partition(is_pipe);
        Self {
            descriptors: others.len(),
            pipes: pipes.len(),
            threads: entries("task").count(),
            sockets: sockets().len(),
            map_entries: ["SOCKETS", "LANES"].iter().map(|map| bpf::map_of(pid, map).cookies().len()).sum(),
            gauges: GAUGES.iter().map(|gauge| sum(&metrics, gauge)).sum(),
            resident: Usage::of(pid).resident,
        }
    }

    /// Whether there is not more than there was once.
    pub(crate) fn at_rest(&self, before: &Self) -> bool {
        let bare = (0, 0, 0);
        (self.sockets, self.map_entries, self.gauges) == bare
            && self.descriptors <= before.descriptors
            && self.pipes <= PIPES
    }
}

/// The sum of counters that must be 0.
pub(crate) fn never(admin: Admin) -> Vec<String> {
    let metrics = admin.get("/metrics");
    let counted = NEVER.iter().filter(|counter| sum(&metrics, counter) > 0);
    counted.map(|counter| format!("{counter} is {}", sum(&metrics, counter))).collect()
}

fn sum(metrics: &str, series: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(series));
    let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    values.sum::<f64>() as u64
}

/// Sockets that somebody holds, or that the kernel still has to finish: a line each, with who and what it waits for.
pub(crate) fn sockets() -> Vec<String> {
    let table = net::run("ss", &["-tanoepiOH"]);
    let open = table.lines().filter(|line| !line.starts_with("LISTEN") && !line.starts_with("TIME-WAIT"));
    open.map(str::to_owned).collect()
}

/// Whether the sockets that are left are TCP's alone to finish: nobody holds them, and each has a timer, to repeat what
/// was lost or to forget it. Where segments took seconds, or one after the other was lost, that may be a minute.
/// Keepalive is none: who waits to be accepted has that too.
pub(crate) fn ends_by_itself() -> bool {
    let sockets = sockets();
    let alone = |socket: &String| {
        socket.contains(" timer:(") && !socket.contains(" timer:(keepalive") && !socket.contains(" users:(")
    };
    !sockets.is_empty() && sockets.iter().all(alone)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, pipes, threads, sockets, map_entries, gauges, resident } = self;
        let mebibytes = *resident as f64 / f64::from(1 << 20);
        write!(
            f,
            "{descriptors:>11} {pipes:>5} {threads:>7} {sockets:>7} {map_entries:>11} {gauges:>6} {mebibytes:>8.1} MiB"
        )
    }
}

/// The line above [`Figures`]' own.
pub(crate) const HEADING: &str = "descriptors pipes threads sockets map entries gauges   resident";
