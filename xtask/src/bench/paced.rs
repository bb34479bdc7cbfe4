//! Requests at a constant rate on connections that are open. A request that is due while the one before it on its
//! connection is not answered waits, and its time runs from when it was due: a stall is seen by everyone it would
//! have kept waiting, and not by one request for each connection.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::exchange::Client;
use super::latency::Latency;
use super::schedule::Schedule;

/// What came of a schedule.
#[derive(Debug)]
pub(super) struct Paced {
    pub(super) latency: Latency,
    /// Requests without an answer when the wait was over.
    pub(super) unanswered: u64,
}

/// Carries out a schedule, each client in turn; one thread for all, as in a closed loop.
pub(super) fn run(clients: &mut [Client], schedule: &Schedule) -> Result<Paced> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    for (i, client) in clients.iter().enumerate() {
        epoll::add(&epoll, client, EventData::new_u64(i as u64), EventFlags::IN)?;
    }
    let mut latency = Latency::new()?;
    // Per client: when the requests were due that are not answered; the first is on its way.
    let mut waiting: Vec<VecDeque<Instant>> = vec![VecDeque::new(); clients.len()];
    let mut events: Vec<Event> = Vec::with_capacity(clients.len());
    let (mut next, mut answered, end) = (0, 0, schedule.end());
    loop {
        let mut now = Instant::now();
        while next < schedule.total && schedule.due(next) <= now {
            let turn = usize::try_from(next)? % clients.len();
            waiting[turn].push_back(schedule.due(next));
            if waiting[turn].len() == 1 {
                clients[turn].send()?;
                now = Instant::now();
            }
            next += 1;
        }
        if answered == schedule.total || now >= end {
            break;
        }
        let wake = if next < schedule.total { schedule.due(next) } else { end };
        events.clear();
        let patience = Timespec::try_from(wake.saturating_duration_since(now))?;
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&patience))?;
        for event in &events {
            let turn = usize::try_from(event.data.u64())?;
            if clients[turn].receive()? {
                let due = waiting[turn].pop_front();
                latency.record(due.map_or(Duration::ZERO, |due| due.elapsed()));
                answered += 1;
                if !waiting[turn].is_empty() {
                    clients[turn].send()?;
                }
            }
        }
    }
    for due in waiting.iter().flatten() {
        latency.record(due.elapsed());
    }
    Ok(Paced { latency, unanswered: schedule.total - answered })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::thread;
    use std::time::Duration;

    use super::super::connect::Connector;
    use super::super::exchange::Client;
    use super::{Schedule, run};

    const SIZE: usize = 64;
    const STALL: Duration = Duration::from_millis(300);

    /// Answers on one connection, and once, before this answer, not for a while.
    fn stalling(at: u64) -> (SocketAddr, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = thread::spawn(move || {
            let (mut stream, _): (TcpStream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut message = [0; SIZE];
            for number in 0.. {
                if stream.read_exact(&mut message).is_err() {
                    return;
                }
                if number == at {
                    thread::sleep(STALL);
                }
                stream.write_all(&message).unwrap();
            }
        });
        (address, serving)
    }

    fn client(address: SocketAddr) -> Client {
        Client::new(Connector::new(address, None, false).unwrap().open().unwrap(), SIZE).unwrap()
    }

    #[test]
    fn a_stall_is_seen_by_all_that_were_due_in_it() {
        let (address, serving) = stalling(100);
        let mut clients = [client(address)];
        let paced = run(&mut clients, &Schedule::new(1_000, Duration::from_secs(1))).unwrap();
        assert_eq!((paced.latency.count(), paced.unanswered), (1_000, 0));
        // Three in ten were due while nobody answered. A closed loop has one that took long.
        let long = paced.latency.quantile(0.99);
        assert!(long > 0.25, "p99 {long} s");
        assert!(paced.latency.quantile(0.8) > 0.05, "{:?}", paced.latency.quantile(0.8));
        let [client] = clients;
        client.close().unwrap();
        serving.join().unwrap();
    }

    #[test]
    fn what_is_never_answered_counts_as_long() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut clients = [client(listener.local_addr().unwrap())];
        let paced = run(&mut clients, &Schedule::new(100, Duration::from_millis(200))).unwrap();
        assert_eq!((paced.latency.count(), paced.unanswered), (20, 20));
        assert!(paced.latency.quantile(0.01) >= 1.9, "{:?}", paced.latency);
    }
}
