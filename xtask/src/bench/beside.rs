//! What goes on through the same peer while latencies are measured.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::ioctl_fionbio;
use rustix::net::sockopt;

use super::bulk;
use super::connect::{Connector, Stream};
use super::exchange::Client;
use super::pattern::Checker;
use super::wire::Hello;

/// The company of a few small requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    /// One stream from the server, as fast as it goes.
    Elephant,
    /// So many streams from the server whose clients do not read; every other one a little, now and then.
    SlowReaders(usize),
    /// So many connections that have had one answer, and do nothing more.
    Idle(usize),
}

/// How much a slow reader takes, and how often.
const SIP: (usize, Duration) = (4 << 10, Duration::from_millis(50));

/// Buffers on the way to readers that do not read are full when TCP's memory has not grown by a hundredth for so
/// long; they are not waited for longer than that.
const FILLED: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(15));

/// The company, while it is there.
pub(super) enum Company {
    Nobody,
    Elephant(JoinHandle<Result<u64>>),
    SlowReaders { readers: JoinHandle<Result<u64>>, stop: Arc<AtomicBool> },
    Idle(Vec<Client>),
}

impl Beside {
    /// Connections whose memory is asked for.
    pub(super) fn connections(self) -> Option<usize> {
        match self {
            Self::Nothing | Self::Elephant => None,
            Self::SlowReaders(count) | Self::Idle(count) => Some(count),
        }
    }
}

impl Company {
    /// Brings what has to be there beforehand; the elephant comes with [`Self::begin`].
    pub(super) fn gather(beside: Beside, connector: &Connector) -> Result<Self> {
        Ok(match beside {
            Beside::Nothing | Beside::Elephant => Self::Nobody,
            Beside::SlowReaders(count) => slow_readers(connector, count)?,
            Beside::Idle(count) => {
                let idle = (0..count).map(|_| {
                    let mut client = Client::new(connector.open()?, 64)?;
                    client.exchange()?;
                    Ok(client)
                });
                Self::Idle(idle.collect::<Result<_>>().with_context(|| format!("of {count} connections"))?)
            }
        })
    }

    /// Begins what takes as long as the sample.
    pub(super) fn begin(self, beside: Beside, connector: &Connector, time: Duration) -> Result<Self> {
        if beside != Beside::Elephant {
            return Ok(self);
        }
        let stream = connector.open()?;
        Ok(Self::Elephant(thread::spawn(move || match stream {
            Stream::Plain(stream) => bulk::drive(&stream, false, true, time),
            mut stream @ Stream::Tls { .. } => bulk::drive_one_way(&mut stream, false, time),
        })))
    }

    /// Ends it; bytes that came to it meanwhile, each as it should be.
    pub(super) fn end(self) -> Result<u64> {
        match self {
            Self::Nobody => Ok(0),
            Self::Elephant(thread) => join(thread).context("the elephant"),
            Self::SlowReaders { readers, stop } => {
                stop.store(true, Ordering::Relaxed);
                join(readers).context("a slow reader")
            }
            Self::Idle(clients) => clients.into_iter().try_for_each(Client::close).map(|()| 0),
        }
    }
}

fn slow_readers(connector: &Connector, count: usize) -> Result<Company> {
    let hello = Hello::Bulk { up: false, down: true, millis: 60_000 }.encode();
    let streams = (0..count).map(|_| {
        let mut stream = connector.open()?;
        stream.write_all(&hello)?;
        ioctl_fionbio(&stream, true)?;
        Ok((stream, Checker::new()))
    });
    let streams = streams.collect::<Result<Vec<_>>>()?;
    await_full_buffers()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let readers = thread::spawn(move || sip(streams, &stopped));
    Ok(Company::SlowReaders { readers, stop })
}

fn await_full_buffers() -> Result<()> {
    let (still, longest) = FILLED;
    let deadline = Instant::now() + longest;
    let mut before = 0;
    while Instant::now() < deadline {
        thread::sleep(still);
        let pages = tcp_pages(&fs::read_to_string("/proc/net/sockstat")?).context("TCP's memory")?;
        if before > 0 && pages <= before + before / 100 {
            break;
        }
        before = pages;
    }
    Ok(())
}

/// Of `TCP: inuse 5 orphan 0 tw 0 alloc 9 mem 12` the last number.
fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    line.rsplit_once("mem ")?.1.trim().parse().ok()
}

/// Lets every other stream have a sip at a time, and at the end resets all: nobody reads what is under way.
fn sip(mut streams: Vec<(Stream, Checker)>, stopped: &AtomicBool) -> Result<u64> {
    let mut bytes = 0;
    while !stopped.load(Ordering::Relaxed) {
        for (stream, checker) in streams.iter_mut().step_by(2) {
            let room = checker.room();
            let size = SIP.0.min(room.len());
            let n = match stream.read(&mut room[..size]) {
                Ok(0) => bail!("it ended after {} bytes", checker.checked()),
                // Nothing has come since: the others have all there is.
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => 0,
                other => other?,
            };
            checker.take(n)?;
            bytes += n as u64;
        }
        thread::sleep(SIP.1);
    }
    for (stream, _) in &streams {
        sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    }
    Ok(bytes)
}

fn join(thread: JoinHandle<Result<u64>>) -> Result<u64> {
    thread.join().unwrap_or_else(|_| bail!("a thread panicked"))
}

#[cfg(test)]
mod tests {
    use super::tcp_pages;

    #[test]
    fn reads_what_tcp_holds() {
        let text = "sockets: used 9\nTCP: inuse 5 orphan 0 tw 2 alloc 9 mem 1234\nUDP: inuse 0 mem 7\n";
        assert_eq!(tcp_pages(text), Some(1234));
        assert_eq!(tcp_pages("UDP: inuse 0 mem 7\n"), None);
    }
}
