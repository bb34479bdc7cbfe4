//! `cargo xtask dist`: the release binary, one file with the kernel object inside.

use std::fs;

use anyhow::{Context, Result};

use crate::{cmd, setup};

/// Builds it and prints where it is, its size and its hash.
pub(crate) fn run() -> Result<()> {
    setup::run(setup::Scope::Build)?;
    cmd::run(&mut cmd::cargo(&["build", "--release", "--locked", "--package", "proxy", "--bin", "sluice"]))?;
    let binary = cmd::target_dir().join("release/sluice");
    let size = fs::metadata(&binary).with_context(|| binary.display().to_string())?.len();
    let sums = cmd::ask("sha256sum", &[&binary.to_string_lossy()]).context("sha256sum")?;
    let hash = sums.split_whitespace().next().unwrap_or_default();
    println!("{}\n{size} bytes\nsha256 {hash}", binary.display());
    Ok(())
}
