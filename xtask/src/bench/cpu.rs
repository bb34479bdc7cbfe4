//! CPU time, as the kernel accounts it: of a process with its threads and children, and of the
//! whole machine. Kernel threads that work for a process are only in the latter.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A process and all that it started, ourselves or through others.
#[derive(Debug, Clone)]
pub(super) struct Tree(Vec<u32>);

impl Tree {
    /// The tree as it is now under `root`.
    pub(super) fn of(root: u32) -> Result<Self> {
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            if let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok())
                // A process may end while we look.
                && let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat"))
                && let Some(parent) = field(&stat, 4)
            {
                parents.push((pid, u32::try_from(parent)?));
            }
        }
        let mut tree = vec![root];
        let mut next = 0;
        while let Some(&member) = tree.get(next) {
            tree.extend(parents.iter().filter(|(_, parent)| *parent == member).map(|(pid, _)| *pid));
            next += 1;
        }
        Ok(Self(tree))
    }

    /// Seconds used so far, in user mode and in the kernel.
    pub(super) fn seconds(&self) -> Result<f64> {
        let mut ticks = 0;
        for pid in &self.0 {
            let path = format!("/proc/{pid}/stat");
            let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
            ticks += used(&stat).with_context(|| path.clone())?;
        }
        Ok(to_seconds(ticks))
    }
}

/// Seconds that all processors together were not idle, since boot.
pub(super) fn machine() -> Result<f64> {
    let path = Path::new("/proc/stat");
    let stat = fs::read_to_string(path).context("/proc/stat")?;
    Ok(to_seconds(busy(&stat).context("/proc/stat has no line `cpu`")?))
}

/// Field `number` of /proc/PID/stat, from 1 as in proc(5).
fn field(stat: &str, number: usize) -> Option<u64> {
    // The name may hold spaces and brackets; what follows its last bracket is field 3.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split_whitespace().nth(number - 3)?.parse().ok()
}

/// utime and stime, and the same of children that have ended.
fn used(stat: &str) -> Option<u64> {
    (14..=17).map(|number| field(stat, number)).sum()
}

/// user, nice, system, irq and softirq: neither idle nor waiting, nor stolen by the hypervisor.
fn busy(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|n| n.parse().ok()).collect();
    [0, 1, 2, 5, 6].iter().map(|&at| ticks.get(at)).sum()
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ticks are millions of years")]
fn to_seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::{Tree, busy, field, machine, used};

    const STAT: &str = "42 (tmux: (x) y) S 7 42 42 0 -1 4194560 100 0 0 0 11 22 3 4 20 0 1 0 12345 1 2";

    #[test]
    fn reads_fields_behind_any_name() {
        assert_eq!(field(STAT, 4), Some(7));
        assert_eq!(used(STAT), Some(40));
        assert_eq!(used("42 (x) S 7"), None);
    }

    #[test]
    fn leaves_out_idle_wait_and_stolen_time() {
        assert_eq!(busy("cpu  1 2 4 1000 1000 8 16 1000 0 0\ncpu0 9 9 9"), Some(31));
        assert_eq!(busy("intr 5"), None);
    }

    #[test]
    fn counts_this_process() {
        let tree = Tree::of(std::process::id()).unwrap();
        assert!(tree.seconds().unwrap() >= 0.0);
        assert!(machine().unwrap() > 0.0);
    }
}
