//! Local drops and slow links: the drain barrier must open neither early nor never.

use std::net::Shutdown;
use std::thread;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::net::run;
use crate::harness::payload::Payload;
use crate::relay::{BACK, FRONT, Relay, on_every_relay};

on_every_relay!(a_queue_of_five, one_percent_dropped_going_out, one_percent_dropped_coming_in, one_megabit);

/// `flows` transfers both ways at once, each ended by both sides and compared to the last byte.
fn transfers(relay: Relay, flows: u64, rounds: u64, len: usize) {
    Backend::echo(BACK);
    let mut sluice = relay.start();
    thread::scope(|scope| {
        for flow in 0..flows {
            scope.spawn(move || {
                for round in 0..rounds {
                    let payload = Payload { seed: flow * 1000 + round, len: len + (round as usize * 777) };
                    let mut stream = connect(FRONT);
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
    for _ in 0..flows * rounds {
        let record = sluice.closed();
        assert_eq!(record["reason"], "finished", "{record}");
    }
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
    run("tc", &rate);
    transfers(relay, 2, 1, 30_000);
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
