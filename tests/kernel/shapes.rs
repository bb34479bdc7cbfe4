//! Connections of random shape, 64 at a time: how much each side says, in how many pieces, who speaks
//! first and who ends first. Every byte, every end and every connection is accounted for.
//!
//! `SLUICE_SHAPES=100000` makes it that many for each test.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::eventually;
use crate::harness::net::behind_veth;
use crate::harness::payload::Payload;
use crate::harness::sluice::Builder;
use crate::relay::{Relay, on_every_relay};

on_every_relay!(over_ipv4, over_ipv6, between_namespaces);

const AT_A_TIME: u64 = 64;

fn over_ipv4(relay: Relay) {
    shapes(relay, count(4000), ["127.0.0.1", "127.0.0.1"], false);
}

fn over_ipv6(relay: Relay) {
    shapes(relay, count(1000), ["::1", "::1"], false);
}

/// Client, sluice and server in a network each, with veth pairs between them.
fn between_namespaces(relay: Relay) {
    shapes(relay, count(1000), ["10.9.1.1", "10.9.2.2"], true);
}

/// How many connections: `SLUICE_SHAPES`, or what fits into every run.
fn count(usual: u64) -> u64 {
    std::env::var("SLUICE_SHAPES").map_or(usual, |n| n.parse().expect("SLUICE_SHAPES is a number"))
}

/// What one side does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Speaks, ends, then listens.
    First,
    /// Listens to the end, then speaks.
    Second,
    /// Does both at once and ends when it has spoken.
    Together,
    /// Does both at once and ends when the other has ended.
    TogetherEndingLast,
}

/// The client's part and the server's.
const PARTS: [(Part, Part); 5] = [
    (Part::First, Part::Second),
    (Part::Second, Part::First),
    (Part::Together, Part::Together),
    (Part::Together, Part::TogetherEndingLast),
    (Part::TogetherEndingLast, Part::Together),
];

/// A connection as both sides know it beforehand.
#[derive(Debug, Clone, Copy)]
struct Kind {
    parts: (Part, Part),
    /// A byte each way precedes it, so that no side ends before sluice has both sockets.
    greets: bool,
}

impl Kind {
    const ALL: usize = 2 * PARTS.len();

    /// Each has ports of its own, so that both sides know.
    fn of(offset: usize) -> Self {
        Self { parts: PARTS[offset / 2], greets: offset % 2 == 1 }
    }

    /// Three in four greet.
    fn offset(number: u64) -> usize {
        let mut rng = fastrand::Rng::with_seed(number);
        rng.usize(0..PARTS.len()) * 2 + usize::from(rng.u8(0..4) > 0)
    }
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    Up,
    Down,
}

/// What one side says: nothing at all, or its number and bytes that follow from the number.
#[derive(Debug, Clone, Copy)]
struct Words {
    number: u64,
    seed: u64,
    /// `None`: nothing at all.
    len: Option<usize>,
}

impl Words {
    fn of(direction: Direction, number: u64) -> Self {
        let seed = number * 2 + direction as u64;
        let mut rng = fastrand::Rng::with_seed(seed);
        let most = match rng.u32(0..1000) {
            0..60 => return Self { number, seed, len: None },
            60..700 => 2000,
            700..950 => 16 << 10,
            950..995 => 128 << 10,
            _ => 600 << 10,
        };
        Self { number, seed, len: Some(rng.usize(0..=most)) }
    }

    fn send(self, to: &TcpStream) {
        let Some(len) = self.len else { return };
        let mut pieces = Pieces { to, rng: fastrand::Rng::with_seed(self.seed) };
        pieces.write_all(&self.number.to_le_bytes()).unwrap();
        Payload { seed: self.seed, len }.send(&mut pieces).unwrap();
    }
}

/// Splits what is written to it at random.
struct Pieces<'a> {
    to: &'a TcpStream,
    rng: fastrand::Rng,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Few of a byte or two, many of a segment or two, some of all there is.
        let most = [3, 4000, 4000, 20_000, usize::MAX][self.rng.usize(0..5)].min(bytes.len());
        self.to.write(&bytes[..self.rng.usize(1..=most)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What arrived in one direction, over all connections.
#[derive(Debug, Default)]
struct Account {
    numbers: HashSet<u64>,
    empty: u64,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Accounts([Mutex<Account>; 2]);

impl Accounts {
    /// Reads to the end, and checks every byte of it.
    fn receive(&self, direction: Direction, mut from: &TcpStream) {
        let mut number = Vec::new();
        from.take(8).read_to_end(&mut number).expect("the stream ends in order");
        let account = || self.0[direction as usize].lock().unwrap();
        if number.is_empty() {
            account().empty += 1;
            return;
        }
        let number = u64::from_le_bytes(number.try_into().expect("a number before the end"));
        let words = Words::of(direction, number);
        let len = words.len.expect("a number that says something");
        Payload { seed: words.seed, len }.expect_to_end(&mut from);
        let mut account = account();
        account.bytes += 8 + len as u64;
        assert!(account.numbers.insert(number), "{direction:?} {number} came twice");
    }

    /// Plays one side's part to its end.
    fn play(&self, part: Part, stream: &TcpStream, says: Words, hears: Direction) {
        let speak = |then_end| {
            says.send(stream);
            if then_end {
                stream.shutdown(Shutdown::Write).unwrap();
            }
        };
        match part {
            Part::First => {
                speak(true);
                self.receive(hears, stream);
            }
            Part::Second => {
                self.receive(hears, stream);
                speak(true);
            }
            Part::Together | Part::TogetherEndingLast => thread::scope(|scope| {
                let speaker = scope.spawn(|| speak(part == Part::Together));
                self.receive(hears, stream);
                speaker.join().unwrap();
                if part == Part::TogetherEndingLast {
                    stream.shutdown(Shutdown::Write).unwrap();
                }
            }),
        }
    }

    /// Waits until as many streams have ended as began, and checks that all that was said has
    /// arrived; how much it was.
    fn complete(&self, direction: Direction, count: u64) -> u64 {
        eventually("the last reader's end", || {
            let account = self.0[direction as usize].lock().unwrap();
            (account.numbers.len() as u64 + account.empty == count).then_some(())
        });
        let account = self.0[direction as usize].lock().unwrap();
        let said = (0..count).filter(|i| Words::of(direction, *i).len.is_some()).collect::<HashSet<_>>();
        let differ = account.numbers.symmetric_difference(&said).count();
        assert_eq!(differ, 0, "streams {direction:?} that did not arrive, or arrived empty");
        account.bytes
    }
}

fn address(ip: &str, port: usize) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

/// `count` connections to `front` that sluice takes to `back`, each behind a veth pair or not.
fn shapes(relay: Relay, count: u64, [front, back]: [&'static str; 2], veth: bool) {
    let accounts = Arc::new(Accounts::default());
    let serve = {
        let accounts = Arc::clone(&accounts);
        move || {
            let next = Arc::new(AtomicU64::new(0));
            for offset in 0..Kind::ALL {
                let (kind, accounts, next) = (Kind::of(offset), Arc::clone(&accounts), Arc::clone(&next));
                Backend::serve(&address(back, 7100 + offset), move |mut stream| {
                    if kind.greets {
                        stream.write_all(b"!").unwrap();
                        stream.read_exact(&mut [0; 1]).unwrap();
                    }
                    let says = Words::of(Direction::Down, next.fetch_add(1, Ordering::SeqCst));
                    accounts.play(kind.parts.1, &stream, says, Direction::Up);
                });
            }
        }
    };
    let call = {
        let accounts = Arc::clone(&accounts);
        move || {
            let next = AtomicU64::new(0);
            thread::scope(|scope| {
                for _ in 0..AT_A_TIME.min(count) {
                    scope.spawn(|| {
                        while let number = next.fetch_add(1, Ordering::SeqCst)
                            && number < count
                        {
                            let offset = Kind::offset(number);
                            let kind = Kind::of(offset);
                            let mut stream = connect(&address(front, 7000 + offset));
                            if kind.greets {
                                stream.read_exact(&mut [0; 1]).unwrap();
                                stream.write_all(b"!").unwrap();
                            }
                            let says = Words::of(Direction::Up, number);
                            accounts.play(kind.parts.0, &stream, says, Direction::Down);
                        }
                    });
                }
            });
        }
    };
    let yaml = (0..Kind::ALL).map(|i| {
        let port = u16::try_from(7000 + i).unwrap();
        relay
            .named(&format!("m{i}"), port, &address(back, 7100 + i), "")
            .replace("address: 127.0.0.1", &format!("address: \"{front}\""))
    });
    let builder = Builder::new(&yaml.collect::<String>());
    let started = Instant::now();
    let mut sluice = if veth {
        behind_veth("servers", "10.9.2.1/24", "10.9.2.2/24", serve).join().unwrap();
        let (start, started) = std::sync::mpsc::channel::<()>();
        let clients = behind_veth("clients", "10.9.1.1/24", "10.9.1.2/24", move || {
            started.recv().unwrap();
            call();
        });
        let sluice = builder.start();
        start.send(()).unwrap();
        clients.join().unwrap();
        sluice
    } else {
        serve();
        let sluice = builder.start();
        call();
        sluice
    };
    let mut in_kernel = 0;
    for _ in 0..count {
        let record = sluice.closed();
        assert_eq!(record["reason"], "finished", "{record}");
        in_kernel += u64::from(record["relay"] == "kernel");
    }
    let bytes = [Direction::Up, Direction::Down].map(|d| accounts.complete(d, count));
    println!("{count} connections in {:?}: bytes {bytes:?}, {in_kernel} in the kernel", started.elapsed());
    if relay == Relay::Kernel {
        // All that greet; others may have ended before the kernel could take them.
        let greeting = (0..count).filter(|i| Kind::of(Kind::offset(*i)).greets).count() as u64;
        assert!(in_kernel >= greeting, "{in_kernel} of {count} in the kernel");
    }
}
