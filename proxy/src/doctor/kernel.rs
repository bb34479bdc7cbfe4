//! The kernel itself: version, types, compiler.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::{fs, io};

use super::finding::Finding;

/// The oldest kernel that runs the verdict on what a socket received before it was inserted
/// (ea444185a6bf), without which the kernel relay cannot start every connection.
const OLDEST: (u32, u32) = (6, 1);

const BTF: &str = "/sys/kernel/btf/vmlinux";
const JIT: &str = "/proc/sys/net/core/bpf_jit_enable";

/// First two bytes of any BTF, in the machine's own order.
const BTF_MAGIC: u16 = 0xeb9f;

pub(super) fn probe() -> Vec<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    vec![version(release.trim()), btf(btf_magic()), jit(fs::read_to_string(JIT))]
}

pub(super) fn version(release: &str) -> Finding {
    let what = "kernel version";
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => Finding::ok(what, release),
        (Some(Ok(_)), Some(Ok(_))) => Finding::degraded(
            what,
            format!("{release}: too old for the kernel relay to be trusted, the self-test below decides"),
            format!("run Linux {}.{} or newer", OLDEST.0, OLDEST.1),
        ),
        _ => Finding::degraded(what, format!("{release:?}: unknown"), "the self-test below decides"),
    }
}

fn btf_magic() -> io::Result<u16> {
    let mut magic = [0; 2];
    File::open(BTF)?.read_exact(&mut magic)?;
    Ok(u16::from_ne_bytes(magic))
}

pub(super) fn btf(magic: io::Result<u16>) -> Finding {
    let what = "kernel types (BTF)";
    let detail = match magic {
        Ok(BTF_MAGIC) => return Finding::ok(what, BTF),
        Ok(other) => format!("{BTF} begins with {other:#06x}, not {BTF_MAGIC:#06x}"),
        Err(error) => format!("{BTF}: {error}"),
    };
    Finding::degraded(
        what,
        detail,
        "harmless for sluice, whose program reads no kernel structure; \
         tools that trace it (bpftrace, perf) want CONFIG_DEBUG_INFO_BTF",
    )
}

pub(super) fn jit(setting: io::Result<String>) -> Finding {
    let what = "BPF compiler (JIT)";
    match setting.as_deref().map(str::trim) {
        Ok("0") => Finding::degraded(
            what,
            "net.core.bpf_jit_enable = 0: the program is interpreted",
            "sysctl -w net.core.bpf_jit_enable=1",
        ),
        Ok(on) => Finding::ok(what, format!("net.core.bpf_jit_enable = {on}")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Finding::ok(what, "not told in this network namespace; on in every distribution's kernel")
        }
        Err(error) => Finding::ok(what, format!("not told to this user ({error})")),
    }
}
