//! A proxy that is told again and again to read its configuration, while others look at its connections.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::field::Running;

/// From one reload to the next.
const EVERY: Duration = Duration::from_secs(1);

/// The first is not at once, or short samples would have one at their edge.
const FIRST: Duration = Duration::from_millis(400);

/// Lets it reload until `task` is done; what came of both.
pub(super) fn meanwhile<T>(running: &Running, task: impl FnOnce() -> T) -> (T, Result<()>) {
    thread::scope(|scope| {
        let (done, end) = channel::<()>();
        let reloads = scope.spawn(move || {
            let mut pause = FIRST;
            for turn in 1.. {
                match end.recv_timeout(pause) {
                    Err(RecvTimeoutError::Timeout) => running.reload(turn)?,
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
                pause = EVERY;
            }
            Ok(())
        });
        let result = task();
        drop(done);
        (result, reloads.join().unwrap_or_else(|_| bail!("a thread panicked")))
    })
}
