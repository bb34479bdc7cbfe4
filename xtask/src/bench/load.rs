//! The load generator: one process per sample. It prints how much it did and in how many
//! nanoseconds; anything wrong, a single byte included, makes it fail.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::bulk;
use super::case::{Case, Work};
use super::exchange::{self, Client};

/// Longest wait for a byte: what takes longer hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What a sample did: requests, connections or bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Done {
    pub(super) amount: u64,
    pub(super) time: Duration,
}

/// Puts the case's load on an address for so long, and prints what came of it.
pub(super) fn run(case: Case, address: SocketAddr, time: Duration) -> Result<()> {
    let done = match case.work() {
        Work::Exchange(size) => exchanges(address, case.connections(), size, time),
        Work::Bulk { up, down } => streams(address, case.connections(), up, down, time),
        Work::Connect(size) => connections(address, case.connections(), size, time),
    }?;
    println!("{} {}", done.amount, done.time.as_nanos());
    Ok(())
}

impl Done {
    /// What [`run`] printed.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (amount, nanos) = text.trim().split_once(' ').context("two numbers expected")?;
        Ok(Self { amount: amount.parse()?, time: Duration::from_nanos(nanos.parse()?) })
    }
}

/// A connection that gives up on a peer that hangs.
#[expect(clippy::disallowed_methods, reason = "a client may block")]
pub(super) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// One exchange, to see whether somebody serves.
pub(super) fn probe(address: SocketAddr) -> Result<()> {
    let mut client = Client::new(address, 64)?;
    client.exchange()?;
    client.close()
}

fn exchanges(address: SocketAddr, connections: usize, size: usize, time: Duration) -> Result<Done> {
    let mut clients = (0..connections).map(|_| Client::new(address, size)).collect::<Result<Vec<_>>>()?;
    // Only what is established is measured here.
    clients.iter_mut().try_for_each(Client::exchange)?;
    let start = Instant::now();
    let amount = exchange::run(&mut clients, start + time)?;
    let time = start.elapsed();
    clients.into_iter().try_for_each(Client::close)?;
    Ok(Done { amount, time })
}

fn streams(address: SocketAddr, connections: usize, up: bool, down: bool, time: Duration) -> Result<Done> {
    let streams = (0..connections).map(|_| connect(address)).collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let amount = sum(&streams, |stream| bulk::drive(stream, up, down, time))?;
    Ok(Done { amount, time: start.elapsed() })
}

fn connections(address: SocketAddr, clients: usize, size: usize, time: Duration) -> Result<Done> {
    let start = Instant::now();
    let end = start + time;
    let amount = sum(&vec![(); clients], |()| {
        let mut closed = 0;
        while Instant::now() < end {
            let mut client = Client::new(address, size)?;
            client.exchange()?;
            client.close()?;
            closed += 1;
        }
        Ok(closed)
    })?;
    Ok(Done { amount, time: start.elapsed() })
}

/// Runs `task` on each item in a thread of its own, and adds up.
fn sum<T: Sync>(items: &[T], task: impl Fn(&T) -> Result<u64> + Sync) -> Result<u64> {
    thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(|| task(item))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked"))).sum()
    })
}
