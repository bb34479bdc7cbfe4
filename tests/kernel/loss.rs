//! Local drops, slow links and segments out of order: the drain barrier must open neither early
//! nor never, and the verdict sees bytes in their order.

use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::net::run;
use crate::harness::payload::Payload;
use crate::harness::sluice::{Builder, Sluice};
use crate::harness::tun::behind_swapping_link;
use crate::harness::{bpf, eventually};
use crate::relay::{BACK, FRONT, Relay, on_every_relay};

on_every_relay!(
    a_queue_of_five,
    one_percent_dropped_going_out,
    one_percent_dropped_coming_in,
    one_megabit,
    out_of_order
);

/// `flows` transfers both ways at once, each ended by both sides and compared to the last byte.
fn transfers(relay: Relay, flows: u64, rounds: u64, len: usize) {
    Backend::echo(BACK);
    transfers_through(relay.start(), flows, rounds, len);
}

fn transfers_through(mut sluice: Sluice, flows: u64, rounds: u64, len: usize) {
    echo(FRONT, flows, rounds, len);
    for _ in 0..flows * rounds {
        let record = sluice.closed();
        assert_eq!(record["reason"], "finished", "{record}");
    }
}

fn echo(front: &str, flows: u64, rounds: u64, len: usize) {
    thread::scope(|scope| {
        for flow in 0..flows {
            scope.spawn(move || {
                for round in 0..rounds {
                    let payload = Payload { seed: flow * 1000 + round, len: len + (round as usize * 777) };
                    let mut stream = connect(front);
                    let mut out = stream.try_clone().unwrap();
                    let writer = thread::spawn(move || {
                        payload.send(&mut out).unwrap();
                        out.shutdown(Shutdown::Write).unwrap();
                    });
                    payload.expect_to_end(&mut stream);
                    writer.join().unwrap();
                }
            });
        }
    });
}

fn a_queue_of_five(relay: Relay) {
    run("tc", &["qdisc", "add", "dev", "lo", "root", "pfifo", "limit", "5"]);
    transfers(relay, 8, 6, 400_000);
}

fn one_percent_dropped_going_out(relay: Relay) {
    drop_one_percent("OUTPUT");
    transfers(relay, 8, 6, 400_000);
}

fn one_percent_dropped_coming_in(relay: Relay) {
    drop_one_percent("INPUT");
    transfers(relay, 8, 6, 400_000);
}

fn one_megabit(relay: Relay) {
    let rate =
        ["qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1mbit", "burst", "128kb", "latency", "400ms"];
    Backend::echo(BACK);
    // Before the link is narrow: the self-test sends megabytes over it.
    let sluice = relay.start();
    run("tc", &rate);
    transfers_through(sluice, 2, 1, 30_000);
}

/// Segments from the client overtake each other on their way to sluice, and so do sluice's to it.
/// The server of the first connection reads only once its lane is out of credit.
fn out_of_order(relay: Relay) {
    const FRONT: &str = "10.9.1.1:7000";
    let (release, released) = channel::<()>();
    let first = Mutex::new(Some(released));
    Backend::serve(BACK, move |mut stream| {
        let first = first.lock().unwrap().take();
        if let Some(released) = first {
            released.recv().unwrap();
        }
        let _ = std::io::copy(&mut stream.try_clone().unwrap(), &mut stream);
        stream.shutdown(Shutdown::Write).unwrap();
    });
    let (start, started) = channel::<()>();
    let clients = behind_swapping_link("10.9.1.1/24", "10.9.1.2/24", move || {
        started.recv().unwrap();
        echo(FRONT, 1, 1, 8_000_000);
        echo(FRONT, 4, 3, 1_500_000);
    });
    let mut sluice = Builder::new(&relay.mapping().replace("127.0.0.1\n", "10.9.1.1\n")).start();
    start.send(()).unwrap();
    if relay == Relay::Kernel {
        let lanes = bpf::map_of(sluice.pid(), "KERNEL_LANES");
        // The lane from the client; the second field is what was passed to the agent.
        eventually("a lane out of credit", || (lanes.element(0)[8..16] != [0; 8]).then_some(()));
    }
    release.send(()).unwrap();
    clients.join().unwrap();
    for _ in 0..13 {
        let record = sluice.closed();
        relay.carried(&record);
        assert_eq!(record["reason"], "finished", "{record}");
    }
    let swapped = counter("TCPOFOQueue");
    println!("{swapped} segments came before their time");
    assert!(swapped > 500, "only {swapped} segments came before their time");
}

/// A counter of this namespace's TCP.
fn counter(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
    let mut lines = text.lines().map(str::split_whitespace);
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let pair = names.zip(values).find(|(n, _)| *n == name);
    pair.expect("TcpExt comes first, names above values").1.parse().unwrap()
}

fn drop_one_percent(chain: &str) {
    let rule = [
        "-A",
        chain,
        "-p",
        "tcp",
        "-m",
        "statistic",
        "--mode",
        "random",
        "--probability",
        "0.01",
        "-j",
        "DROP",
    ];
    run("iptables-legacy", &rule);
}
