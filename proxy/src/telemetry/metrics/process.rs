//! What Prometheus' client libraries tell of a process, read from /proc/self.

use std::fs;

use prometheus::{Counter, Gauge, IntGauge, Registry};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::super::names;
use super::{opts, register, signed};

/// The process's own families; prometheus' feature for them would bring a second rustix.
#[derive(Debug)]
pub(super) struct Process {
    cpu: Counter,
    open_fds: IntGauge,
    max_fds: IntGauge,
    resident: IntGauge,
    virt: IntGauge,
    start: Gauge,
}

impl Process {
    pub(super) fn new(r: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            cpu: register(r, Counter::with_opts(opts(&names::PROCESS_CPU)))?,
            open_fds: register(r, IntGauge::with_opts(opts(&names::PROCESS_OPEN_FDS)))?,
            max_fds: register(r, IntGauge::with_opts(opts(&names::PROCESS_MAX_FDS)))?,
            resident: register(r, IntGauge::with_opts(opts(&names::PROCESS_RESIDENT)))?,
            virt: register(r, IntGauge::with_opts(opts(&names::PROCESS_VIRTUAL)))?,
            start: register(r, Gauge::with_opts(opts(&names::PROCESS_START)))?,
        })
    }

    /// Reads everything anew; what /proc does not tell stays as it was.
    pub(super) fn refresh(&self) {
        if let Some(open) = open_descriptors() {
            self.open_fds.set(signed(open));
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            self.max_fds.set(signed(most));
        }
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
            let ticks = clock_ticks_per_second() as f64;
            let spent = stat.cpu_ticks as f64 / ticks;
            self.cpu.inc_by((spent - self.cpu.get()).max(0.0));
            self.virt.set(signed(stat.virtual_bytes));
            self.resident.set(signed(stat.resident_pages.saturating_mul(page_size() as u64)));
            if let Some(boot) = boot_time() {
                self.start.set(boot as f64 + stat.start_ticks as f64 / ticks);
            }
        }
    }
}

/// The fields of proc_pid_stat(5) that are of use here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) cpu_ticks: u64,
    pub(super) start_ticks: u64,
    pub(super) virtual_bytes: u64,
    pub(super) resident_pages: u64,
}

impl Stat {
    pub(super) fn parse(text: &str) -> Option<Self> {
        // The second field is the command in parentheses, which may hold anything, also `)`.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn open_descriptors() -> Option<u64> {
    // Since Linux 6.2 the folder's size is the number; listing it takes long where there are many.
    let size = fs::metadata("/proc/self/fd").ok()?.len();
    if size > 0 {
        return Some(size);
    }
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

fn boot_time() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
