//! Lines on their way to a writer on a thread of its own: bounded, and dropped rather than waited for.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the end of the process may wait for the last lines.
const FLUSH: Duration = Duration::from_secs(2);

/// Lines that wait to be written.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    state: Mutex<State>,
    changed: Condvar,
    lost: AtomicU64,
    /// Called when the first line is lost.
    told: fn(),
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<String>,
    /// No more lines come: write what is there and end.
    ending: bool,
    /// The writer is done.
    ended: bool,
}

/// Lines the writer makes by itself, every so often. They are written where they are made: they
/// can be as many as connections, and would crowd out others in the queue.
pub(super) struct Periodic {
    pub(super) every: Duration,
    pub(super) lines: Box<dyn Fn() -> Vec<String> + Send>,
}

/// Writes what is left when dropped, for at most two seconds.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub(super) struct Guard(Arc<Queue>);

impl Queue {
    /// Starts the writer, on a thread of that name. `told` is called when the first line is lost.
    pub(super) fn start(
        name: &'static str,
        capacity: usize,
        out: impl Write + Send + 'static,
        periodic: Option<Periodic>,
        told: fn(),
    ) -> (Arc<Self>, Guard) {
        let queue = Arc::new(Self {
            capacity,
            state: Mutex::default(),
            changed: Condvar::new(),
            lost: AtomicU64::new(0),
            told,
        });
        let writer = Arc::clone(&queue);
        let spawned = thread::Builder::new().name(name.into()).spawn(move || {
            writer.write(out, periodic.as_ref());
            writer.lock().ended = true;
            writer.changed.notify_all();
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for the {name}: it stays empty");
            *queue.lock() = State { waiting: VecDeque::new(), ending: true, ended: true };
        }
        (Arc::clone(&queue), Guard(queue))
    }

    /// Leaves a line to the writer; drops it where too many wait, or none are written any more.
    pub(super) fn push(&self, line: String) {
        let mut state = self.lock();
        if state.ending || state.waiting.len() >= self.capacity {
            drop(state);
            return self.lose(1);
        }
        state.waiting.push_back(line);
        // The writer takes all there is when it comes; only the first of them has to wake it.
        if state.waiting.len() == 1 {
            self.changed.notify_all();
        }
    }

    /// Lines that were dropped.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    fn write(&self, out: impl Write, periodic: Option<&Periodic>) {
        let mut out = BufWriter::new(out);
        let mut due = periodic.map(|p| Instant::now() + p.every);
        while let Some(lines) = self.next(due) {
            self.put(&mut out, &lines);
            if let (Some(at), Some(periodic)) = (due, periodic)
                && at <= Instant::now()
            {
                self.put(&mut out, &VecDeque::from((periodic.lines)()));
                due = Some(Instant::now() + periodic.every);
            }
        }
    }

    /// What waits, as soon as something does or `due` has come; `None` at the end.
    fn next(&self, due: Option<Instant>) -> Option<VecDeque<String>> {
        let mut state = self.lock();
        loop {
            let left = due.map(|at| at.saturating_duration_since(Instant::now()));
            if !state.waiting.is_empty() || left == Some(Duration::ZERO) {
                return Some(std::mem::take(&mut state.waiting));
            }
            if state.ending {
                return None;
            }
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn put(&self, out: &mut BufWriter<impl Write>, lines: &VecDeque<String>) {
        let written = lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
        if written.is_err() {
            // Which of them arrived before it broke is not known.
            self.lose(lines.len() as u64);
        }
    }

    fn lose(&self, lines: u64) {
        if self.lost.fetch_add(lines, Relaxed) == 0 && lines > 0 {
            (self.told)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ending = true;
        self.0.changed.notify_all();
        // A reader that has stopped reading does not keep us from ending.
        let _ = self.0.changed.wait_timeout_while(state, FLUSH, |state| !state.ended);
    }
}

impl fmt::Debug for Periodic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Periodic").field("every", &self.every).finish_non_exhaustive()
    }
}
