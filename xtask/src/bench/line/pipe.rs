//! The timing of one direction of a line: a queue, a rate at which it empties, and the way.

use std::time::{Duration, Instant};

/// Bits a second.
const RATE: u64 = 1_000_000_000;

/// One way.
const WAY: Duration = Duration::from_millis(25);

/// What waits longer than this is not taken: a queue of as much as is under way.
const QUEUE: Duration = Duration::from_millis(50);

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// When all that was taken has left the queue.
    free: Option<Instant>,
}

impl Pipe {
    /// With nothing in it.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// When a packet that comes now arrives at the other end; never, where the queue is full.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let begin = self.free.map_or(now, |free| free.max(now));
        if begin - now > QUEUE {
            return None;
        }
        let left = begin + Duration::from_nanos(bytes as u64 * 8 * 1_000_000_000 / RATE);
        self.free = Some(left);
        Some(left + WAY)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Pipe, QUEUE, WAY};

    const SIZE: usize = 9_000;
    const EACH: Duration = Duration::from_micros(72);

    #[test]
    fn one_packet_takes_its_time_and_the_way() {
        let now = Instant::now();
        assert_eq!(Pipe::new().take(now, SIZE), Some(now + EACH + WAY));
    }

    #[test]
    fn packets_that_come_at_once_leave_at_the_rate() {
        let now = Instant::now();
        let mut pipe = Pipe::new();
        let arrivals: Vec<_> = (0..100).map_while(|_| pipe.take(now, SIZE)).collect();
        assert_eq!(arrivals.len(), 100);
        assert!(arrivals.windows(2).all(|pair| pair[1] - pair[0] == EACH));
        // What comes after a pause does not wait for it.
        let later = now + Duration::from_secs(1);
        assert_eq!(pipe.take(later, SIZE), Some(later + EACH + WAY));
    }

    #[test]
    fn a_full_queue_takes_nothing_until_there_is_room() {
        let now = Instant::now();
        let mut pipe = Pipe::new();
        let taken = (0..10_000).map_while(|_| pipe.take(now, SIZE)).count();
        assert_eq!(taken as u128, QUEUE.as_micros() / EACH.as_micros() + 1);
        assert_eq!(pipe.take(now, SIZE), None);
        assert!(pipe.take(now + EACH, SIZE).is_some());
    }
}
