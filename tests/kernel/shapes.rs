//! Connections of random shape, many at a time: who speaks first, who ends first, how much and in
//! how many writes comes out of a seed that both ends know.
//!
//! `SLUICE_TEST_CONNECTIONS` sets how many there are over IPv4; the others take a quarter.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use fastrand::Rng;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::net;
use crate::harness::payload::Payload;
use crate::harness::sluice::Builder;
use crate::relay::{BACK, FRONT, Relay, on_every_relay};

on_every_relay!(over_ipv4, over_ipv6, between_namespaces);

/// Connections at a time.
const AT_ONCE: u64 = 64;

/// What one connection does.
#[derive(Debug, Clone)]
struct Shape {
    order: Order,
    up: Payload,
    down: Payload,
    /// Messages there and back before that.
    rounds: Vec<usize>,
}

/// Who ends first.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// The client sends all and ends, then the server.
    ClientThenServer,
    /// The server sends all and ends, then the client.
    ServerThenClient,
    /// Both at once.
    Together,
}

impl Shape {
    fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let order = [Order::ClientThenServer, Order::ServerThenClient, Order::Together][rng.usize(..3)];
        // Small ones are the most, and those in which one segment is everything.
        let len = |rng: &mut Rng| {
            let most = 1 << rng.u8(..19);
            if rng.u8(..5) == 0 { 0 } else { rng.usize(..most) }
        };
        Self {
            order,
            up: Payload { seed: seed * 2, len: len(&mut rng) },
            down: Payload { seed: seed * 2 + 1, len: len(&mut rng) },
            rounds: (0..rng.usize(..6)).map(|_| rng.usize(1..3000)).collect(),
        }
    }

    /// The client's part, after it has told the seed.
    fn client(&self, mut stream: &TcpStream) {
        for (i, len) in self.rounds.iter().enumerate() {
            let message = Payload { seed: i as u64, len: *len };
            message.send(&mut stream).expect("a message");
            message.expect(&mut stream);
        }
        match self.order {
            Order::ClientThenServer => {
                send_and_end(stream, self.up);
                self.down.expect_to_end(&mut stream);
            }
            Order::ServerThenClient => {
                self.down.expect_to_end(&mut stream);
                send_and_end(stream, self.up);
            }
            Order::Together => both(stream, self.up, self.down),
        }
    }

    /// The server's part.
    fn server(&self, mut stream: &TcpStream) {
        for (i, len) in self.rounds.iter().enumerate() {
            let message = Payload { seed: i as u64, len: *len };
            message.expect(&mut stream);
            message.send(&mut stream).expect("an answer");
        }
        match self.order {
            Order::ClientThenServer => {
                self.up.expect_to_end(&mut stream);
                send_and_end(stream, self.down);
            }
            Order::ServerThenClient => {
                send_and_end(stream, self.down);
                self.up.expect_to_end(&mut stream);
            }
            Order::Together => both(stream, self.down, self.up),
        }
    }
}

fn send_and_end(mut stream: &TcpStream, payload: Payload) {
    payload.send(&mut stream).expect("sent");
    stream.shutdown(Shutdown::Write).expect("ended");
}

fn both(mut stream: &TcpStream, send: Payload, expect: Payload) {
    thread::scope(|scope| {
        scope.spawn(move || send_and_end(stream, send));
        expect.expect_to_end(&mut stream);
    });
}

/// A server that is told a seed, and counts the connections it has seen to their end.
fn serve(address: &str) -> &'static AtomicU64 {
    let complete: &AtomicU64 = Box::leak(Box::default());
    Backend::serve(address, move |stream| {
        let mut seed = [0; 8];
        (&stream).read_exact(&mut seed).expect("a seed");
        Shape::of(u64::from_le_bytes(seed)).server(&stream);
        complete.fetch_add(1, Ordering::SeqCst);
    });
    complete
}

fn run(front: &str, connections: u64) {
    let next = AtomicU64::new(1);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed > connections {
                        return;
                    }
                    let stream = connect(front);
                    (&stream).write_all(&seed.to_le_bytes()).expect("a seed");
                    Shape::of(seed).client(&stream);
                }
            });
        }
    });
}

fn connections() -> u64 {
    std::env::var("SLUICE_TEST_CONNECTIONS").map_or(4000, |n| n.parse().expect("a number of connections"))
}

/// All connections are reported, each as finished.
fn all_finished(sluice: &mut crate::harness::sluice::Sluice, connections: u64) {
    for _ in 0..connections {
        let record = sluice.closed();
        assert_eq!(record["reason"], "finished", "{record}");
    }
}

fn over_ipv4(relay: Relay) {
    let complete = serve(BACK);
    let mut sluice = relay.start();
    run(FRONT, connections());
    all_finished(&mut sluice, connections());
    assert_eq!(complete.load(Ordering::SeqCst), connections());
}

fn over_ipv6(relay: Relay) {
    let complete = serve("[::1]:7001");
    let yaml = relay.named("six", 7000, "[::1]:7001", "").replace("address: 127.0.0.1", "address: \"::1\"");
    let mut sluice = Builder::new(&yaml).start();
    run("[::1]:7000", connections() / 4);
    all_finished(&mut sluice, connections() / 4);
    assert_eq!(complete.load(Ordering::SeqCst), connections() / 4);
}

/// Client and sluice in one network, the server in another: segments of a real link's size.
fn between_namespaces(relay: Relay) {
    net::neighbour("10.1.0.1/24", "10.1.0.2/24", || {
        serve("10.1.0.2:7001");
    });
    let mut sluice = Builder::new(&relay.named("far", 7000, "10.1.0.2:7001", "")).start();
    run(FRONT, connections() / 4);
    all_finished(&mut sluice, connections() / 4);
}
