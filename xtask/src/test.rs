//! `cargo xtask test`: unit tests, `it`, and as root `kernel`, by nextest where it is installed;
//! and `--vm`, on another kernel.

use std::env;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::{cmd, setup, vm};

/// Which tests; all of them when nothing is asked for.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Selection {
    /// Only unit tests.
    #[arg(long, group = "suite")]
    unit: bool,
    /// Only the unprivileged integration tests.
    #[arg(long, group = "suite")]
    it: bool,
    /// Only the tests of the kernel relay; they need root.
    #[arg(long, group = "suite")]
    kernel: bool,
    #[command(flatten)]
    vm: vm::Options,
    /// Only tests with this in their name.
    filter: Option<String>,
}

const UNIT: &[&str] = &["--lib", "--bins"];
const IT: &[&str] = &["--test", "it"];
const KERNEL: &[&str] = &["--test", "kernel", "--test", "soak"];
const UNPRIVILEGED: &[&str] = &["--lib", "--bins", "--test", "it"];
const ALL: &[&str] = &["--tests"];

/// Sets up and runs the selection. The runner's own summary is the last thing printed.
pub(crate) fn run(selection: &Selection) -> Result<ExitCode> {
    setup::run(setup::Scope::All)?;
    let filter = selection.filter.as_deref();
    if let Some(version) = &selection.vm.vm {
        return vm::run(version, &selection.vm, filter);
    }
    match selection {
        Selection { unit: true, .. } => suite("unit tests", UNIT, filter, false),
        Selection { it: true, .. } => suite("integration tests", IT, filter, false),
        Selection { kernel: true, .. } => suite("kernel tests", KERNEL, filter, true),
        // As root one run, and so one summary, covers everything.
        _ if cmd::is_root() => suite("all tests", ALL, filter, true),
        _ if cmd::installed("sudo") => {
            let first = suite("unprivileged tests", UNPRIVILEGED, filter, false)?;
            let second = suite("kernel tests, through sudo", KERNEL, filter, true)?;
            Ok(if first == ExitCode::SUCCESS { second } else { first })
        }
        _ => {
            ensure!(!ci(), "CI needs the kernel tests, and they need root or sudo");
            eprintln!("test: not root, and no sudo: the kernel tests are left out");
            suite("unprivileged tests", UNPRIVILEGED, filter, false)
        }
    }
}

fn suite(title: &str, targets: &[&str], filter: Option<&str>, kernel: bool) -> Result<ExitCode> {
    eprintln!("test: {title}");
    let mut runner = runner(targets, filter);
    if kernel {
        privileged(&mut runner)?;
    }
    cmd::show(&runner);
    let status = runner.stdin(Stdio::null()).status()?;
    // The runner has said all there is to say: its summary stays the last thing printed.
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn runner(targets: &[&str], filter: Option<&str>) -> Command {
    let mut cmd;
    if cmd::ask("cargo", &["nextest", "--version"]).is_some() {
        cmd = cmd::cargo(&["nextest", "run", "--profile", if ci() { "ci" } else { "default" }]);
        cmd.args(targets).args(filter);
    } else {
        cmd = cmd::cargo(&["test", "--no-fail-fast"]);
        cmd.args(targets).args(filter);
        if ci() {
            // So that a test which skips itself is seen.
            cmd.args(["--", "--show-output"]);
        }
    }
    cmd
}

/// Lets the test programs, and only them, run as root, and BPF be required there.
pub(crate) fn privileged(runner: &mut Command) -> Result<()> {
    if env::var_os("SLUICE_REQUIRE_BPF").is_none() {
        runner.env("SLUICE_REQUIRE_BPF", "1");
    }
    if cmd::is_root() {
        return Ok(());
    }
    if !cmd::installed("sudo") {
        bail!("the kernel tests need root, and there is no sudo: run this as root");
    }
    // Asks for the password now, not in the middle of a test.
    cmd::run(Command::new("sudo").arg("--validate"))?;
    let triple = cmd::rustc_host();
    let key = format!("CARGO_TARGET_{}_RUNNER", triple.to_uppercase().replace('-', "_"));
    runner.env(key, "sudo --preserve-env --");
    Ok(())
}

fn ci() -> bool {
    env::var_os("CI").is_some_and(|ci| ci == "true" || ci == "1")
}
