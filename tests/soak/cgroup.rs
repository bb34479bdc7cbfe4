//! A memory cgroup for sluice, of either version, in which the kernel can be made short of memory.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::eventually;

/// Bytes that are left to take.
const MORE: u64 = 256 << 10;

/// One; gone when dropped, if nobody lives in it.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
    /// The file that bounds memory.
    bound: &'static str,
    unbounded: String,
}

/// Of version 1: memory of TCP sockets alone, which is refused beyond it.
const TCP: &str = "memory.kmem.tcp.limit_in_bytes";

/// Of version 2: all memory, which is taken back beyond it.
const HIGH: &str = "memory.high";

impl Cgroup {
    /// `None` where no controller of memory is mounted.
    pub(crate) fn new() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let mounted = mounts.lines().filter_map(|line| {
            let [_, place, kind, options, ..] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
            let ours = kind == "cgroup2" || (kind == "cgroup" && options.split(',').any(|o| o == "memory"));
            ours.then(|| PathBuf::from(place))
        });
        mounted.filter_map(|root| Self::within(&root)).next()
    }

    fn within(root: &Path) -> Option<Self> {
        let folder = root.join(format!("sluice-soak-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let bound = [TCP, HIGH].into_iter().find(|file| folder.join(file).exists());
        let unbounded = bound.and_then(|file| fs::read_to_string(folder.join(file)).ok());
        match (bound, unbounded) {
            (Some(bound), Some(unbounded)) => Some(Self { folder, bound, unbounded }),
            _ => {
                let _ = fs::remove_dir(&folder);
                None
            }
        }
    }

    /// The file that a process writes its id to.
    pub(crate) fn door(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// Leaves it what it uses now, and next to nothing more.
    ///
    /// # Panics
    /// When the kernel does not take a bound.
    pub(crate) fn squeeze(&self) {
        let used = match self.bound {
            TCP => "memory.kmem.tcp.usage_in_bytes",
            _ => "memory.current",
        };
        // Version 1 refuses a bound below what is used, which changes all the time.
        eventually("a bound on memory", || {
            let used: u64 = fs::read_to_string(self.folder.join(used)).unwrap().trim().parse().unwrap();
            fs::write(self.folder.join(self.bound), (used + MORE).to_string()).ok()
        });
    }

    pub(crate) fn relieve(&self) {
        fs::write(self.folder.join(self.bound), self.unbounded.trim()).unwrap();
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}
