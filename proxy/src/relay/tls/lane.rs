//! One direction: out of one leg, into the other, until the end of the stream.

use std::os::fd::AsFd;

use super::super::{Broken, Failure, socket};
use super::leg::{Leg, misbehaved};
use crate::tls::{Pool, Status};

/// How far a direction is.
#[derive(Debug, Default)]
pub(super) struct Lane {
    stage: Stage,
    /// One of the ends has failed: what is there is still delivered, and no end.
    failed: bool,
    /// The destination had been reset when all that was left to tell it was the end.
    unheard: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Moving,
    /// The source has ended; the destination is to be told behind everything else.
    Ending,
    /// It was told.
    Finished,
}

/// What a direction came to, without waiting, and what it waits for.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Motion {
    /// There may be more to do at once.
    pub(super) again: bool,
    /// The source is to become readable.
    pub(super) readable: bool,
    /// The destination is to become writable.
    pub(super) writable: bool,
}

impl Lane {
    /// Whether the end was passed on.
    pub(super) fn finished(&self) -> bool {
        self.stage == Stage::Finished
    }

    /// Whether its end found the destination reset. What that had said before is still to be read.
    pub(super) fn unheard(&self) -> bool {
        self.unheard
    }

    /// Passes no end on from now on.
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    /// Sends what waits, then reads once and sends that.
    pub(super) fn step(
        &mut self,
        source: &mut Leg,
        destination: &mut Leg,
        pool: &Pool,
    ) -> Result<Motion, Broken> {
        if self.stage == Stage::Finished {
            // What a session still answers its peer, nobody waits for after the end.
            destination.output.clear();
            pool.reclaim(&mut destination.output);
            return Ok(Motion::default());
        }
        if !Self::deliver(destination, pool)? {
            return Ok(Motion { writable: true, ..Motion::default() });
        }
        let more = self.fetch(source, destination, pool)?;
        let ending = self.stage == Stage::Ending && !self.failed;
        let delivered = match Self::deliver(destination, pool) {
            Ok(true) if ending => self.finish(destination).map(|()| true),
            delivered => delivered,
        };
        let delivered = match delivered {
            // A peer that has said its own end may be gone altogether, and our close_notify, which is bytes to
            // its kernel, is answered by a reset; PostgreSQL never waits for one. What it said tells whether
            // all is well, if it is encrypted: cleartext has no end that a reset could not follow.
            Err(Broken::Destination(Failure::Reset))
                if ending && destination.owes_nothing() && destination.session.is_some() =>
            {
                destination.output.clear();
                self.unheard = true;
                self.stage = Stage::Finished;
                true
            }
            delivered => delivered?,
        };
        let moving = self.stage == Stage::Moving;
        Ok(Motion {
            again: delivered && more && moving,
            readable: delivered && !more && moving,
            writable: !delivered,
        })
    }

    /// Ends the destination's stream.
    fn finish(&mut self, destination: &Leg) -> Result<(), Broken> {
        socket::finish(destination.stream.as_fd()).map_err(|e| Broken::Destination(Failure::of(&e)))?;
        self.stage = Stage::Finished;
        Ok(())
    }

    /// Sends what is in the destination's output; whether all of it went.
    fn deliver(destination: &mut Leg, pool: &Pool) -> Result<bool, Broken> {
        let all = destination.flush().map_err(|e| Broken::Destination(Failure::of(&e)))?;
        pool.reclaim(&mut destination.output);
        Ok(all)
    }

    /// Reads once, into the destination's output; whether there may be more.
    fn fetch(&mut self, source: &mut Leg, destination: &mut Leg, pool: &Pool) -> Result<bool, Broken> {
        if self.stage != Stage::Moving {
            return Ok(false);
        }
        if !source.early.is_empty() {
            let early = std::mem::take(&mut source.early);
            pool.lend(&mut destination.output, false);
            destination.put(&early).map_err(|e| Broken::Destination(misbehaved(&e)))?;
            return Ok(true);
        }
        // Its end may have come with its handshake.
        if source.has_ended() {
            return self.end(destination).map(|()| false);
        }
        // A source that has failed is not asked again.
        let received = source.receive(pool).map_err(|e| Broken::Source(Failure::of(&e)));
        let Some(received) = received.inspect_err(|_| self.stage = Stage::Ending)? else {
            pool.reclaim(&mut source.input);
            return Ok(false);
        };
        pool.lend(&mut destination.output, source.bulk());
        let ended = if source.session.is_some() {
            self.decrypt(source, destination, received.bytes == 0)
        } else {
            Self::copy(source, destination).map(|()| received.bytes == 0)
        };
        pool.reclaim(&mut source.input);
        if ended.inspect_err(|_| self.stage = Stage::Ending)? {
            self.end(destination)?;
        }
        Ok(!received.drained)
    }

    fn end(&mut self, destination: &mut Leg) -> Result<(), Broken> {
        self.stage = Stage::Ending;
        if self.failed {
            return Ok(());
        }
        destination.put_end().map_err(|e| Broken::Destination(misbehaved(&e)))
    }

    fn copy(source: &mut Leg, destination: &mut Leg) -> Result<(), Broken> {
        let put = destination.put(source.input.filled());
        source.input.clear();
        put.map_err(|e| Broken::Destination(misbehaved(&e)))
    }

    /// Decrypts every whole record; whether the source has said its end.
    fn decrypt(&mut self, source: &mut Leg, destination: &mut Leg, eof: bool) -> Result<bool, Broken> {
        let Leg { session: Some(session), input, output, .. } = source else {
            return Ok(eof);
        };
        let mut refused = None;
        let read = session.read(input, output, &mut |cleartext| {
            destination.put(cleartext).inspect_err(|e| refused = Some(misbehaved(e)))
        });
        match (read, refused) {
            (_, Some(failure)) => Err(Broken::Destination(failure)),
            (Err(error), None) => Err(Broken::Source(misbehaved(&error))),
            (Ok(Status::Closed), None) => Ok(true),
            // The end of TCP's stream without TLS's: anybody on the way may have made it.
            (Ok(Status::Open), None) if eof => Err(Broken::Source(Failure::Truncated)),
            (Ok(Status::Open), None) => Ok(false),
        }
    }
}
