//! System calls that serving never makes, refused by a seccomp filter: a process that has been taken over can neither
//! run programs, nor rearrange files, nor use what CAP_NET_ADMIN allows beyond its one purpose. What serving makes
//! is not listed: that is the C library's to change, and a call forgotten would be an outage.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, Ge, Gt, Le, Ne};
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};

/// Refused whatever their arguments are.
const NEVER: &[c_long] = &[
    // Other programs, and other processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    // Other identities.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_personality,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Other namespaces and file systems.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    // CAP_DAC_READ_SEARCH would open what lies outside a container.
    libc::SYS_open_by_handle_at,
    // Files are read, and lines appended to some.
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    // Ways around this filter, or into bugs that others have found here before.
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
];

/// The same by their former names, which newer architectures have not.
#[cfg(target_arch = "x86_64")]
const FORMER: &[c_long] = &[
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mkdir,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const FORMER: &[c_long] = &[];

/// Commands of bpf(2) that read and write elements of maps; the others load programs and attach them.
const MAP_ELEMENTS: (u64, u64) = (1, 4);

/// The range of ioctl(2)'s requests about network devices and routes, from SIOCADDRT on; before it are a socket's own,
/// SIOCATMARK among them (include/uapi/asm-generic/sockios.h and linux/sockios.h).
const DEVICES: (u64, u64) = (0x890b, 0x89ff);

/// From here on options of both IP levels are netfilter's (`IPT_BASE_CTL`), as far as IPv4 goes.
const NETFILTER: u64 = 64;

/// `IP6T_BASE_CTL` and the one after it; others of IPv6 follow.
const NETFILTER6: (u64, u64) = (64, 65);

/// Refuses them to every thread with EPERM, for good.
pub(super) fn forbid() -> Result<(), Error> {
    apply_filter_all_threads(&filter()?)
}

fn filter() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<_, _> = NEVER.iter().chain(FORMER).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_bpf, vec![rule(&[(0, Eq, 0)])?, rule(&[(0, Gt, MAP_ELEMENTS.1)])?]);
    // No netlink, which CAP_NET_ADMIN would change routes by, nor packets or whatever else there is.
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
    let other: Vec<_> = families.iter().map(|family| (0, Ne, family.unsigned_abs().into())).collect();
    rules.insert(libc::SYS_socket, vec![rule(&other)?]);
    rules.insert(libc::SYS_ioctl, vec![rule(&[(1, Ge, DEVICES.0), (1, Le, DEVICES.1)])?]);
    let level = |level: i32| (1, Eq, level.unsigned_abs().into());
    let options = vec![
        rule(&[level(libc::IPPROTO_IP), (2, Ge, NETFILTER)])?,
        rule(&[level(libc::IPPROTO_IPV6), (2, Ge, NETFILTER6.0), (2, Le, NETFILTER6.1)])?,
    ];
    rules.insert(libc::SYS_setsockopt, options);
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refused, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// Holds where all of these do: index of an argument, comparison, and with what.
fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.iter().map(|(argument, comparison, value)| {
        SeccompCondition::new(*argument, Dword, comparison.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::io::{ErrorKind, Write};
    use std::os::fd::AsFd;
    use std::process::Command;
    use std::thread;

    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketType, netdevice, socket, sockopt};
    use seccompiler::apply_filter;

    use super::filter;
    use crate::config::settings::Settings;
    use crate::relay::kernel::KernelRelay;
    use crate::relay::socket::at_urgent_mark;

    /// On a thread of its own, which nothing else depends on.
    fn restricted(what: impl FnOnce() + Send + 'static) {
        let thread = thread::spawn(|| {
            apply_filter(&filter().unwrap()).unwrap();
            what();
        });
        thread.join().unwrap();
    }

    #[test]
    fn programs_are_not_run_and_files_stay_where_they_are() {
        let path = std::env::temp_dir().join(format!("sluice-restricted-{}", std::process::id()));
        fs::write(&path, "a line\n").unwrap();
        let kept = path.clone();
        restricted(move || {
            let refused = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            refused(Command::new("true").spawn().unwrap_err());
            refused(fs::remove_file(&path).unwrap_err());
            refused(fs::rename(&path, path.with_extension("moved")).unwrap_err());
            refused(fs::create_dir(path.with_extension("folder")).unwrap_err());
            refused(fs::set_permissions(&path, fs::metadata(&path).unwrap().permissions()).unwrap_err());
            OpenOptions::new().append(true).open(&path).unwrap().write_all(b"another\n").unwrap();
            File::create(&path).unwrap();
        });
        fs::remove_file(kept).unwrap();
    }

    #[test]
    fn of_what_an_administrator_of_networks_may_one_thing_is_left() {
        restricted(|| {
            for family in [AddressFamily::NETLINK, AddressFamily::PACKET, AddressFamily::VSOCK] {
                assert_eq!(socket(family, SocketType::DGRAM, None).unwrap_err(), Errno::PERM);
            }
            let inet = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
            assert_eq!(netdevice::name_to_index(&inet, "lo"), Err(Errno::PERM));
            sockopt::set_socket_send_buffer_size(&inet, 1 << 16).unwrap();
            sockopt::set_ip_tos(&inet, 0x10).unwrap();
            // What the relays ask of a socket is not refused.
            assert!(!at_urgent_mark(inet.as_fd()));
            assert_eq!(rustix::io::ioctl_fionread(File::open("/etc/hosts").unwrap()).map(|_| ()), Ok(()));
        });
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "`.ci/run` looks for it")]
    fn no_kernel_program_is_loaded_any_more_and_maps_go_on() {
        let load = || KernelRelay::load(&Settings::default().kernel, 8, false);
        match load() {
            Ok(loaded) => restricted(move || {
                assert!(loaded.answers());
                let error = anyhow::Error::new(load().unwrap_err());
                let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
                assert!(causes.any(|cause| cause.kind() == ErrorKind::PermissionDenied), "{error:#}");
            }),
            Err(error) => {
                println!("SKIPPED(bpf) no_kernel_program_is_loaded_any_more_and_maps_go_on: {error}")
            }
        }
    }
}
