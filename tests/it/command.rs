//! Runs the real binary to its end.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// How a run ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `sluice` with these words.
pub(crate) fn sluice(words: &[&str]) -> Ended {
    sluice_with(words, &[], "")
}

/// Runs `sluice` with these words, variables and standard input.
pub(crate) fn sluice_with(words: &[&str], variables: &[(&str, &str)], stdin: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        // Whatever is set where the tests run is none of theirs.
        if name.to_str().is_some_and(|name| {
            ["SLUICE_", "AMBASSADOR_", "KONG_"].iter().any(|prefix| name.starts_with(prefix))
        }) {
            command.env_remove(name);
        }
    }
    let mut child = command.envs(variables.iter().copied()).spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A file with this text, in a folder that cargo cleans up.
pub(crate) fn file(text: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let unique = format!("it-{}-{}.yaml", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
