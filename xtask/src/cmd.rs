//! Running other programs: every one is printed first, and becomes root only where a step needs it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// `cargo ARGS` in the repository, as if xtask had not itself been started by cargo.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut cmd = Command::new("cargo");
    cmd.args(args).current_dir(root());
    // Some build scripts watch these and would run again after a cargo started by hand.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cmd.env_remove(&name);
        }
    }
    cmd
}

/// Prints the command and runs it on this terminal; anything but success is an error.
pub(crate) fn run(cmd: &mut Command) -> Result<()> {
    show(cmd);
    let name = cmd.get_program().to_string_lossy().into_owned();
    let status = cmd.stdin(Stdio::null()).status().with_context(|| name.clone())?;
    ensure!(status.success(), "`{}` ended with {status}", line(cmd));
    Ok(())
}

/// Prints the command as it could be typed.
pub(crate) fn show(cmd: &Command) {
    eprintln!("$ {}", line(cmd));
}

/// What a command prints, quietly; `None` when it cannot run or fails.
pub(crate) fn ask(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The target triple of this machine.
pub(crate) fn rustc_host() -> String {
    let version = ask("rustc", &["-vV"]).unwrap_or_default();
    version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned()
}

/// Whether a program is on `PATH` or where system programs live.
pub(crate) fn installed(program: &str) -> bool {
    find(program).is_some()
}

/// Where a program is, on `PATH` or where system programs live.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Whether this process may do what only root may.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that runs as root: itself when we are root, else through sudo, `vars` handed over.
pub(crate) fn as_root(program: impl AsRef<OsStr>, vars: &[(&str, &str)]) -> Result<Command> {
    if is_root() {
        let mut cmd = Command::new(program);
        cmd.envs(vars.iter().copied());
        return Ok(cmd);
    }
    if !installed("sudo") {
        bail!("{} needs root, and there is no sudo: run this as root", program.as_ref().display());
    }
    let mut cmd = Command::new("sudo");
    cmd.args(vars.iter().map(|(name, value)| format!("{name}={value}"))).arg(program);
    Ok(cmd)
}

fn line(cmd: &Command) -> String {
    let words = std::iter::once(cmd.get_program()).chain(cmd.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
