//! One side of a connection: a socket, and the session over it where there is one.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::super::{Failure, socket};
use super::sealed::Sealed;
use crate::tls::{Buffer, Pool, Secured, Session};

/// Most cleartext of one record (RFC 8446, 5.1).
const RECORD: usize = 16 << 10;

/// Records of cleartext that are read at a time from a busy peer.
const BULK_RECORDS: usize = 8;

/// One side of a connection, and the bytes on their way in and out of it.
#[derive(Debug)]
pub struct Leg {
    pub(super) stream: TcpStream,
    pub(super) session: Option<Session>,
    /// Received and not read yet. With a session: less than a record, between two steps.
    pub(super) input: Buffer,
    /// To be sent.
    pub(super) output: Buffer,
    /// Cleartext from before the relay began.
    pub(super) early: Vec<u8>,
    /// Cleartext that was put into `output`, since the relay began.
    put: u64,
    /// Bytes that left `output`, since the relay began.
    sent: u64,
    sealed: Sealed,
    /// Whether the last read filled all the room there was.
    bulk: bool,
}

/// What a read brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    /// Bytes; 0 is the end of the stream.
    pub(super) bytes: usize,
    /// Whether nothing is left in the socket.
    pub(super) drained: bool,
}

impl AsFd for Leg {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Leg {
    /// Bytes as they are.
    #[must_use]
    pub fn plain(stream: TcpStream) -> Self {
        Self::new(stream, None, Buffer::default(), Vec::new())
    }

    /// A session over them.
    #[must_use]
    pub fn secured(stream: TcpStream, secured: Secured) -> Self {
        let Secured { session, input, early } = secured;
        Self::new(stream, Some(session), input, early)
    }

    fn new(stream: TcpStream, session: Option<Session>, input: Buffer, early: Vec<u8>) -> Self {
        let (output, sealed) = (Buffer::default(), Sealed::default());
        Self { stream, session, input, output, early, put: 0, sent: 0, sealed, bulk: false }
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether the peer has said close_notify.
    pub(super) fn has_ended(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_closed)
    }

    /// Whether reads are large at the moment.
    pub(super) fn bulk(&self) -> bool {
        self.bulk
    }

    /// Receives behind what is in `input`; `None` when nothing is there.
    pub(super) fn receive(&mut self, pool: &Pool) -> io::Result<Option<Received>> {
        self.fit(pool);
        // What comes out of TLS has no urgent bytes; at one, a read of cleartext ends before the queue does.
        let short_is_all = self.session.is_some();
        let large = self.input.is_large();
        let (mut room, mut received) = (self.input.room(), None);
        if !short_is_all {
            // Encrypted, it fills whole records, and with their overhead a buffer of the same size.
            let records = if large { BULK_RECORDS } else { 1 };
            let most = room.len().min(records * RECORD);
            room = &mut room[..most];
        }
        let readiness = self.stream.try_io(Interest::READABLE, || {
            let n = socket::receive(self.stream.as_fd(), room)?;
            let drained = short_is_all && n > 0 && n < room.len();
            received = Some(Received { bytes: n, drained });
            // Takes the readiness from before the read away, as a read that found nothing would.
            if drained { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (received, readiness) {
            (Some(received), _) => {
                self.bulk = received.bytes == room.len() || received.bytes > RECORD;
                self.input.advance(received.bytes);
                Ok(Some(received))
            }
            (None, Err(error)) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Ok(None),
        }
    }

    /// Gives `input` memory for what is expected: half a record of a quiet peer takes no more than a record.
    fn fit(&mut self, pool: &Pool) {
        if self.input.is_large() != self.bulk && !self.input.is_empty() {
            let mut other = Buffer::default();
            pool.lend(&mut other, self.bulk);
            other.push(self.input.filled());
            self.input.clear();
            pool.reclaim(&mut self.input);
            self.input = other;
        }
        pool.lend(&mut self.input, self.bulk);
        self.input.compact();
        if self.input.room().is_empty() {
            // A message over several records; rustls bounds it.
            self.input.reserve(self.input.filled().len());
        }
    }

    /// Appends cleartext to what is to be sent, encrypted where there is a session.
    pub(super) fn put(&mut self, cleartext: &[u8]) -> Result<(), rustls::Error> {
        let Some(session) = &mut self.session else {
            self.put += cleartext.len() as u64;
            self.output.push(cleartext);
            return Ok(());
        };
        for record in cleartext.chunks(RECORD) {
            session.write(record, &mut self.input, &mut self.output)?;
            self.put += record.len() as u64;
            self.sealed.push(self.sent + self.output.filled().len() as u64, self.put);
        }
        Ok(())
    }

    /// Cleartext that its peer was to have, since the relay began.
    pub(super) fn accepted(&self) -> u64 {
        self.put
    }

    /// How much of that its peer can read, once it arrives.
    pub(super) fn delivered(&self) -> u64 {
        if self.session.is_some() { self.sealed.delivered() } else { self.sent }
    }

    /// Whether that is all of it.
    pub(super) fn owes_nothing(&self) -> bool {
        self.delivered() == self.put
    }

    /// Appends the end, where it takes bytes to say so (close_notify).
    pub(super) fn put_end(&mut self) -> Result<(), rustls::Error> {
        match &mut self.session {
            Some(session) => session.close(&mut self.input, &mut self.output),
            None => Ok(()),
        }
    }

    /// Sends as much as the socket takes; whether all is sent.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        while !self.output.is_empty() {
            let send = || socket::send(self.stream.as_fd(), self.output.filled());
            match self.stream.try_io(Interest::WRITABLE, send) {
                Ok(n) => {
                    self.output.consume(n);
                    self.sent += n as u64;
                    self.sealed.advance(self.sent);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// What a session's failure is to the relay. rustls has said its alert.
pub(super) fn misbehaved(error: &rustls::Error) -> Failure {
    tracing::debug!(%error, "a TLS peer is in the wrong");
    Failure::Tls
}
