//! CPU time, as the kernel accounts it: of a process with its threads and children, and of the
//! whole machine. Kernel threads that work for a process are only in the latter, and what the host of a virtual
//! machine gave to others.

use std::fs;

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

    /// The processes, by id; the root first.
    pub(super) fn members(&self) -> &[u32] {
        &self.0
    }

    /// Seconds used so far, in user mode and in the kernel. What a member that has ended had used is its parent's.
    pub(super) fn seconds(&self) -> Result<f64> {
        let mut ticks = 0;
        for (at, pid) in self.0.iter().enumerate() {
            let path = format!("/proc/{pid}/stat");
            match fs::read_to_string(&path) {
                Ok(stat) => ticks += used(&stat).with_context(|| path.clone())?,
                Err(error) if at == 0 => return Err(error).with_context(|| path.clone()),
                Err(_) => {}
            }
        }
        Ok(to_seconds(ticks))
    }
}

/// What became of all processors' time together, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Processors {
    /// In which they were not idle.
    pub(super) busy: f64,
    /// In which they had something to do and their host let others run.
    stolen: f64,
    /// All of it.
    whole: f64,
}

impl Processors {
    /// Since boot.
    pub(super) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
        Self::read(&stat).context("/proc/stat has no line `cpu`")
    }

    /// Since an earlier time.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            busy: self.busy - earlier.busy,
            stolen: self.stolen - earlier.stolen,
            whole: self.whole - earlier.whole,
        }
    }

    /// The share that the host gave to others.
    pub(super) fn share_stolen(self) -> f64 {
        // Between two ticks nothing is known.
        if self.whole > 0.0 { self.stolen / self.whole } else { 0.0 }
    }

    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line.split_whitespace().map_while(|n| n.parse().ok()).collect();
        // What guests used is in user and nice too.
        let [user, nice, system, _idle, _wait, irq, softirq, stolen] = *ticks.first_chunk()?;
        let whole = ticks[..8].iter().sum();
        let busy = user + nice + system + irq + softirq;
        Some(Self { busy: to_seconds(busy), stolen: to_seconds(stolen), whole: to_seconds(whole) })
    }
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

#[expect(clippy::cast_precision_loss, reason = "2^53 ticks are millions of years")]
fn to_seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::{Processors, Tree, field, to_seconds, used};

    const STAT: &str = "42 (tmux: (x) y) S 7 42 42 0 -1 4194560 100 0 0 0 11 22 3 4 20 0 1 0 12345 1 2";

    #[test]
    fn reads_fields_behind_any_name() {
        assert_eq!(field(STAT, 4), Some(7));
        assert_eq!(used(STAT), Some(40));
        assert_eq!(used("42 (x) S 7"), None);
    }

    #[test]
    fn tells_busy_idle_and_stolen_time_apart() {
        let read = |stat| Processors::read(stat);
        let earlier = read("cpu  1 2 4 1000 1000 8 16 969 0 0\ncpu0 9 9 9").unwrap();
        assert!(
            (earlier.busy - to_seconds(31)).abs() < 1e-9 && (earlier.share_stolen() - 0.323).abs() < 1e-9
        );
        let later = read("cpu  51 2 4 1040 1000 8 16 979 50 0").unwrap().since(earlier);
        assert!((later.busy - to_seconds(50)).abs() < 1e-9 && (later.share_stolen() - 0.1).abs() < 1e-9);
        assert!(earlier.since(earlier).share_stolen().abs() < 1e-9);
        assert!(read("intr 5").is_none() && read("cpu  1 2 3").is_none());
    }

    #[test]
    fn counts_this_process() {
        let tree = Tree::of(std::process::id()).unwrap();
        assert!(tree.seconds().unwrap() >= 0.0);
        assert!(Processors::now().unwrap().busy > 0.0);
    }
}
