//! System packages on Debian and its kin: which are missing, and how they get there.

use std::cell::Cell;

use anyhow::{Context, Result};

use crate::cmd;

/// apt, and whether its lists were refreshed in this run.
#[derive(Debug, Default)]
pub(crate) struct Apt {
    fresh: Cell<bool>,
}

impl Apt {
    /// apt, where the system has it.
    pub(crate) fn here() -> Option<Self> {
        (cmd::installed("apt-get") && cmd::installed("dpkg-query")).then(Self::default)
    }

    /// Installs what is missing of `packages`, for the purpose named; says what first.
    pub(crate) fn install(&self, packages: &[&str], purpose: &str) -> Result<()> {
        let missing = missing(packages);
        if missing.is_empty() {
            return Ok(());
        }
        eprintln!("setup: installing for {purpose}: {}", missing.join(" "));
        self.refresh()?;
        // Never at the price of something the user has: rustc-web conflicts with Debian's rustc and rustup.
        let mut apt = cmd::as_root("apt-get", &[("DEBIAN_FRONTEND", "noninteractive")])?;
        apt.args(["install", "--yes", "--no-remove", "--no-install-recommends", "-q"]).args(&missing);
        cmd::run(&mut apt).with_context(|| format!("installing {}", missing.join(" ")))
    }

    /// Whether a package is installed or could be.
    pub(crate) fn offers(&self, package: &str) -> Result<bool> {
        if missing(&[package]).is_empty() || known(package) {
            return Ok(true);
        }
        self.refresh()?;
        Ok(known(package))
    }

    fn refresh(&self) -> Result<()> {
        if self.fresh.replace(true) {
            return Ok(());
        }
        cmd::run(cmd::as_root("apt-get", &[])?.args(["update", "-q"]))
    }
}

fn known(package: &str) -> bool {
    cmd::ask("apt-cache", &["show", "--no-all-versions", package]).is_some()
}

fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    // dpkg-query fails as a whole when it has never heard of one of them; what it prints still counts.
    let out = std::process::Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\\n"])
        .args(packages)
        .output();
    let listed = out.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    packages
        .iter()
        .copied()
        .filter(|package| !listed.lines().any(|line| line == format!("{package} installed")))
        .collect()
}
