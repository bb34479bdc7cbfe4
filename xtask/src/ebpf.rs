//! `cargo xtask ebpf`: the kernel object by itself.

use std::env::consts::ARCH;
use std::process::Command;

use anyhow::{Result, anyhow};

use crate::bpf::Bpf;
use crate::{cmd, setup};

/// Byte order of the kernel's eBPF machine, which is the host's.
const ENDIAN: &str = if cfg!(target_endian = "big") { "big" } else { "little" };

/// Compiles the object and lists its sections, or its instructions.
pub(crate) fn run(disassemble: bool) -> Result<()> {
    setup::run(setup::Scope::Build)?;
    let bpf = toolchain()?;
    cmd::run(bpf.cargo("build", ARCH, ENDIAN).current_dir(cmd::root()))?;
    let object = bpf.object(ENDIAN);
    let llvm = setup::llvm_prefix(setup::llvm_major(&bpf.toolchain)?);
    let flags: &[&str] = if disassemble { &["-d", "-r", "-S", "-l"] } else { &["-h"] };
    cmd::run(Command::new(llvm.join("bin/llvm-objdump")).args(flags).arg(&object))?;
    println!("{}", object.display());
    Ok(())
}

/// Lints the kernel side; by the compiler's own lints alone where its toolchain cannot get clippy.
pub(crate) fn lint() -> Result<()> {
    let bpf = toolchain()?;
    let has_clippy =
        || cmd::ask("rustup", &["run", &bpf.toolchain, "cargo", "clippy", "--version"]).is_some();
    if !has_clippy()
        && let Err(e) = setup::clippy(&bpf.toolchain)
    {
        eprintln!("check: no clippy for toolchain {}: {e:#}", bpf.toolchain);
    }
    let mut lint = if has_clippy() {
        let mut clippy = bpf.cargo("clippy", ARCH, ENDIAN);
        clippy.args(["--", "-D", "warnings"]);
        clippy
    } else {
        eprintln!("check: the kernel side is checked by rustc's own lints only");
        let mut rustc = bpf.cargo("rustc", ARCH, ENDIAN);
        rustc.args(["--bin", "sluice-ebpf", "--", "-D", "warnings"]);
        rustc
    };
    cmd::run(lint.current_dir(cmd::root()))
}

fn toolchain() -> Result<Bpf> {
    Bpf::find(&cmd::target_dir()).map_err(|why| anyhow!("{why}: run `cargo xtask setup`"))
}
