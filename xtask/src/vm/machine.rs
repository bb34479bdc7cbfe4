//! The machine that is emulated. Never KVM: where there is none, or one that hangs, results would differ.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::qemu::Qemu;
use crate::cmd;

/// A running guest; killed when dropped, and when this process ends.
#[derive(Debug)]
pub(super) struct Machine {
    qemu: Child,
    lines: Receiver<String>,
    deadline: Instant,
    console: PathBuf,
}

impl Machine {
    /// Boots a kernel with its root. It has so much time for everything.
    pub(super) fn boot(kernel: &Path, root: &Path, console: PathBuf, time: Duration) -> Result<Self> {
        let mut qemu = Qemu::find()?.command()?;
        qemu.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "4G"]);
        qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(root);
        qemu.args(["-append", "console=ttyS0 quiet panic=-1"]);
        // Its first serial line has the kernel's words, its second those of the tests.
        qemu.arg("-serial").arg(format!("file:{}", console.display())).args(["-serial", "stdio"]);
        cmd::show(&qemu);
        let mut qemu = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("qemu")?;
        let out = qemu.stdout.take().context("qemu has no output")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { qemu, lines, deadline: Instant::now() + time, console })
    }

    /// What the guest says next; `None` when it has said its last.
    ///
    /// # Errors
    /// When it ends before, or its time does.
    pub(super) fn next(&mut self) -> Result<Option<Value>> {
        loop {
            match self.lines.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match serde_json::from_str::<Value>(line.trim()) {
                    Ok(value) if value["end"] == true => return Ok(None),
                    Ok(value) => return Ok(Some(value)),
                    // What the machine's firmware prints at its start.
                    Err(_) => {}
                },
                Err(RecvTimeoutError::Timeout) => {
                    bail!(
                        "the guest is not through in time; its kernel's words are in {}",
                        self.console.display()
                    )
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!(
                        "the guest ended before its tests; its kernel's words are in {}",
                        self.console.display()
                    )
                }
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
