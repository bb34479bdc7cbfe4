//! A connection for each request, at a constant rate: from when it was due to the first answer on it, connecting
//! and a handshake included, and closing not.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Error, Result, bail};

use super::connect::Connector;
use super::exchange::Client;
use super::latency::Latency;
use super::schedule::Schedule;

/// What came of a schedule.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) latency: Latency,
    /// Connections that were refused, reset or ended early.
    pub(super) failed: u64,
    /// What became of one of them.
    pub(super) why: Option<String>,
    /// Those that were not begun when the wait was over.
    pub(super) unanswered: u64,
}

impl Fresh {
    fn new() -> Result<Self> {
        Ok(Self { latency: Latency::new()?, failed: 0, why: None, unanswered: 0 })
    }

    fn add(&mut self, other: Self) -> Result<()> {
        self.latency.add(&other.latency)?;
        self.failed += other.failed;
        self.unanswered += other.unanswered;
        self.why = self.why.take().or(other.why);
        Ok(())
    }
}

/// Carries out a schedule. Each of so many threads takes the connection that is due next; when all are busy the
/// next one begins late, which is part of its time.
pub(super) fn run(connector: &Connector, threads: usize, size: usize, schedule: &Schedule) -> Result<Fresh> {
    let next = AtomicU64::new(0);
    let worker = || -> Result<Fresh> {
        let mut fresh = Fresh::new()?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= schedule.total {
                return Ok(fresh);
            }
            let due = schedule.due(number);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if Instant::now() >= schedule.end() {
                fresh.unanswered += 1;
                fresh.latency.record(due.elapsed());
                continue;
            }
            if let Err(error) = one(connector, size, || fresh.latency.record(due.elapsed())) {
                fresh.failed += 1;
                fresh.why.get_or_insert(lost(error)?);
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let mut all = Fresh::new()?;
        for worker in workers {
            all.add(worker.join().unwrap_or_else(|_| bail!("a thread panicked"))?)?;
        }
        Ok(all)
    })
}

fn one(connector: &Connector, size: usize, answered: impl FnOnce()) -> Result<()> {
    let mut client = Client::new(connector.open()?, size)?;
    client.exchange()?;
    answered();
    client.close()
}

/// A connection may be lost, and that is counted; wrong bytes fail the sample.
fn lost(error: Error) -> Result<String> {
    if error.chain().any(|cause| cause.is::<io::Error>()) { Ok(format!("{error:#}")) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::thread;
    use std::time::Duration;

    use super::super::connect::Connector;
    use super::{Schedule, run};

    /// Answers each connection with what `answer` makes of its request; drops it where that is nothing.
    fn serving(answer: impl Fn(usize, [u8; 64]) -> Vec<u8> + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (mut stream, mut message) = (stream.unwrap(), [0; 64]);
                if stream.read_exact(&mut message).is_ok() {
                    let _ = stream.write_all(&answer(number, message));
                }
            }
        });
        address
    }

    fn connector(address: SocketAddr) -> Connector {
        Connector::new(address, None, false).unwrap()
    }

    #[test]
    fn counts_what_is_lost_and_goes_on() {
        let address = serving(|number, message| if number == 7 { Vec::new() } else { message.to_vec() });
        let fresh = run(&connector(address), 4, 64, &Schedule::new(200, Duration::from_millis(500))).unwrap();
        assert_eq!((fresh.failed, fresh.unanswered, fresh.latency.count()), (1, 0, 99));
        assert!(fresh.why.unwrap().contains("ended"));
    }

    #[test]
    fn a_wrong_byte_is_no_loss() {
        let address = serving(|_, mut message| {
            message[63] ^= 1;
            message.to_vec()
        });
        let error = run(&connector(address), 1, 64, &Schedule::new(10, Duration::from_millis(100)));
        assert!(error.unwrap_err().to_string().contains("differs from its request"));
    }

    #[test]
    fn a_stall_is_seen_by_all_that_were_due_in_it() {
        let address = serving(|number, message| {
            if number == 20 {
                thread::sleep(Duration::from_millis(300));
            }
            message.to_vec()
        });
        let fresh = run(&connector(address), 2, 64, &Schedule::new(200, Duration::from_millis(500))).unwrap();
        assert!(fresh.latency.quantile(0.8) > 0.1, "{:?}", fresh.latency.quantile(0.8));
    }
}
