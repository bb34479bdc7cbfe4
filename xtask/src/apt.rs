//! System packages on Debian and its kin: which are missing, and how they get there.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;

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

    /// Unpacks a package, and what it needs of others that are not installed, into a folder of ours.
    pub(crate) fn unpack(&self, package: &str, folder: &Path) -> Result<()> {
        eprintln!("setup: unpacking {package} into {}", folder.display());
        self.refresh()?;
        let simulation = ["install", "--simulate", "--no-install-recommends", package];
        let plan =
            cmd::ask("apt-get", &simulation).with_context(|| format!("apt finds no way to {package}"))?;
        let parcels = folder.join("parcels");
        fs::create_dir_all(&parcels).with_context(|| parcels.display().to_string())?;
        let mut download = Command::new("apt-get");
        // The folder lies below the repository, where apt's own user has no business.
        download.args(["download", "-q", "-o", "APT::Sandbox::User=root"]).args(to_install(&plan));
        cmd::run(download.current_dir(&parcels))?;
        for parcel in fs::read_dir(&parcels)? {
            cmd::run(Command::new("dpkg").arg("-x").arg(parcel?.path()).arg(folder))?;
        }
        fs::remove_dir_all(&parcels).with_context(|| parcels.display().to_string())
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

/// The packages that a simulation of `apt-get install` would install.
fn to_install(plan: &str) -> Vec<&str> {
    plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next()).collect()
}

fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    // dpkg-query fails as a whole when it has never heard of one of them; what it prints still counts.
    let out = Command::new("dpkg-query")
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

#[cfg(test)]
mod tests {
    use super::to_install;

    #[test]
    fn reads_what_apt_would_install() {
        let plan = "Reading package lists...\nRemv qemu-utils [1:10.0.2]\nInst seabios (1.16.2-1 Debian:12 [all])\n\
                    Inst qemu-system-x86 (1:7.2 Debian:12 [amd64])\nConf seabios (1.16.2-1 Debian:12 [all])\n";
        assert_eq!(to_install(plan), ["seabios", "qemu-system-x86"]);
    }
}
