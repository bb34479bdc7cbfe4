//! One side of a connection, played to its end, and what it saw.

use std::io::ErrorKind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio_util::sync::CancellationToken;

use crate::harness::payload;
use crate::plan::{Ending, Pace, Part, Plan, Shape, Who};
use crate::stream::Stream;

/// How what a side heard came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It has not: this side went first, or was cut off by the run itself.
    Open,
    Eof,
    /// By an error; TLS that ends without its own end is one.
    Broken(ErrorKind),
    /// At a byte that is not the one that was said.
    Wrong(usize),
    /// With more bytes than were said.
    Surplus,
    /// The run lost patience.
    Late,
}

/// What one side saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Saw {
    /// Bytes that its kernel took.
    pub(crate) said: usize,
    /// Whether it ended in order behind them, or closed.
    pub(crate) ended: bool,
    /// Whether writing failed.
    pub(crate) failed: bool,
    pub(crate) heard: usize,
    pub(crate) end: End,
}

/// What a side has seen so far, for those who may have to give up on it.
#[derive(Debug)]
pub(crate) struct Progress {
    said: AtomicUsize,
    ended: AtomicBool,
    failed: AtomicBool,
    heard: AtomicUsize,
    end: Mutex<End>,
}

/// What one side of a connection has to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Role {
    who: Who,
    ending: Ending,
    part: Part,
    /// Bytes that the other side says.
    hears: usize,
    hold: Duration,
    /// What the bytes of either side follow from.
    own: u64,
    others: u64,
    /// Whether the first byte is said wrong, so that somebody notices.
    pub(crate) lies: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            said: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            heard: AtomicUsize::new(0),
            end: Mutex::new(End::Open),
        }
    }

    pub(crate) fn saw(&self) -> Saw {
        Saw {
            said: self.said.load(Ordering::SeqCst),
            ended: self.ended.load(Ordering::SeqCst),
            failed: self.failed.load(Ordering::SeqCst),
            heard: self.heard.load(Ordering::SeqCst),
            end: *self.end.lock().unwrap(),
        }
    }

    /// The run has lost patience with this side.
    pub(crate) fn late(&self) {
        *self.end.lock().unwrap() = End::Late;
    }
}

impl Role {
    pub(crate) fn new(plan: &Plan, number: u64, shape: &Shape, who: Who) -> Self {
        let (part, other, peer) = match who {
            Who::Client => (shape.client, Who::Server, shape.server),
            Who::Server => (shape.server, Who::Client, shape.client),
        };
        Self {
            who,
            ending: shape.ending,
            part,
            hears: peer.says,
            hold: shape.hold,
            own: plan.words(number, who),
            others: plan.words(number, other),
            lies: false,
        }
    }

    /// Plays it; the connection is closed at its end.
    pub(crate) async fn play(self, stream: Stream, progress: &Progress) {
        let (mut reader, mut writer) = split(stream);
        let (over, failed) = (CancellationToken::new(), CancellationToken::new());
        let hearing = async {
            let end = self.hear(&mut reader, &progress.heard).await;
            *progress.end.lock().unwrap() = end;
            if end != End::Eof {
                failed.cancel();
            }
            over.cancel();
        };
        let speaking = async {
            if self.answers() {
                over.cancelled().await;
            }
            let said = tokio::select! {
                biased;
                said = self.say(&mut writer, &progress.said) => said.is_ok(),
                () = failed.cancelled() => false,
            };
            if !said {
                progress.failed.store(true, Ordering::SeqCst);
            }
            if self.breaks() {
                tokio::time::sleep(self.hold).await; // tidy: when a peer breaks off is a part of the shape
                return;
            }
            if self.ends_last() {
                over.cancelled().await;
            }
            if said && self.ending != Ending::Idle {
                // Before, as the other side may hear of it at once.
                progress.ended.store(true, Ordering::SeqCst);
                if writer.shutdown().await.is_err() {
                    progress.failed.store(true, Ordering::SeqCst);
                }
            }
        };
        if self.breaks() {
            let hearing = async {
                hearing.await;
                std::future::pending::<()>().await;
            };
            tokio::select! { () = speaking => {}, () = hearing => {} }
        } else {
            tokio::join!(hearing, speaking);
        }
        let stream = reader.unsplit(writer);
        let saw = progress.saw();
        let leaves = self.breaks() && self.ending == Ending::ClientLeaves;
        if leaves {
            progress.ended.store(true, Ordering::SeqCst);
        }
        if leaves || (saw.ended && saw.end == End::Eof && !saw.failed) {
            stream.resets_on_close(false);
        }
    }

    fn answers(&self) -> bool {
        matches!(
            (self.ending, self.who),
            (Ending::ClientAnswers, Who::Client) | (Ending::ServerAnswers, Who::Server)
        )
    }

    fn ends_last(&self) -> bool {
        matches!(
            (self.ending, self.who),
            (Ending::ClientLast, Who::Client) | (Ending::ServerLast, Who::Server) | (Ending::Idle, _)
        )
    }

    fn breaks(&self) -> bool {
        matches!(
            (self.ending, self.who),
            (Ending::ClientResets | Ending::ClientLeaves, Who::Client) | (Ending::ServerResets, Who::Server)
        )
    }

    async fn say(&self, to: &mut (impl AsyncWrite + Unpin), said: &AtomicUsize) -> std::io::Result<()> {
        let mut words = payload::Stream::new(self.own);
        let mut turn = Turn::new(self.part.writes);
        let mut chunk = vec![0; turn.pace.chunk.min(self.part.says)];
        let mut left = self.part.says;
        while left > 0 {
            let len = left.min(chunk.len());
            words.fill(&mut chunk[..len]);
            if self.lies && left == self.part.says {
                chunk[0] ^= 1;
            }
            let mut at = 0;
            while at < len {
                let n = to.write(&chunk[at..len]).await?;
                at += n;
                said.fetch_add(n, Ordering::SeqCst);
            }
            to.flush().await?;
            left -= len;
            turn.passed(len).await;
        }
        Ok(())
    }

    async fn hear(&self, from: &mut (impl AsyncRead + Unpin), heard: &AtomicUsize) -> End {
        let mut words = payload::Stream::new(self.others);
        let mut turn = Turn::new(self.part.reads);
        let (mut got, mut want) = (vec![0; turn.pace.chunk], vec![0; turn.pace.chunk]);
        let mut at = 0;
        loop {
            let n = match from.read(&mut got).await {
                Ok(0) => return End::Eof,
                Ok(n) => n,
                Err(e) => return End::Broken(e.kind()),
            };
            words.fill(&mut want[..n]);
            if let Some(wrong) = got[..n].iter().zip(&want[..n]).position(|(a, b)| a != b) {
                return if at + wrong < self.hears { End::Wrong(at + wrong) } else { End::Surplus };
            }
            at += n;
            if at > self.hears {
                return End::Surplus;
            }
            heard.store(at, Ordering::SeqCst);
            turn.passed(n).await;
        }
    }
}

/// How far it is to the next pause.
struct Turn {
    pace: Pace,
    left: usize,
}

impl Turn {
    fn new(pace: Pace) -> Self {
        Self { pace, left: pace.every }
    }

    async fn passed(&mut self, bytes: usize) {
        if let Some(left) = self.left.checked_sub(bytes) {
            self.left = left;
            return;
        }
        self.left = self.pace.every;
        if !self.pace.pause.is_zero() {
            tokio::time::sleep(self.pace.pause).await; // tidy: peers that pause are a part of the shape
        }
    }
}
