//! A control group with a limit on memory, in either version's hierarchy.

use std::fs;
use std::path::{Path, PathBuf};

/// Two groups, one in the other; the outer has the limit. Removed when dropped, after those within.
#[derive(Debug)]
pub(crate) struct Limited {
    outer: PathBuf,
}

impl Limited {
    /// With this limit in bytes.
    ///
    /// # Panics
    /// Without root or a mounted hierarchy for memory.
    pub(crate) fn new(bytes: u64) -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mount = |wanted: &dyn Fn(&[&str]) -> bool| {
            let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
            mounts.find(|fields| wanted(fields)).map(|fields| PathBuf::from(fields[1]))
        };
        let first =
            mount(&|fields| fields[2] == "cgroup" && fields[3].split(',').any(|word| word == "memory"));
        let (mount, file) = match first {
            Some(mount) => (mount, "memory.limit_in_bytes"),
            None => (mount(&|fields| fields[2] == "cgroup2").expect("cgroups are mounted"), "memory.max"),
        };
        let outer = mount.join(format!("sluice-memory-{}", std::process::id()));
        fs::create_dir(&outer).unwrap();
        let limited = Self { outer };
        fs::create_dir(limited.inner()).unwrap();
        fs::write(limited.outer.join(file), bytes.to_string()).unwrap();
        limited
    }

    /// The file a process writes its id to, to be in the inner one.
    pub(crate) fn door(&self) -> PathBuf {
        self.inner().join("cgroup.procs")
    }

    fn inner(&self) -> PathBuf {
        self.outer.join("inner")
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let gone = |group: &Path| fs::remove_dir(group).is_ok().then_some(());
        // A process that was killed leaves a moment later.
        super::eventually("an empty group", || gone(&self.inner()));
        let _ = gone(&self.outer);
    }
}
