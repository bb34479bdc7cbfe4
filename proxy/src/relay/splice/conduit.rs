//! What bytes pass through between two sockets: a pipe, or a buffer where no descriptor is left.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::net::TcpStream;

use super::super::socket;

/// Pipes kept for the next direction that has something to move.
const KEPT: usize = 128;

/// A pipe's capacity: four of the kernel's default.
const CAPACITY: usize = 256 << 10;

/// Idle pipes. A direction holds one only while bytes are in it, so that thousands of silent
/// connections cost none.
#[derive(Debug, Default)]
pub struct Pool(Mutex<Vec<Pipe>>);

impl Pool {
    pub(super) fn take(&self) -> Conduit {
        let pooled = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match pooled.map_or_else(Pipe::new, Ok) {
            Ok(pipe) => Conduit::Pipe { pipe, held: 0 },
            // EMFILE, ENFILE: slower, but it goes on.
            Err(_) => Conduit::buffer(),
        }
    }

    pub(super) fn give_back(&self, conduit: Conduit) {
        if let Conduit::Pipe { pipe, held: 0 } = conduit {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < KEPT {
                kept.push(pipe);
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // EPERM beyond the user's share of pipe pages: the default size serves too.
        let _ = fcntl_setpipe_size(&into, CAPACITY);
        Ok(Self { out, into })
    }
}

/// Bytes on their way from one socket to another.
#[derive(Debug)]
pub(super) enum Conduit {
    Pipe { pipe: Pipe, held: usize },
    Buffer { bytes: Vec<u8>, taken: usize },
}

impl Conduit {
    fn buffer() -> Self {
        Self::Buffer { bytes: Vec::with_capacity(CAPACITY / 4), taken: 0 }
    }

    /// Whether nothing is left inside.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Pipe { held, .. } => *held == 0,
            Self::Buffer { bytes, taken } => *taken == bytes.len(),
        }
    }

    /// Takes what the source has, into an empty conduit: so that EAGAIN can only mean the source.
    /// `Ok(0)` is the end of the stream. `first`: the source was just said to be readable.
    pub(super) fn fill(&mut self, source: &TcpStream, first: bool) -> io::Result<usize> {
        match self {
            Self::Pipe { pipe, held } => {
                let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
                let spliced = retry(|| splice(source, None, &pipe.into, None, CAPACITY, flags));
                let hidden = match &spliced {
                    // At an urgent mark splice(2) says 0 as at the end.
                    Ok(0) => !socket::at_end(source.as_fd())?,
                    // Before the end it says there as where there is nothing. Nor does it see what the
                    // verdict of another program's sockmap has taken.
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        if first {
                            socket::at_end(source.as_fd()).is_ok()
                        } else {
                            socket::at_urgent_mark(source.as_fd())
                        }
                    }
                    _ => false,
                };
                if hidden {
                    // recv(2) gets at it.
                    *self = Self::buffer();
                    return self.fill(source, first);
                }
                *held = spliced?;
                Ok(*held)
            }
            Self::Buffer { bytes, taken } => {
                bytes.clear();
                *taken = 0;
                socket::append(source.as_fd(), bytes)
            }
        }
    }

    /// Gives the destination what it takes.
    pub(super) fn empty(&mut self, destination: &TcpStream) -> io::Result<usize> {
        match self {
            Self::Pipe { pipe, held } => {
                let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
                let n = retry(|| splice(&pipe.out, None, destination, None, *held, flags))?;
                *held -= n;
                Ok(n)
            }
            Self::Buffer { bytes, taken } => {
                let n = socket::send(destination.as_fd(), &bytes[*taken..])?;
                *taken += n;
                Ok(n)
            }
        }
    }
}

fn retry(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
