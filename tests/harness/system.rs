//! What the machine says of processes and memory.

use std::fs;
use std::time::Duration;

/// Clock ticks of procfs: USER_HZ, 100 on every Linux that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// Context switches of all its threads, voluntary or not.
    pub(crate) switches: u64,
    /// Resident memory in bytes.
    pub(crate) resident: u64,
}

impl Usage {
    /// Reads them.
    ///
    /// # Panics
    /// When the process is gone.
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = field(&status, "VmRSS:").unwrap_or(0) * 1024;
        let mut usage = Self { cpu: cpu_time(&format!("/proc/{pid}/stat")), switches: 0, resident };
        for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            usage.switches += field(&status, "voluntary_ctxt_switches:").unwrap_or(0)
                + field(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
        }
        usage
    }
}

/// Bytes of memory that are there for the taking.
///
/// # Panics
/// Without /proc/meminfo.
pub(crate) fn available_memory() -> u64 {
    field(&fs::read_to_string("/proc/meminfo").unwrap(), "MemAvailable:").unwrap() * 1024
}

/// CPU time of all kernel workers, which send what the verdict redirected.
pub(crate) fn kworker_time() -> Duration {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let kworkers = processes
        .filter(|p| fs::read_to_string(p.path().join("comm")).is_ok_and(|comm| comm.starts_with("kworker")));
    kworkers.map(|p| cpu_time(p.path().join("stat").to_str().unwrap())).sum()
}

fn cpu_time(stat: &str) -> Duration {
    let text = fs::read_to_string(stat).unwrap_or_default();
    // The name may hold spaces; utime and stime are the 12th and 13th field behind it.
    let behind = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u32 = behind.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u32>().ok()).sum();
    TICK * ticks
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
