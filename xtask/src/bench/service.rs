//! A process that runs beside the bench, and never outlives it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::load;
use super::tls::Key;

/// Longest start: Envoy needs a second, a sluice that tests its kernel less.
const START: Duration = Duration::from_secs(20);

/// How long a process may take to end in order.
const END: Duration = Duration::from_secs(3);

/// Lines of a log that tell what is wrong; hundreds of connections may end alike.
const NEWS: usize = 5;

/// A running process; ended when dropped.
#[derive(Debug)]
pub(super) struct Service {
    child: Child,
    log: PathBuf,
    /// Bytes of the log that were asked for.
    heard: usize,
}

/// The command, ended by the kernel when this process ends, however it does.
pub(super) fn bound(command: &Command) -> Command {
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program()).args(command.get_args());
    bound.stdin(Stdio::null());
    bound
}

impl Service {
    /// Starts a command, its output in `folder/name.log`.
    pub(super) fn start(name: &str, command: &Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        let child = bound(command)
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { child, log, heard: 0 })
    }

    /// Waits until an exchange through each of these succeeds, in TLS where a certificate is named.
    pub(super) fn await_ready(
        &mut self,
        fronts: impl Iterator<Item = (SocketAddr, Option<Key>)>,
    ) -> Result<()> {
        for (front, key) in fronts {
            self.await_one(front, key)?;
        }
        Ok(())
    }

    fn await_one(&mut self, front: SocketAddr, key: Option<Key>) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            let Err(error) = load::probe(front, key) else { return Ok(()) };
            if let Some(epitaph) = self.epitaph() {
                bail!(epitaph);
            }
            if Instant::now() > deadline {
                bail!("{error:#}: {}", self.last_words());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process without id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// How it ended, if it did.
    pub(super) fn epitaph(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(format!("it ended with {status}: {}", self.last_words()))
    }

    /// The first of what it has logged since this was last asked.
    pub(super) fn news(&mut self) -> Option<String> {
        let text = fs::read_to_string(&self.log).ok()?;
        let news: Vec<_> = text.get(self.heard..)?.trim().lines().take(NEWS).collect();
        self.heard = text.len();
        (!news.is_empty()).then(|| news.join(" / "))
    }

    /// Whether it has logged this.
    pub(super) fn says(&self, word: &str) -> bool {
        fs::read_to_string(&self.log).is_ok_and(|text| text.contains(word))
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        format!("{} ({})", lines.into_iter().rev().collect::<Vec<_>>().join(" / "), self.log.display())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.signal(Signal::TERM);
        let deadline = Instant::now() + END;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
