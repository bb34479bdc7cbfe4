//! What runs in the guest: sluice, the tests' programs, and the list of their tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cmd;

/// Built programs, where cargo leaves them: tests have the path of sluice compiled in.
#[derive(Debug)]
pub(super) struct Programs {
    /// The proxy itself.
    pub(super) sluice: PathBuf,
    /// `tests/kernel`.
    pub(super) kernel: PathBuf,
    /// `tests/it`.
    pub(super) it: PathBuf,
}

impl Programs {
    /// Builds them.
    pub(super) fn build() -> Result<Self> {
        let mut cargo = cmd::cargo(&["test", "--package", "proxy", "--test", "kernel", "--test", "it"]);
        cargo.args(["--no-run", "--message-format", "json-render-diagnostics"]);
        cmd::show(&cargo);
        let out = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        ensure!(out.status.success(), "the tests do not build");
        let artifacts: Vec<Value> = String::from_utf8_lossy(&out.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let of = |kind: &str, name: &str| {
            let is = |artifact: &&Value| {
                artifact["executable"].is_string()
                    && artifact["target"]["name"] == name
                    && artifact["target"]["kind"][0] == kind
            };
            let path = artifacts.iter().find(is).and_then(|artifact| artifact["executable"].as_str());
            path.map(PathBuf::from).with_context(|| format!("cargo names no program for {kind} {name}"))
        };
        Ok(Self { sluice: of("bin", "sluice")?, kernel: of("test", "kernel")?, it: of("test", "it")? })
    }
}

/// The names of the tests that a test program has.
pub(super) fn tests_of(program: &Path) -> Result<Vec<String>> {
    let out = Command::new(program).args(["--list", "--format", "terse"]).stdin(Stdio::null()).output()?;
    ensure!(out.status.success(), "{} does not list its tests", program.display());
    let listed = String::from_utf8_lossy(&out.stdout);
    Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}
