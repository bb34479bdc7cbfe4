//! The bytes of bulk streams. Each piece of 4 KiB begins with its position, so that one which is
//! missing, doubled or out of place shows; the rest is noise that does not repeat within a piece,
//! so that a shift shows too, and is compared as a whole, which costs far less than receiving it.

use std::sync::OnceLock;

use anyhow::{Result, bail, ensure};

/// Bytes of a piece.
pub(super) const PIECE: usize = 4 << 10;

/// Bytes read or written at a time.
pub(super) const CHUNK: usize = 256 << 10;

/// Position, and in a stream's last piece a number for the other side.
const STAMP: usize = 16;

/// Marks the position of a stream's last piece.
const LAST: u64 = 1 << 63;

/// The noise, made once.
fn noise() -> &'static [u8; PIECE] {
    static NOISE: OnceLock<[u8; PIECE]> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut bytes = [0; PIECE];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for word in bytes.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        bytes
    })
}

/// Makes a stream, chunk by chunk.
#[derive(Debug)]
pub(super) struct Maker {
    chunk: Vec<u8>,
    at: u64,
}

impl Maker {
    pub(super) fn new() -> Self {
        Self { chunk: noise().repeat(CHUNK / PIECE), at: 0 }
    }

    /// Bytes made so far.
    pub(super) fn made(&self) -> u64 {
        self.at
    }

    /// The next chunk.
    pub(super) fn next(&mut self) -> &[u8] {
        for piece in self.chunk.chunks_exact_mut(PIECE) {
            piece[..8].copy_from_slice(&self.at.to_le_bytes());
            self.at += PIECE as u64;
        }
        &self.chunk
    }

    /// The last piece, with a number for the other side.
    pub(super) fn last(&mut self, number: u64) -> &[u8] {
        let piece = &mut self.chunk[..PIECE];
        piece[..8].copy_from_slice(&(self.at | LAST).to_le_bytes());
        piece[8..STAMP].copy_from_slice(&number.to_le_bytes());
        self.at += PIECE as u64;
        piece
    }
}

/// Checks a stream as it comes, in parts of any length.
#[derive(Debug)]
pub(super) struct Checker {
    buffer: Vec<u8>,
    /// Bytes in the buffer that are no whole piece yet.
    rest: usize,
    at: u64,
    last: Option<u64>,
}

impl Checker {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; CHUNK], rest: 0, at: 0, last: None }
    }

    /// Bytes checked so far.
    pub(super) fn checked(&self) -> u64 {
        self.at
    }

    /// The number in the last piece, once it came.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// Where the next bytes of the stream go.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.rest..]
    }

    /// Checks what came: the first `n` bytes of [`Self::room`].
    pub(super) fn take(&mut self, n: usize) -> Result<()> {
        let whole = (self.rest + n) / PIECE * PIECE;
        for from in (0..whole).step_by(PIECE) {
            self.last = check(&self.buffer[from..self.rest + n], self.at, self.last)?;
            self.at += PIECE as u64;
        }
        self.rest = self.rest + n - whole;
        ensure!(self.last.is_none() || self.rest == 0, "bytes after the last of {}", self.at);
        self.buffer.copy_within(whole..whole + self.rest, 0);
        Ok(())
    }
}

/// Checks the piece that `bytes` begin with; the number in it if it is the last.
fn check(bytes: &[u8], at: u64, last: Option<u64>) -> Result<Option<u64>> {
    ensure!(last.is_none(), "bytes after the last of {at}");
    let piece = &bytes[..PIECE];
    let (position, is_last) = (word(piece, 0) & !LAST, word(piece, 0) & LAST != 0);
    let from = if is_last { STAMP } else { 8 };
    let wrong = if position == at { first_difference(piece, from) } else { Some(0) };
    let Some(wrong) = wrong else { return Ok(is_last.then(|| word(piece, 8))) };
    let there = at + wrong as u64;
    match origin(&bytes[wrong..]) {
        Some(origin) => bail!("wrong bytes from byte {there} on: there are those from {origin} on"),
        None => bail!("wrong bytes from byte {there} on"),
    }
}

/// Where a piece stops being noise. Compared as a whole first, which is fast.
fn first_difference(piece: &[u8], from: usize) -> Option<usize> {
    if piece[from..] == noise()[from..] {
        return None;
    }
    (from..PIECE).find(|&i| piece[i] != noise()[i])
}

/// Which part of the stream bytes are, told by the next stamp in them: whether something before
/// them is missing or doubled.
fn origin(bytes: &[u8]) -> Option<u64> {
    let after_stamp = &noise()[STAMP..2 * STAMP];
    let stamp = bytes.windows(STAMP).skip(STAMP).position(|window| window == after_stamp)?;
    (word(bytes, stamp) & !LAST).checked_sub(stamp as u64)
}

fn word(bytes: &[u8], from: usize) -> u64 {
    bytes[from..from + 8].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Checker, Maker, PIECE};
    use anyhow::Result;

    fn stream() -> Vec<u8> {
        let mut maker = Maker::new();
        let mut bytes = maker.next().to_vec();
        bytes.extend_from_slice(maker.next());
        bytes.extend_from_slice(maker.last(77));
        assert_eq!(maker.made(), bytes.len() as u64);
        bytes
    }

    fn feed(bytes: &[u8], step: usize) -> Result<Checker> {
        let mut checker = Checker::new();
        for part in bytes.chunks(step) {
            checker.room()[..part.len()].copy_from_slice(part);
            checker.take(part.len())?;
        }
        Ok(checker)
    }

    #[test]
    fn takes_a_whole_stream_in_any_parts() {
        let bytes = stream();
        for step in [1_000, PIECE, PIECE + 1, 65_483] {
            let checker = feed(&bytes, step).unwrap();
            assert_eq!((checker.checked(), checker.last()), (bytes.len() as u64, Some(77)));
        }
        assert_eq!(feed(&bytes[..CHUNK], 9_999).unwrap().last(), None);
    }

    #[test]
    fn sees_every_kind_of_damage() {
        let bytes = stream();
        let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut copy = bytes.clone();
            change(&mut copy);
            feed(&copy, 50_000).is_err()
        };
        assert!(damaged(&|b| b[CHUNK - 1] ^= 1), "a flipped bit");
        assert!(damaged(&|b| drop(b.drain(8_192..12_288))), "a missing piece");
        assert!(damaged(&|b| b.copy_within(4_096..8_192, 8_192)), "a doubled piece");
        assert!(damaged(&|b| drop(b.drain(100..101))), "a missing byte");
        assert!(damaged(&|b| b.push(0)), "a surplus byte");
    }

    #[test]
    fn tells_what_came_instead() {
        let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut copy = stream();
            change(&mut copy);
            feed(&copy, 50_000).unwrap_err().to_string()
        };
        let lost = damaged(&|b| drop(b.drain(5_000..75_000)));
        assert_eq!(lost, "wrong bytes from byte 5000 on: there are those from 75000 on");
        let doubled = damaged(&|b| drop(b.splice(5_000..5_000, b[4_500..5_000].to_vec())));
        assert_eq!(doubled, "wrong bytes from byte 5000 on: there are those from 4500 on");
    }
}
