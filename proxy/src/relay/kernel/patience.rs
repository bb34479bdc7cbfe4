//! How long to wait for something that moves: by what it moves, not by the clock alone, since a machine that
//! is busy or emulated takes seconds for what others do in milliseconds.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;

/// Longest for all of it, in times of the longest that nothing may move.
const ROUNDS: u32 = 10;

/// Why something did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Impatience {
    /// Nothing moved any more.
    Stalled,
    /// It moved, and was not through.
    Slow,
}

/// Waits for `work`, which counts in `moved` what it moves, and may stand still for so long.
///
/// # Errors
/// When it does not end in time.
pub(super) async fn patiently<T>(
    standstill: Duration,
    moved: &AtomicU64,
    work: impl Future<Output = T>,
) -> Result<T, Impatience> {
    let mut work = pin!(work);
    let mut before = moved.load(Ordering::Relaxed);
    for _ in 0..ROUNDS {
        if let Ok(done) = timeout(standstill, work.as_mut()).await {
            return Ok(done);
        }
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return Err(Impatience::Stalled);
        }
        before = now;
    }
    Err(Impatience::Slow)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Poll;
    use std::time::Duration;

    use super::{Impatience, patiently};

    /// Work that moves something whenever it is asked, at most so often, and then ends or stands still.
    async fn works(times: u64, ends: bool) -> Result<(), Impatience> {
        let moved = AtomicU64::new(0);
        let work = poll_fn(|_| {
            if moved.load(Ordering::Relaxed) < times {
                moved.fetch_add(1, Ordering::Relaxed);
                Poll::Pending
            } else if ends {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        patiently(Duration::from_millis(1), &moved, work).await
    }

    #[tokio::test]
    async fn slow_is_not_stalled() {
        assert_eq!(works(0, true).await, Ok(()));
        assert_eq!(works(9, true).await, Ok(()));
        assert_eq!(works(9, false).await, Err(Impatience::Stalled));
        assert_eq!(works(0, false).await, Err(Impatience::Stalled));
        assert_eq!(works(1000, true).await, Err(Impatience::Slow));
    }
}
