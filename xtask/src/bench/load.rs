//! The load generator: one process per sample. It prints what it did; anything wrong, a single byte included, makes
//! it fail.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::set_current_timer_slack;
use serde_json::{Value, json};

use super::beside::{Beside, Company};
use super::bulk;
use super::case::{Case, Work};
use super::connect::{Connector, Stream};
use super::exchange::{self, Client};
use super::fresh::{self, Fresh};
use super::latency::Latency;
use super::paced::{self, Paced};
use super::schedule::Schedule;
use super::tls::Key;

/// What a sample did.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Done {
    /// Requests, connections or bytes.
    pub(super) amount: u64,
    pub(super) time: Duration,
    /// Where requests were due at set times: how long after they were answered.
    pub(super) latency: Option<Latency>,
    /// Requests without an answer when the wait was over.
    pub(super) unanswered: u64,
    /// Connections that were refused, reset or ended early.
    pub(super) failed: u64,
    /// What became of one of those.
    pub(super) why: Option<String>,
    /// Bytes that went beside.
    pub(super) beside: u64,
}

/// Said, and an empty line waited for, when all is there that the sample needs: from then on it counts.
pub(super) const READY: &str = "ready";

/// Puts the case's load on an address for so long, and prints what came of it. Where the case has a rate of its own it
/// is `rate`, in requests or connections a second.
pub(super) fn run(case: Case, address: SocketAddr, time: Duration, rate: u32) -> Result<()> {
    // The kernel's 50 µs would be in every latency.
    set_current_timer_slack(NonZeroU64::new(1))?;
    let work = case.work();
    let connector = Connector::new(address, case.way().inside(), matches!(work, Work::Resume(_)))?;
    let connector = &connector;
    match work {
        Work::Exchange(size) => exchanges(connector, case.connections(), size, time),
        Work::Bulk { up, down } => streams(connector, case.connections(), up, down, time)?.tell(),
        Work::Connect(size) => {
            await_start()?;
            connections(connector, case.connections(), size, time)?.tell()
        }
        Work::Resume(size) => {
            sessions(connector, case.connections(), size)?;
            await_start()?;
            connections(connector, case.connections(), size, time)?.tell()
        }
        Work::Paced(size, _, beside) => paced(connector, case.connections(), size, beside, rate, time),
        Work::Fresh(size, _) => {
            await_start()?;
            fresh(connector, case.connections(), size, rate, time)?.tell()
        }
    }
}

/// Whoever started this process may look at the machine before it says go.
fn await_start() -> Result<()> {
    println!("{READY}");
    let mut line = String::new();
    ensure!(io::stdin().read_line(&mut line)? > 0, "nobody waits for this sample any more");
    Ok(())
}

impl Done {
    pub(super) fn of(amount: u64, time: Duration) -> Self {
        Self { amount, time, latency: None, unanswered: 0, failed: 0, why: None, beside: 0 }
    }

    /// Prints it.
    fn tell(&self) -> Result<()> {
        let nanos = u64::try_from(self.time.as_nanos())?;
        println!(
            "{}",
            json!({
                "amount": self.amount, "nanos": nanos, "latency": self.latency.as_ref().map(Latency::encode),
                "unanswered": self.unanswered, "failed": self.failed, "why": self.why, "beside": self.beside,
            })
        );
        Ok(())
    }

    /// What [`Self::tell`] printed.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let value: Value =
            serde_json::from_str(text).with_context(|| format!("what came of it: {text:?}"))?;
        let number = |name| value[name].as_u64().with_context(|| format!("no {name} in {text}"));
        Ok(Self {
            amount: number("amount")?,
            time: Duration::from_nanos(number("nanos")?),
            latency: Some(&value["latency"]).filter(|it| !it.is_null()).map(Latency::decode).transpose()?,
            unanswered: number("unanswered")?,
            failed: number("failed")?,
            why: value["why"].as_str().map(str::to_owned),
            beside: number("beside")?,
        })
    }
}

/// One exchange, to see whether somebody serves.
pub(super) fn probe(address: SocketAddr, key: Option<Key>) -> Result<()> {
    let mut client = Client::new(Connector::new(address, key, false)?.open()?, 64)?;
    client.exchange()?;
    client.close()
}

fn exchanges(connector: &Connector, connections: usize, size: usize, time: Duration) -> Result<()> {
    let mut clients = clients(connector, connections, size)?;
    await_start()?;
    let start = Instant::now();
    let amount = exchange::run(&mut clients, start + time)?;
    Done::of(amount, start.elapsed()).tell()?;
    clients.into_iter().try_for_each(Client::close)
}

fn paced(
    connector: &Connector,
    connections: usize,
    size: usize,
    beside: Beside,
    rate: u32,
    time: Duration,
) -> Result<()> {
    let mut clients = clients(connector, connections, size)?;
    let company = Company::gather(beside, connector)?;
    await_start()?;
    let company = company.begin(beside, connector, time)?;
    let start = Instant::now();
    let Paced { latency, unanswered } = paced::run(&mut clients, &Schedule::new(rate, time))?;
    let mut done = Done::of(latency.count() - unanswered, start.elapsed());
    // What is idle is not asked for anything, so that its end does not count.
    if let Company::Idle(_) = company {
        done = Done { latency: Some(latency), unanswered, ..done };
        done.tell()?;
        company.end()?;
    } else {
        let beside = company.end()?;
        Done { latency: Some(latency), unanswered, beside, ..done }.tell()?;
    }
    if unanswered > 0 {
        // Replies are still to come: there is no end in order.
        return Ok(());
    }
    clients.into_iter().try_for_each(Client::close)
}

fn fresh(connector: &Connector, threads: usize, size: usize, rate: u32, time: Duration) -> Result<Done> {
    let start = Instant::now();
    let Fresh { latency, failed, why, unanswered } =
        fresh::run(connector, threads, size, &Schedule::new(rate, time))?;
    let done = Done::of(latency.count() - unanswered, start.elapsed());
    Ok(Done { latency: Some(latency), unanswered, failed, why, ..done })
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
    await_start()?;
    let start = Instant::now();
    let amount = sum(streams, |stream| match stream {
        Stream::Plain(stream) => bulk::drive(&stream, up, down, time),
        Stream::Tls { .. } if up && down => bail!("TLS streams go one way"),
        mut stream @ Stream::Tls { .. } => bulk::drive_one_way(&mut stream, up, time),
    })?;
    Ok(Done::of(amount, start.elapsed()))
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
    Ok(Done::of(amount, start.elapsed()))
}

/// Runs `task` on each item in a thread of its own, and adds up.
fn sum<T: Send>(items: Vec<T>, task: impl Fn(T) -> Result<u64> + Sync) -> Result<u64> {
    let task = &task;
    thread::scope(|scope| {
        let threads: Vec<_> = items.into_iter().map(|item| scope.spawn(move || task(item))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked"))).sum()
    })
}
