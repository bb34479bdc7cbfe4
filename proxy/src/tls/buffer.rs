//! Where bytes wait, and where buffers wait for the next that has any.

use std::mem;
use std::sync::{Mutex, PoisonError};

/// What one record takes at most, header and all (RFC 5246, 6.2.3: 2^14 + 2048 + 5), and some more.
const SMALL: usize = 20 << 10;

/// What a busy direction reads and writes at a time: eight records of full size.
const LARGE: usize = 132 << 10;

/// Buffers of each size that are kept for the next: 5 MiB and 8 MiB.
const KEPT: [usize; 2] = [256, 64];

/// Bytes on their way. It has memory only while there are any: idle connections cost none.
#[derive(Debug, Default)]
pub struct Buffer {
    /// All of it initialised, since rustls takes slices.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// The bytes that wait.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The bytes that wait, to be worked on in place.
    #[must_use]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Whether none wait.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes the first `n` bytes away.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Takes all of them away.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// The room behind the bytes that wait.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// Counts the first `n` bytes of the room as waiting.
    pub fn advance(&mut self, n: usize) {
        self.end = (self.end + n).min(self.bytes.len());
    }

    /// Makes room for at least `n` bytes more.
    pub fn reserve(&mut self, n: usize) {
        if self.bytes.len() - self.end >= n {
            return;
        }
        self.compact();
        if self.bytes.len() - self.end < n {
            self.bytes.resize(self.end + n, 0);
        }
    }

    /// Moves the bytes that wait to the front, so that the room is all there is.
    pub fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }

    /// Appends.
    pub fn push(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.room()[..bytes.len()].copy_from_slice(bytes);
        self.advance(bytes.len());
    }

    /// Whether it is one for bulk.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.bytes.len() >= LARGE
    }
}

/// Idle buffers, of two sizes.
#[derive(Debug, Default)]
pub struct Pool([Mutex<Vec<Vec<u8>>>; 2]);

impl Pool {
    /// Gives a buffer memory if it has none: enough for a record, or for bulk.
    pub fn lend(&self, buffer: &mut Buffer, large: bool) {
        if buffer.bytes.is_empty() {
            let pooled = self.0[usize::from(large)].lock().unwrap_or_else(PoisonError::into_inner).pop();
            buffer.bytes = pooled.unwrap_or_else(|| vec![0; if large { LARGE } else { SMALL }]);
        }
    }

    /// Takes the memory of a buffer in which nothing waits.
    pub fn reclaim(&self, buffer: &mut Buffer) {
        if !buffer.is_empty() || buffer.bytes.is_empty() {
            return;
        }
        let bytes = mem::take(&mut buffer.bytes);
        let large = match bytes.len() {
            LARGE.. if bytes.len() < 2 * LARGE => true,
            SMALL..LARGE => false,
            // One that grew far beyond is not worth keeping.
            _ => return,
        };
        let mut kept = self.0[usize::from(large)].lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT[usize::from(large)] {
            kept.push(bytes);
        }
    }
}
