//! `cargo xtask check`: everything short of the tests that a change must pass.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::{cmd, dependencies, ebpf, setup, tidy};

/// Runs every check, also after a failure, and names those that failed.
pub(crate) fn run() -> Result<()> {
    setup::run(setup::Scope::Build)?;
    let checks: [(&str, &dyn Fn() -> Result<()>); 9] = [
        ("tidy", &tidy::run),
        ("fmt", &|| cmd::run(&mut cmd::cargo(&["fmt", "--all", "--", "--check"]))),
        ("clippy", &|| clippy(&[])),
        ("clippy without ebpf", &|| clippy(&["--package", "proxy", "--no-default-features"])),
        ("clippy for the fuzzer", &|| {
            clippy(&["--package", "proxy", "--no-default-features", "--features", "fuzzing"])
        }),
        ("clippy for the kernel side", &ebpf::lint),
        ("documentation", &documentation),
        ("licences and sources", &dependencies::deny),
        ("advisories", &dependencies::audit),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        eprintln!("check: {name}");
        if let Err(e) = check() {
            eprintln!("check: {name}: {e:#}");
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    eprintln!("check: all passed");
    Ok(())
}

fn clippy(args: &[&str]) -> Result<()> {
    let mut cmd = cmd::cargo(&["clippy", "--all-targets"]);
    cmd.args(args).args(["--", "-D", "warnings"]);
    cmd::run(&mut cmd)
}

fn documentation() -> Result<()> {
    let mut cmd: Command = cmd::cargo(&["doc", "--no-deps", "--document-private-items"]);
    cmd::run(cmd.env("RUSTDOCFLAGS", "-D warnings"))
}
