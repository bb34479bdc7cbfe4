//! Within the guest: asks doctor, runs the tests of the plan each in a process of its own, and tells the host
//! of each by a line of JSON on standard output, which is a serial line.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde_json::{Value, json};

use super::plan::{Outcome, Plan, Test};

/// Longest that one test may take, on a processor that is emulated.
const LIMIT: Duration = Duration::from_secs(240);

/// Connections of random shape for each test of them: a tenth of the usual number or less.
const SHAPES: &str = "100";

/// How much longer than elsewhere tests wait for what they await.
const PATIENCE: &str = "5";

/// Tests at a time, of those that bear company; as many as processors.
const ABREAST: usize = 2;

/// How much of a failed test's output the host is told.
const LAST_WORDS: usize = 6000;

/// Runs the plan in this file.
pub(crate) fn run(plan: &Path) -> Result<()> {
    let text = fs::read_to_string(plan).with_context(|| plan.display().to_string())?;
    let plan = Plan::read(&serde_json::from_str(&text)?).context("another xtask's plan")?;
    let doctor = Command::new(&plan.sluice).arg("doctor").stdin(Stdio::null()).output()?;
    let in_kernel = doctor.status.success();
    tell(&json!({
        "doctor": String::from_utf8_lossy(&doctor.stdout),
        "complaints": String::from_utf8_lossy(&doctor.stderr),
        "kernel relay": in_kernel,
    }))?;
    let (alone, together): (VecDeque<_>, VecDeque<_>) =
        plan.tests.iter().enumerate().partition(|(_, test)| test.alone);
    let queue = Mutex::new(together);
    thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| work(&plan, &queue, in_kernel));
        }
    });
    work(&plan, &Mutex::new(alone), in_kernel);
    tell(&json!({"end": true}))
}

type Queue<'a> = Mutex<VecDeque<(usize, &'a Test)>>;

fn work(plan: &Plan, queue: &Queue<'_>, in_kernel: bool) {
    // Not in the loop's head, where the lock would be held for as long as the test takes.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    while let Some((number, test)) = next() {
        let begun = Instant::now();
        let (outcome, words) = if test.relay && !in_kernel {
            (Outcome::Fallback, String::new())
        } else {
            perform(plan, test, number).unwrap_or_else(|e| (Outcome::Fail, format!("{e:#}")))
        };
        let line = json!({
            "test": number,
            "outcome": outcome.word(),
            "seconds": begun.elapsed().as_secs_f64(),
            "words": words,
        });
        // A host that does not listen any more stops the guest.
        let _ = tell(&line);
    }
}

fn perform(plan: &Plan, test: &Test, number: usize) -> Result<(Outcome, String)> {
    // A file: what the test has started may outlive it and hold a pipe open.
    let path = PathBuf::from(format!("/tmp/output-{number}"));
    let output = File::create(&path)?;
    let child = Command::new(&test.program)
        .args([&test.name, "--exact", "--nocapture"])
        .current_dir(&plan.folder)
        .env("SLUICE_REQUIRE_BPF", "1")
        .env("SLUICE_TEST_PATIENCE", PATIENCE)
        .env("SLUICE_SHAPES", SHAPES)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()?;
    let (outcome, missed) = await_end(child)?;
    let words = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
    fs::remove_file(path)?;
    Ok(match outcome {
        Outcome::Pass if words.contains("SKIPPED(") => (Outcome::Fail, words),
        Outcome::Pass => (Outcome::Pass, String::new()),
        other => (other, format!("{missed}{}", tail(&words))),
    })
}

fn await_end(mut child: Child) -> Result<(Outcome, String)> {
    let pid = Pid::from_child(&child);
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    let limit = Timespec { tv_sec: LIMIT.as_secs().cast_signed(), tv_nsec: 0 };
    let in_time = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&limit))? > 0;
    // Whatever it has left behind too; nobody may be left.
    let _ = kill_process_group(pid, Signal::KILL);
    let status = child.wait()?;
    Ok(match (in_time, status.success()) {
        (true, true) => (Outcome::Pass, String::new()),
        (true, false) => (Outcome::Fail, String::new()),
        (false, _) => (Outcome::Fail, format!("not through within {} s\n", LIMIT.as_secs())),
    })
}

fn tail(words: &str) -> &str {
    let mut from = words.len().saturating_sub(LAST_WORDS);
    while !words.is_char_boundary(from) {
        from += 1;
    }
    &words[from..]
}

fn tell(line: &Value) -> Result<()> {
    // One write: two threads' lines never mix.
    Ok(io::stdout().lock().write_all(format!("{line}\n").as_bytes())?)
}
