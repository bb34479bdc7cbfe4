//! How much memory there is for this process: the machine's, or what its control groups leave of it.

use std::fs;
use std::path::{Component, Path};

use procfs::process::{MountInfo, Process};
use procfs::{Current, Meminfo, ProcessCGroup};

/// Bytes: the machine's memory, or the lowest limit of a control group that this process is in. `None` where /proc
/// tells neither.
pub(super) fn available() -> Option<u64> {
    let machine = Meminfo::current().ok().map(|memory| memory.mem_total);
    machine.into_iter().chain(cgroup_limit()).min()
}

fn cgroup_limit() -> Option<u64> {
    let process = Process::myself().ok()?;
    let (groups, mounts) = (process.cgroups().ok()?.0, process.mountinfo().ok()?.0);
    lowest(&groups, &mounts, &|path| fs::read_to_string(path).ok())
}

/// The lowest limit of all hierarchies: a machine may have one of each version.
fn lowest(
    groups: &[ProcessCGroup],
    mounts: &[MountInfo],
    read: &dyn Fn(&Path) -> Option<String>,
) -> Option<u64> {
    let limits = groups.iter().flat_map(|group| {
        let (kind, file) = match group.hierarchy {
            0 => ("cgroup2", "memory.max"),
            _ => ("cgroup", "memory.limit_in_bytes"),
        };
        let is_its = |mount: &&MountInfo| {
            mount.fs_type == kind && (group.hierarchy == 0 || mount.super_options.contains_key("memory"))
        };
        let concerned = group.hierarchy == 0 || group.controllers.iter().any(|one| one == "memory");
        mounts
            .iter()
            .filter(move |_| concerned)
            .filter(is_its)
            .filter_map(|mount| limit_along(&group.pathname, mount, file, read))
            .collect::<Vec<_>>()
    });
    limits.min()
}

/// The lowest limit from the group at `path` up to what is mounted.
fn limit_along(
    path: &str,
    mount: &MountInfo,
    file: &str,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Option<u64> {
    // Both are as seen from the group that is this process's namespace's root; what is outside is not mounted.
    let below = Path::new(path).strip_prefix(&mount.root).ok()?;
    if below.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    // "max", as the second version writes for none, is no number; the first writes a very large one.
    below
        .ancestors()
        .filter_map(|group| read(&mount.mount_point.join(group).join(file))?.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use procfs::process::MountInfos;
    use procfs::{FromBufRead, ProcessCGroups};

    use super::lowest;

    const V2: &str = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

    fn limit(groups: &str, mounts: &str, files: &[(&str, &str)]) -> Option<u64> {
        let groups = ProcessCGroups::from_buf_read(groups.as_bytes()).unwrap();
        let mounts = MountInfos::from_buf_read(mounts.as_bytes()).unwrap();
        let read = |path: &Path| {
            files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, t)| (*t).to_owned())
        };
        lowest(&groups.0, &mounts.0, &read)
    }

    #[test]
    fn the_lowest_limit_of_the_hierarchy_counts() {
        let files = [
            ("/sys/fs/cgroup/pods/pod/memory.max", "max\n"),
            ("/sys/fs/cgroup/pods/memory.max", "1000\n"),
            ("/sys/fs/cgroup/memory.max", "2000\n"),
        ];
        assert_eq!(limit("0::/pods/pod\n", V2, &files), Some(1000));
        assert_eq!(limit("0::/other\n", V2, &files), Some(2000));
        assert_eq!(limit("0::/pods/pod\n", V2, &files[..1]), None);
    }

    #[test]
    fn a_container_sees_its_own_group_alone() {
        let mounts = "30 1 0:26 /pods/pod /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        let files = [("/sys/fs/cgroup/memory.max", "1000\n")];
        assert_eq!(limit("0::/pods/pod\n", mounts, &files), Some(1000));
        // In a namespace of its own, and in somebody else's.
        assert_eq!(limit("0::/\n", V2, &files), Some(1000));
        assert_eq!(limit("0::/../../pods/pod\n", V2, &files), None);
    }

    #[test]
    fn the_first_version_has_a_hierarchy_for_memory() {
        let mounts = "31 1 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      32 1 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      30 1 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let files = [
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/cpu/a/memory.limit_in_bytes", "1\n"),
        ];
        assert_eq!(limit("4:memory:/a\n1:cpu:/a\n0::/\n", mounts, &files), Some(1000));
    }
}
