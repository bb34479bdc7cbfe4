//! Bytes that tell which of them are missing, doubled or out of place.

use std::io::{ErrorKind, Read, Write};

/// A stream of pseudo-random bytes, the same for the same seed: nothing has to be kept to verify it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payload {
    pub(crate) seed: u64,
    pub(crate) len: usize,
}

impl Payload {
    /// Writes all of it.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn send(self, to: &mut impl Write) -> std::io::Result<()> {
        let mut source = Stream::new(self.seed);
        let mut left = self.len;
        let mut chunk = vec![0; left.min(64 << 10)];
        while left > 0 {
            let n = left.min(chunk.len());
            source.fill(&mut chunk[..n]);
            to.write_all(&chunk[..n])?;
            left -= n;
        }
        Ok(())
    }

    /// Reads exactly all of it.
    ///
    /// # Panics
    /// At the first byte that is wrong or missing.
    pub(crate) fn expect(self, from: &mut impl Read) {
        let got = self.verify(from, self.len);
        assert_eq!(got, self.len, "the stream ended early");
    }

    /// Reads all of it, and then the end of the stream.
    ///
    /// # Panics
    /// At the first byte that is wrong, missing or surplus.
    pub(crate) fn expect_to_end(self, from: &mut impl Read) {
        let got = self.verify(from, usize::MAX);
        assert_eq!(got, self.len, "bytes before the end of the stream");
    }

    /// Reads at most `limit` bytes or to the end; how many were right.
    fn verify(self, from: &mut impl Read, limit: usize) -> usize {
        let mut source = Stream::new(self.seed);
        // Room for a byte too many.
        let size = (self.len + 1).min(256 << 10);
        let (mut got, mut want) = (vec![0; size], vec![0; size]);
        let mut at = 0;
        while at < limit {
            let room = got.len().min(limit - at);
            let n = match from.read(&mut got[..room]) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => panic!("reading byte {at} of {}: {e}", self.len),
            };
            source.fill(&mut want[..n]);
            // As a whole first: byte by byte is slow without optimisation, and slower in an emulated machine.
            if got[..n] != want[..n] {
                let wrong = got[..n].iter().zip(&want[..n]).position(|(a, b)| a != b);
                panic!("first wrong byte of {}: {:?}", self.len, wrong.map(|i| at + i));
            }
            at += n;
            assert!(at <= self.len, "{} surplus bytes", at - self.len);
        }
        at
    }
}

/// xorshift64*, eight bytes at a time, continuing across calls of any length.
#[derive(Debug)]
pub(crate) struct Stream {
    state: u64,
    word: [u8; 8],
    used: usize,
}

impl Stream {
    /// From its first byte.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, word: [0; 8], used: 8 }
    }

    /// The next bytes.
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        let begun = out.len().min(self.word.len() - self.used);
        out[..begun].copy_from_slice(&self.word[self.used..self.used + begun]);
        self.used += begun;
        let mut words = out[begun..].chunks_exact_mut(self.word.len());
        for word in &mut words {
            word.copy_from_slice(&self.next());
        }
        let rest = words.into_remainder();
        if !rest.is_empty() {
            self.word = self.next();
            self.used = rest.len();
            rest.copy_from_slice(&self.word[..self.used]);
        }
    }

    fn next(&mut self) -> [u8; 8] {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes()
    }
}
