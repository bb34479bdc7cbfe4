//! A TLS connection over a blocking socket, either side's.

use std::io::{self, BufReader, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Result, ensure};
use rustls::{ConnectionCommon, HandshakeKind, SideData, StreamOwned};

/// Read from the socket at a time: rustls asks for 4 KiB, which would make the bench's own ends the slow ones.
/// Small messages are whole in what rustls asks for, so none is left here when the socket is waited for.
const READ: usize = 64 << 10;

/// A connection and its socket. How its other end closes is no matter here, with close_notify or without: every
/// message says its own length, and every bulk stream its end.
#[derive(Debug)]
pub(in crate::bench) struct TlsStream<C: Sized>(StreamOwned<C, Socket>);

#[derive(Debug)]
struct Socket(BufReader<TcpStream>);

impl<C, S> TlsStream<C>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    pub(super) fn new(connection: C, socket: TcpStream) -> Self {
        Self(StreamOwned::new(connection, Socket(BufReader::with_capacity(READ, socket))))
    }

    /// Does the handshake, where it is not done.
    pub(in crate::bench) fn shake_hands(&mut self) -> Result<()> {
        while self.0.conn.is_handshaking() {
            self.0.conn.complete_io(&mut self.0.sock)?;
        }
        Ok(())
    }

    /// An error, unless the handshake was of this kind.
    pub(in crate::bench) fn expect(&self, kind: HandshakeKind) -> Result<()> {
        let seen = self.0.conn.handshake_kind();
        ensure!(seen == Some(kind), "a handshake of kind {seen:?} instead of {kind:?}");
        Ok(())
    }

    /// Says that nothing more comes, in TLS and in TCP.
    pub(in crate::bench) fn finish(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        self.0.flush()?;
        self.0.sock.0.get_ref().shutdown(Shutdown::Write)
    }
}

impl<C, S> Read for TlsStream<C>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }
}

impl<C, S> Write for TlsStream<C>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<C> AsFd for TlsStream<C> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.sock.0.get_ref().as_fd()
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.get_mut().write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
