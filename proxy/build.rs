//! Compiles the kernel side and leaves it in `OUT_DIR/sluice-ebpf` to be embedded; without feature `ebpf` does nothing.

#![allow(clippy::print_stdout, reason = "how a build script talks to cargo")]

#[path = "../xtask/src/bpf.rs"]
#[allow(dead_code, reason = "xtask uses the rest")]
mod bpf;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, ensure};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_EBPF").is_none() {
        return ExitCode::SUCCESS;
    }
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("cargo::error={e:#}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<()> {
    for path in ["../proxy-ebpf", "../proxy-common", "../Cargo.toml", "../Cargo.lock", "../xtask/src/bpf.rs"]
    {
        println!("cargo::rerun-if-changed={path}");
    }
    let target = target_dir()?;
    let record = bpf::record(&target);
    if record.exists() {
        println!("cargo::rerun-if-changed={}", record.display());
    }
    match bpf::Bpf::find(&target) {
        Ok(bpf) => compile(&bpf),
        Err(why) => {
            // Enough to fail the build; cargo adds nothing to it as long as the script itself succeeds.
            println!(
                "cargo::error=cannot compile the kernel relay: {why}. Run `cargo xtask setup`, or build \
                 with --no-default-features for a sluice that relays in userspace only."
            );
            Ok(())
        }
    }
}

fn compile(bpf: &bpf::Bpf) -> Result<()> {
    let endian = text("CARGO_CFG_TARGET_ENDIAN")?;
    // Standard output is the outer cargo's to read; standard error it shows when this fails.
    let status = bpf
        .cargo("build", &text("CARGO_CFG_TARGET_ARCH")?, &endian)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("rustup")?;
    ensure!(status.success(), "proxy-ebpf does not compile with toolchain {}: see below", bpf.toolchain);
    let object = bpf.object(&endian);
    fs::copy(&object, Path::new(&var("OUT_DIR")?).join("sluice-ebpf"))
        .with_context(|| object.display().to_string())?;
    Ok(())
}

fn target_dir() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("CARGO_TARGET_DIR") {
        println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
        return Ok(dir.into());
    }
    let manifest = PathBuf::from(var("CARGO_MANIFEST_DIR")?);
    Ok(manifest.parent().context("proxy/ has no parent folder")?.join("target"))
}

fn var(name: &str) -> Result<OsString> {
    env::var_os(name).with_context(|| format!("cargo sets {name} for build scripts"))
}

fn text(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("cargo sets {name} for build scripts"))
}
