//! The load generator from outside: a process for each sample.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::case::Case;
use super::field::itself;
use super::line::Line;
use super::load::{Done, READY};
use super::peers::Peer;
use super::service::bound;

/// A process of its own, so that its threads and memory end with the sample.
#[derive(Debug)]
pub(super) struct Load {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Load {
    /// Starts it, at the far end of the line where there is one.
    pub(super) fn start(
        case: Case,
        peer: Peer,
        line: Option<&Line>,
        rate: u32,
        time: Duration,
    ) -> Result<Self> {
        let mut command = itself("load")?;
        command.args([case.name(), peer.front(case.way()).to_string(), time.as_millis().to_string()]);
        command.arg(rate.to_string());
        let mut command = line.map_or_else(|| bound(&command), |line| bound(&line.at_far_end(&command)));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the load generator")?;
        let orders = child.stdin.take().context("no pipe to the load generator")?;
        let answers = BufReader::new(child.stdout.take().context("no pipe from the load generator")?);
        Ok(Self { child, orders, answers })
    }

    /// Waits until all is there that the sample needs.
    pub(super) fn expect_ready(&mut self) -> Result<()> {
        let line = self.line()?;
        ensure!(line == READY, "the load generator says {line:?}");
        Ok(())
    }

    /// Lets it begin.
    pub(super) fn go(&mut self) -> Result<()> {
        self.orders.write_all(b"\n").context("the load generator has gone")
    }

    /// Waits for what came of it.
    pub(super) fn result(&mut self) -> Result<Done> {
        Done::parse(&self.line()?)
    }

    /// Waits until it has closed all it had open, in order.
    pub(super) fn end(mut self) -> Result<()> {
        ensure!(self.child.wait()?.success(), "{}", self.last_words());
        Ok(())
    }

    /// What it says next; why it ended, if it did.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            self.child.wait()?;
            bail!(self.last_words());
        }
        Ok(line.trim().to_owned())
    }

    fn last_words(&mut self) -> String {
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            // What cannot be read is not said.
            let _ = stderr.read_to_string(&mut said);
        }
        said.trim().trim_start_matches("xtask: ").to_owned()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
