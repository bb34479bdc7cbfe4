//! Sessions of both sides against each other, in memory.

mod contexts;
mod named;
mod parameters;
mod records;
mod trust;

use std::sync::Arc;

use rustls::Error;

use super::{Buffer, Originator, Session, Terminator};
use crate::config::model::fixtures::{Authority, Wish};
use crate::config::model::{Host, Origination, Termination};

/// One side: its session, what came, what goes, and the cleartext that was read.
struct End {
    session: Session,
    input: Buffer,
    output: Buffer,
    heard: Vec<u8>,
}

impl End {
    fn new(session: Session) -> Self {
        Self { session, input: Buffer::default(), output: Buffer::default(), heard: Vec::new() }
    }

    fn read(&mut self) -> Result<super::Status, Error> {
        self.session.read(&mut self.input, &mut self.output, &mut |data| {
            self.heard.extend_from_slice(data);
            Ok(())
        })
    }

    fn say(&mut self, cleartext: &[u8]) {
        self.session.write(cleartext, &mut self.input, &mut self.output).unwrap();
    }

    /// Takes what the other sends, so many bytes at a time.
    fn hear(&mut self, other: &mut Self, step: usize) -> Result<(), Error> {
        while !other.output.is_empty() {
            let n = other.output.filled().len().min(step);
            self.input.push(&other.output.filled()[..n]);
            other.output.consume(n);
            self.read()?;
        }
        Ok(())
    }
}

/// Both sides of a connection.
struct Wire {
    client: End,
    server: End,
}

/// Whose verdict ended a handshake.
#[derive(Debug)]
enum Refusal {
    ByClient(Error),
    ByServer(Error),
}

impl Wire {
    fn new(origination: &Originator, termination: &Terminator) -> Self {
        let client = origination.session(&Host::Name("dialled.example.com".into()), None).unwrap();
        Self { client: End::new(client), server: End::new(termination.session().unwrap()) }
    }

    /// Exchanges everything there is; after a refusal the other side has heard the alert.
    fn settle(&mut self, step: usize) -> Result<(), Refusal> {
        loop {
            if let Err(error) = self.client.read().and_then(|_| self.server.hear(&mut self.client, step)) {
                let _ = self.client.hear(&mut self.server, step);
                return Err(Refusal::ByServer(error));
            }
            if let Err(error) = self.client.hear(&mut self.server, step) {
                let _ = self.server.hear(&mut self.client, step);
                return Err(Refusal::ByClient(error));
            }
            if self.client.output.is_empty() && self.server.output.is_empty() {
                return Ok(());
            }
        }
    }
}

fn terminator(termination: Termination) -> Terminator {
    Terminator::new(&Arc::new(termination)).unwrap()
}

fn originator(origination: Origination) -> Originator {
    Originator::new(&Arc::new(origination), &Default::default()).unwrap()
}

/// A handshake between these, and whose verdict was against it.
fn shake(origination: Origination, termination: Termination) -> Result<Wire, Refusal> {
    let mut wire = Wire::new(&originator(origination), &terminator(termination));
    wire.settle(usize::MAX)?;
    Ok(wire)
}
