//! One peer's TLS, without its socket: records go in, cleartext comes out, and the other way round.
//!
//! Built on rustls' unbuffered API, so that records are decrypted where they were received and encrypted
//! straight into what is sent: the buffered one takes 4 KiB at a time from its reader.

use std::fmt;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{ClientConfig, CommonState, Error, ServerConfig};

use super::buffer::Buffer;

/// A TLS session.
pub struct Session {
    side: Side,
    /// The peer's close_notify has come.
    closed: bool,
}

// Boxed, as tasks hold sessions across every wait.
enum Side {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

/// How far a session is once everything that came is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// More may come.
    Open,
    /// The peer has said that nothing more comes (close_notify).
    Closed,
}

/// What is wanted once the session can write.
#[derive(Clone, Copy)]
enum Order<'a> {
    Nothing,
    Encrypt(&'a [u8]),
    Close,
}

impl Session {
    /// A client's, from its first byte on.
    ///
    /// # Errors
    /// What rustls refuses.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        let side = Side::Server(Box::new(UnbufferedServerConnection::new(config)?));
        Ok(Self { side, closed: false })
    }

    /// An upstream's, from its first byte on.
    ///
    /// # Errors
    /// What rustls refuses.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        let side = Side::Client(Box::new(UnbufferedClientConnection::new(config, name)?));
        Ok(Self { side, closed: false })
    }

    /// Reads every whole record of `input`; `data` takes the cleartext of each. What is to be answered is
    /// appended to `output`, after an error the alert. Afterwards `input` holds no whole record, and only so
    /// may [`Session::write`] be called.
    ///
    /// # Errors
    /// What the peer did wrong, or `data`'s. The session is of no use then.
    pub fn read(
        &mut self,
        input: &mut Buffer,
        output: &mut Buffer,
        data: &mut impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<Status, Error> {
        self.process(Order::Nothing, input, output, data)?;
        Ok(if self.closed { Status::Closed } else { Status::Open })
    }

    /// Encrypts `cleartext` to the end of `output`. `input` is what was received and not read yet.
    ///
    /// # Errors
    /// The keys are used up (TLS 1.2).
    pub fn write(&mut self, cleartext: &[u8], input: &mut Buffer, output: &mut Buffer) -> Result<(), Error> {
        self.process(Order::Encrypt(cleartext), input, output, &mut surplus)
    }

    /// Says that nothing more comes from us (close_notify).
    ///
    /// # Errors
    /// None in practice.
    pub fn close(&mut self, input: &mut Buffer, output: &mut Buffer) -> Result<(), Error> {
        self.process(Order::Close, input, output, &mut surplus)
    }

    /// Whether the peer has said that nothing more comes.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// What was agreed on, and with whom.
    #[must_use]
    pub fn common(&self) -> &CommonState {
        match &self.side {
            Side::Server(connection) => connection,
            Side::Client(connection) => connection,
        }
    }

    /// The certificate that the peer showed.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.common().peer_certificates()?.first()
    }

    fn process(
        &mut self,
        order: Order<'_>,
        input: &mut Buffer,
        output: &mut Buffer,
        data: &mut impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let (discard, next) = self.turn(order, input, output, data);
            input.consume(discard);
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Closed) => self.closed = true,
                Ok(Next::Done) => return Ok(()),
                Err(error) => {
                    self.last_words(input, output);
                    return Err(error);
                }
            }
        }
    }

    fn turn(
        &mut self,
        order: Order<'_>,
        input: &mut Buffer,
        output: &mut Buffer,
        data: &mut impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> (usize, Result<Next, Error>) {
        let records = input.filled_mut();
        match &mut self.side {
            Side::Server(connection) => turn(connection.process_tls_records(records), order, output, data),
            Side::Client(connection) => turn(connection.process_tls_records(records), order, output, data),
        }
    }

    /// After an error: what rustls still has to send, which is the alert. It reads on where nothing is left to
    /// send, and would fail again: asked no oftener than needed.
    fn last_words(&mut self, input: &mut Buffer, output: &mut Buffer) {
        while self.common().wants_write() {
            let (discard, next) = self.turn(Order::Nothing, input, output, &mut surplus);
            input.consume(discard);
            if next.is_err() {
                return;
            }
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match &self.side {
            Side::Server(_) => "server",
            Side::Client(_) => "client",
        };
        f.debug_struct("Session").field("side", &side).field("closed", &self.closed).finish()
    }
}

/// What a turn came to.
enum Next {
    Again,
    Closed,
    Done,
}

/// One state of rustls' machine: how many bytes of input are done with, and what comes next.
fn turn<D>(
    status: UnbufferedStatus<'_, '_, D>,
    order: Order<'_>,
    output: &mut Buffer,
    data: &mut impl FnMut(&[u8]) -> Result<(), Error>,
) -> (usize, Result<Next, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let next = state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let record = record?;
                discard += record.discard;
                data(record.payload)?;
            }
            Ok(Next::Again)
        }
        ConnectionState::EncodeTlsData(mut message) => {
            encode(&mut message, output)?;
            Ok(Next::Again)
        }
        // It is in `output` now, in order, and goes out with what follows.
        ConnectionState::TransmitTlsData(message) => {
            message.done();
            Ok(Next::Again)
        }
        ConnectionState::PeerClosed => Ok(Next::Closed),
        ConnectionState::BlockedHandshake | ConnectionState::Closed => match order {
            Order::Encrypt(_) => Err(Error::HandshakeNotComplete),
            Order::Nothing | Order::Close => Ok(Next::Done),
        },
        ConnectionState::WriteTraffic(mut traffic) => {
            obey(&mut traffic, order, output)?;
            Ok(Next::Done)
        }
        // Early data is off.
        state => Err(Error::General(format!("unexpected state {state:?}"))),
    });
    (discard, next)
}

fn encode<D>(message: &mut EncodeTlsData<'_, D>, output: &mut Buffer) -> Result<(), Error> {
    loop {
        match message.encode(output.room()) {
            Ok(n) => {
                output.advance(n);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                output.reserve(required_size);
            }
            Err(error) => return Err(Error::General(error.to_string())),
        }
    }
}

fn obey<D>(traffic: &mut WriteTraffic<'_, D>, order: Order<'_>, output: &mut Buffer) -> Result<(), Error> {
    loop {
        let written = match order {
            Order::Nothing => return Ok(()),
            Order::Encrypt(cleartext) => traffic.encrypt(cleartext, output.room()),
            Order::Close => traffic.queue_close_notify(output.room()),
        };
        match written {
            Ok(n) => {
                output.advance(n);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                output.reserve(required_size);
            }
            Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
        }
    }
}

/// Takes cleartext where none can be: whole records were read before.
fn surplus(_: &[u8]) -> Result<(), Error> {
    Err(Error::General("cleartext came while writing".to_owned()))
}
