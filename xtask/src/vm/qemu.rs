//! qemu: the system's own, else Debian's, unpacked under target/tools/vm and used from there. Nothing of it is
//! installed: its parts conflict with those of another version, and a machine may have some of these already.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::apt::Apt;
use crate::cmd;

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// What starts it.
#[derive(Debug)]
pub(super) struct Qemu {
    program: PathBuf,
    /// Where the libraries are that came with it.
    libraries: Vec<PathBuf>,
}

impl Qemu {
    /// The system's, or the one that is unpacked here, now or already.
    pub(super) fn find() -> Result<Self> {
        if let Some(program) = cmd::find(PROGRAM) {
            return Ok(Self { program, libraries: Vec::new() });
        }
        let folder = super::folder().join("qemu");
        if !folder.is_dir() {
            let half = super::folder().join("qemu-unfinished");
            if half.exists() {
                fs::remove_dir_all(&half)?;
            }
            let apt = Apt::here().context("qemu comes from Debian, by apt")?;
            apt.unpack(PACKAGE, &half)?;
            fs::rename(&half, &folder).with_context(|| folder.display().to_string())?;
        }
        Ok(Self { program: folder.join("usr/bin").join(PROGRAM), libraries: libraries(&folder)? })
    }

    /// A command that starts it, and has it end with this process.
    pub(super) fn command(&self) -> Result<Command> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(&self.program);
        if !self.libraries.is_empty() {
            command.env("LD_LIBRARY_PATH", std::env::join_paths(&self.libraries)?);
        }
        Ok(command)
    }
}

/// Folders of libraries, which Debian names after the machine they are for, and what they hold besides.
fn libraries(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for parent in ["lib", "usr/lib"].map(|parent| root.join(parent)) {
        if !parent.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&parent).with_context(|| parent.display().to_string())? {
            let folder = entry?.path();
            if folder.to_string_lossy().ends_with("-linux-gnu") {
                folders.push(folder);
            }
        }
    }
    Ok(folders)
}
