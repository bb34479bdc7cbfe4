//! `cargo xtask setup`: what a bare machine lacks to build, run and test sluice. Doing it twice does nothing.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::apt::Apt;
use crate::bpf::{self, Bpf};
use crate::pip::Wheel;
use crate::{bench, cmd, kubernetes};

/// Debian's own compiler and its sources, for machines that cannot get a nightly.
const DEBIAN_RUST: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// What linking bpf-linker takes, besides llvm-N-dev.
const BUILD: [&str; 4] = ["g++", "libc6-dev", "libzstd-dev", "zlib1g-dev"];

/// What the tests let sluice stand between: package, and a program of it.
const TEST: [(&str, &str); 17] = [
    ("bpftool", "bpftool"),
    ("curl", "curl"),
    ("iproute2", "ip"),
    ("iptables", "iptables"),
    ("netcat-openbsd", "nc"),
    ("nftables", "nft"),
    ("openssh-client", "ssh"),
    ("openssh-server", "sshd"),
    ("openssl", "openssl"),
    ("postgresql", "pg_ctlcluster"),
    ("postgresql-contrib", "pgbench"),
    ("prometheus", "promtool"),
    ("python3", "python3"),
    ("redis-server", "redis-server"),
    ("redis-tools", "redis-benchmark"),
    ("socat", "socat"),
    ("strace", "strace"),
];

/// A libpq that asks for TLS without asking first, newer than any Debian's psql.
const PSYCOPG: Wheel = Wheel {
    requirement: "psycopg[binary]==3.3.9",
    folder: "psycopg",
    landmark: "psycopg-3.3.9.dist-info/METADATA",
    whole: true,
};

/// The toolchain that brings its own sources.
const NIGHTLY: &str = "nightly";

const LINKER_VERSION: &str = "^0.13";

/// How much is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What `cargo build` and `cargo xtask run` need.
    Build,
    /// That, and the peers that the tests talk to.
    All,
    /// What building needs, and the proxies that `cargo xtask bench` compares with.
    Bench,
}

/// Installs what is missing for `scope`.
pub(crate) fn run(scope: Scope) -> Result<()> {
    let apt = Apt::here();
    if !cmd::installed("rustup") {
        bail!("rustup is missing: it drives the compiler for the kernel side; see https://rustup.rs");
    }
    build_tools(apt.as_ref())?;
    match scope {
        Scope::Build => Ok(()),
        Scope::All => test_peers(apt.as_ref()),
        Scope::Bench => bench::install(apt.as_ref()),
    }
}

/// Adds clippy to the toolchain that compiles the kernel side; only `check` needs it.
pub(crate) fn clippy(toolchain: &str) -> Result<()> {
    match Apt::here() {
        Some(apt) if toolchain == bpf::LINKED => {
            apt.install(&["rust-web-clippy"], "checking the kernel side")
        }
        _ => cmd::run(Command::new("rustup").args(["component", "add", "clippy", "--toolchain", toolchain])),
    }
}

/// Adds what building libFuzzer and making its seeds takes.
pub(crate) fn fuzzing() -> Result<()> {
    match Apt::here() {
        Some(apt) => apt.install(&["g++", "libc6-dev", "openssl"], "fuzzing"),
        None => Ok(()),
    }
}

/// Adds what booting another kernel takes, besides qemu.
pub(crate) fn emulation() -> Result<()> {
    const PACKAGES: [&str; 5] = ["binutils", "bpftool", "busybox-static", "debian-archive-keyring", "kmod"];
    let apt = Apt::here().context("kernels to emulate come from Debian, by apt")?;
    apt.install(&PACKAGES, "emulating another kernel")
}

fn build_tools(apt: Option<&Apt>) -> Result<()> {
    if let Some(apt) = apt {
        apt.install(&BUILD, "building bpf-linker")?;
    }
    let chosen = choose(apt)?;
    let llvm = chosen.llvm;
    if let Some(apt) = apt {
        apt.install(&[&format!("llvm-{llvm}-dev")], "building bpf-linker")?;
    }
    linker(llvm)?;
    let record = bpf::record(&cmd::target_dir());
    if fs::read_to_string(&record).unwrap_or_default() != chosen.name {
        eprintln!("setup: the kernel side is compiled by toolchain {} (LLVM {llvm})", chosen.name);
        fs::write(&record, &chosen.name).with_context(|| record.display().to_string())?;
    }
    match Bpf::find(&cmd::target_dir()) {
        Ok(_) => Ok(()),
        Err(why) => bail!("set-up is done, and yet {why}"),
    }
}

struct Toolchain {
    name: String,
    llvm: u32,
}

/// The recorded toolchain, a linked one, a nightly that is there, the distribution's, or at last a new nightly.
fn choose(apt: Option<&Apt>) -> Result<Toolchain> {
    let recorded = fs::read_to_string(bpf::record(&cmd::target_dir())).unwrap_or_default();
    for name in [recorded.trim(), bpf::LINKED, NIGHTLY] {
        if let Some(found) = usable(name, apt)? {
            return Ok(found);
        }
    }
    if cmd::ask("rustup", &["run", NIGHTLY, "rustc", "--version"]).is_some() && !bpf::has_core_source(NIGHTLY)
    {
        eprintln!("setup: adding rust-src to Rust nightly, to compile for eBPF");
        if let Some(found) = after(&["component", "add", "rust-src", "--toolchain", NIGHTLY], NIGHTLY, apt)? {
            return Ok(found);
        }
    }
    // Before a new nightly: today's may be built on an LLVM that no package brings yet. Seen.
    if let Some(apt) = apt
        && apt.offers(DEBIAN_RUST[0])?
    {
        apt.install(&DEBIAN_RUST, "compiling the kernel side")?;
        eprintln!("setup: linking Debian's compiler as rustup toolchain {}", bpf::LINKED);
        if let Some(found) = after(&["toolchain", "link", bpf::LINKED, "/usr"], bpf::LINKED, Some(apt))? {
            return Ok(found);
        }
    }
    eprintln!("setup: installing Rust nightly with rust-src, to compile for eBPF");
    let install = ["toolchain", "install", NIGHTLY, "--profile", "minimal", "--component", "rust-src"];
    after(&install, NIGHTLY, apt)?.with_context(|| {
        format!(
            "nothing here compiles for eBPF. Install a Rust nightly with rust-src (`rustup {}`), the development \
             files of that compiler's LLVM under $LLVM_PREFIX, and a C++ compiler with the headers of zstd and zlib \
             (on Debian: {}, llvm-N-dev, {}). A sluice for userspace only needs none of it: cargo build \
             --no-default-features",
            install.join(" "),
            DEBIAN_RUST.join(", "),
            BUILD.join(", ")
        )
    })
}

/// The toolchain, if usable once this rustup command has run. A command that fails is reported, and no error.
fn after(rustup: &[&str], name: &str, apt: Option<&Apt>) -> Result<Option<Toolchain>> {
    if let Err(e) = cmd::run(Command::new("rustup").args(rustup)) {
        eprintln!("setup: {e:#}");
        return Ok(None);
    }
    usable(name, apt)
}

/// A toolchain with sources of core, and an LLVM that bpf-linker can be linked with here.
fn usable(name: &str, apt: Option<&Apt>) -> Result<Option<Toolchain>> {
    if !bpf::has_core_source(name) {
        return Ok(None);
    }
    let llvm = llvm_major(name)?;
    let linkable = match apt {
        _ if linker_is_built(llvm) => true,
        Some(apt) => apt.offers(&format!("llvm-{llvm}-dev"))?,
        None => llvm_prefix(llvm).is_dir(),
    };
    Ok(linkable.then(|| Toolchain { name: name.to_owned(), llvm }))
}

/// The major version of the LLVM a toolchain is built on.
pub(crate) fn llvm_major(toolchain: &str) -> Result<u32> {
    let version = cmd::ask("rustup", &["run", toolchain, "rustc", "-vV"])
        .with_context(|| format!("rustup run {toolchain} rustc -vV"))?;
    parse_llvm_major(&version).with_context(|| format!("toolchain {toolchain} names no LLVM version"))
}

fn parse_llvm_major(version: &str) -> Option<u32> {
    let line = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.parse().ok()
}

/// Where that LLVM is installed.
pub(crate) fn llvm_prefix(major: u32) -> PathBuf {
    std::env::var_os("LLVM_PREFIX").map_or_else(|| format!("/usr/lib/llvm-{major}").into(), PathBuf::from)
}

fn linker_stamp(major: u32) -> String {
    format!("bpf-linker {LINKER_VERSION}, LLVM {major}\n")
}

fn linker_is_built(major: u32) -> bool {
    let tools = cmd::target_dir().join("tools");
    let bin = tools.join("bin/bpf-linker");
    fs::read_to_string(tools.join("bpf-linker.stamp")).is_ok_and(|stamp| stamp == linker_stamp(major))
        // It is linked with the system's LLVM, which may have gone.
        && cmd::ask(&bin.to_string_lossy(), &["--version"]).is_some()
}

fn linker(major: u32) -> Result<()> {
    if linker_is_built(major) {
        return Ok(());
    }
    let prefix = llvm_prefix(major);
    ensure!(
        prefix.is_dir(),
        "bpf-linker needs LLVM {major}'s development files, and {} is missing: install them, or set LLVM_PREFIX",
        prefix.display()
    );
    eprintln!("setup: building bpf-linker for LLVM {major} into target/tools (once, about a minute)");
    let tools = cmd::target_dir().join("tools");
    let feature = format!("llvm-{major}");
    let mut install =
        cmd::cargo(&["install", "bpf-linker", "--version", LINKER_VERSION, "--locked", "--force"]);
    install
        .args(["--no-default-features", "--features", &feature, "--root"])
        .arg(&tools)
        .env("LLVM_PREFIX", prefix);
    cmd::run(&mut install)?;
    fs::write(tools.join("bpf-linker.stamp"), linker_stamp(major))
        .with_context(|| tools.display().to_string())
}

fn test_peers(apt: Option<&Apt>) -> Result<()> {
    let missing: Vec<_> = match apt {
        Some(apt) => {
            apt.install(&TEST.map(|(package, _)| package), "the tests (some may start as services)")?;
            Vec::new()
        }
        None => TEST.iter().filter(|(_, program)| !cmd::installed(program)).map(|(p, _)| *p).collect(),
    };
    if let Err(error) = PSYCOPG.install(apt) {
        eprintln!("setup: the test of libpq's direct negotiation will fail without it: {error:#}");
    }
    if let Err(error) = kubernetes::install(apt) {
        eprintln!("setup: the tests of config/deploy will fail without it: {error:#}");
    }
    if !missing.is_empty() {
        eprintln!(
            "setup: this system has no apt. Tests that need them will fail until you install: {}",
            missing.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_llvm_major;

    #[test]
    fn reads_the_llvm_major_from_rustc() {
        assert_eq!(parse_llvm_major("release: 1.96.0\nLLVM version: 22.1.8\n"), Some(22));
        assert_eq!(parse_llvm_major("release: 1.96.0\n"), None);
    }
}
