//! The load generator: one process per sample. It prints how much it did and in how many
//! nanoseconds; anything wrong, a single byte included, makes it fail.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::bulk;
use super::case::{Case, Work};
use super::connect::{Connector, Stream};
use super::exchange::{self, Client};
use super::tls::Key;

/// What a sample did: requests, connections or bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Done {
    pub(super) amount: u64,
    pub(super) time: Duration,
}

/// Puts the case's load on an address for so long, and prints what came of it.
pub(super) fn run(case: Case, address: SocketAddr, time: Duration) -> Result<()> {
    let work = case.work();
    let connector = Connector::new(address, case.way().inside(), matches!(work, Work::Resume(_)))?;
    let connector = &connector;
    let done = match work {
        Work::Exchange(size) => exchanges(connector, case.connections(), size, time),
        Work::Bulk { up, down } => streams(connector, case.connections(), up, down, time),
        Work::Connect(size) => connections(connector, case.connections(), size, time),
        Work::Resume(size) => {
            sessions(connector, case.connections(), size)?;
            connections(connector, case.connections(), size, time)
        }
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

/// One exchange, to see whether somebody serves.
pub(super) fn probe(address: SocketAddr, key: Option<Key>) -> Result<()> {
    let mut client = Client::new(Connector::new(address, key, false)?.open()?, 64)?;
    client.exchange()?;
    client.close()
}

fn exchanges(connector: &Connector, connections: usize, size: usize, time: Duration) -> Result<Done> {
    let mut clients = clients(connector, connections, size)?;
    let start = Instant::now();
    let amount = exchange::run(&mut clients, start + time)?;
    let time = start.elapsed();
    clients.into_iter().try_for_each(Client::close)?;
    Ok(Done { amount, time })
}

/// Only what is established is measured: each has had an answer.
fn clients(connector: &Connector, connections: usize, size: usize) -> Result<Vec<Client>> {
    let clients = (0..connections).map(|_| Client::new(connector.open()?, size));
    let mut clients = clients.collect::<Result<Vec<_>>>()?;
    clients.iter_mut().try_for_each(Client::exchange)?;
    Ok(clients)
}

/// Leaves a session for each of so many connections, opened at once so that none takes up another's.
fn sessions(connector: &Connector, connections: usize, size: usize) -> Result<()> {
    clients(&connector.first(), connections, size)?.into_iter().try_for_each(Client::close)
}

fn streams(connector: &Connector, connections: usize, up: bool, down: bool, time: Duration) -> Result<Done> {
    let streams = (0..connections).map(|_| connector.open()?.shake_hands());
    let streams = streams.collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let amount = sum(streams, |stream| match stream {
        Stream::Plain(stream) => bulk::drive(&stream, up, down, time),
        Stream::Tls { .. } if up && down => bail!("TLS streams go one way"),
        mut stream @ Stream::Tls { .. } => bulk::drive_one_way(&mut stream, up, time),
    })?;
    Ok(Done { amount, time: start.elapsed() })
}

fn connections(connector: &Connector, clients: usize, size: usize, time: Duration) -> Result<Done> {
    let start = Instant::now();
    let end = start + time;
    let amount = sum(vec![(); clients], |()| {
        let mut closed = 0;
        while Instant::now() < end {
            let mut client = Client::new(connector.open()?, size)?;
            client.exchange()?;
            client.close()?;
            closed += 1;
        }
        Ok(closed)
    })?;
    Ok(Done { amount, time: start.elapsed() })
}

/// Runs `task` on each item in a thread of its own, and adds up.
fn sum<T: Send>(items: Vec<T>, task: impl Fn(T) -> Result<u64> + Sync) -> Result<u64> {
    let task = &task;
    thread::scope(|scope| {
        let threads: Vec<_> = items.into_iter().map(|item| scope.spawn(move || task(item))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked"))).sum()
    })
}
