//! Python wheels, each in a folder of its own under target/tools: nothing of the user's Python changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::apt::Apt;
use crate::cmd;

/// A wheel, and what it brings.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// What pip is asked for: version and all.
    pub(crate) requirement: &'static str,
    /// Its folder below target/tools.
    pub(crate) folder: &'static str,
    /// A file that is there once it is installed.
    pub(crate) landmark: &'static str,
    /// Whether what it depends on is wanted too.
    pub(crate) whole: bool,
}

impl Wheel {
    /// Where pip installs it.
    pub(crate) fn folder(&self) -> PathBuf {
        cmd::target_dir().join("tools").join(self.folder)
    }

    /// The file that it is installed for.
    pub(crate) fn landmark(&self) -> PathBuf {
        self.folder().join(self.landmark)
    }

    /// Installs it if it is missing.
    pub(crate) fn install(&self, apt: Option<&Apt>) -> Result<()> {
        if self.landmark().is_file() {
            return Ok(());
        }
        if cmd::ask("python3", &["-m", "pip", "--version"]).is_none() {
            let purpose = format!("downloading {}", self.requirement);
            apt.context("there is no pip")?.install(&["python3-pip"], &purpose)?;
        }
        eprintln!("setup: installing {} into {}", self.requirement, shown(&self.folder()));
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--only-binary", ":all:"]);
        if !self.whole {
            pip.arg("--no-deps");
        }
        cmd::run(pip.arg("--target").arg(self.folder()).arg(self.requirement))
    }
}

fn shown(folder: &Path) -> std::path::Display<'_> {
    folder.strip_prefix(cmd::root()).unwrap_or(folder).display()
}
