//! The report on samples made up so that each of its words is known.

use std::time::Duration;

use super::case::Case;
use super::latency::Latency;
use super::load::Done;
use super::machine::Machine;
use super::peers::Peer;
use super::report::Report;
use super::rounds::{Failure, Plan, Results, Sample};
use super::suite::Suite;

fn sample(round: usize, peer: Peer, amount: u64) -> Sample {
    let done = Done::of(amount, Duration::from_secs(2));
    let own = (peer != Peer::Direct).then_some(0.5);
    let stolen = if round == 2 { 0.0125 } else { 0.001 };
    Sample { round, case: Case::Small1, peer, rate: 0, done, own, machine: 2.0, stolen, memory: None }
}

/// Three rounds; in the second the whole machine is half as fast.
fn results(ours: [u64; 3]) -> Results {
    let mut samples = Vec::new();
    for (round, amount) in (1..).zip(ours) {
        let slow = if round == 2 { 2 } else { 1 };
        samples.push(sample(round, Peer::Direct, 100_000 / slow));
        samples.push(sample(round, Peer::SluiceKernel, amount / slow));
        samples.push(sample(round, Peer::Haproxy, 10_000 / slow));
        samples.push(sample(round, Peer::Nginx, 20_000 / slow));
    }
    Results { samples, failures: Vec::new() }
}

fn with_report<T>(results: &Results, look: impl FnOnce(&Report<'_>) -> T) -> T {
    let machine = Machine {
        date: "2026-01-02 03:04 UTC".to_owned(),
        kernel: "Linux 6.18".to_owned(),
        processor: "Some CPU".to_owned(),
        cores: 2,
        memory_gib: 24,
        congestion: "cubic".to_owned(),
        commit: "abc123".to_owned(),
    };
    let plan = Plan {
        suite: Suite::Cleartext,
        cases: vec![Case::Small1],
        rounds: 3,
        time: Duration::from_secs(2),
        seed: 1,
    };
    let peers = [Peer::Direct, Peer::SluiceKernel, Peer::Haproxy, Peer::Nginx]
        .map(|peer| (peer, if peer == Peer::Direct { String::new() } else { "1.2".to_owned() }));
    let absent = [(Peer::Envoy, "no wheel".to_owned())];
    look(&Report { machine: &machine, plan: &plan, peers: &peers, absent: &absent, results })
}

/// Two rounds at 100 a second: what took longest of a hundred took `worst` milliseconds.
fn paced(peer: Peer, worst: [u64; 2]) -> impl Iterator<Item = Sample> {
    worst.into_iter().zip(1..).map(move |(worst, round)| {
        let mut latency = Latency::new().unwrap();
        (0..98).for_each(|_| latency.record(Duration::from_millis(1)));
        (0..2).for_each(|_| latency.record(Duration::from_millis(worst)));
        let done = Done { latency: Some(latency), ..Done::of(100, Duration::from_secs(1)) };
        Sample { case: Case::Quarter, rate: 100, done, ..sample(round, peer, 0) }
    })
}

#[test]
fn the_summary_has_a_line_for_each_case_with_the_ratio() {
    let text = with_report(&results([24_000; 3]), |report| report.digest());
    let line = "| rr-64-1 | req/s | 50.0k | 12.0k | 5.0k | 10.0k | 1.20 (1.20–1.20) |";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("| direct | sluice, kernel | HAProxy | nginx | kernel ÷ best other |"), "{text}");
}

#[test]
fn latencies_of_all_rounds_are_one_and_their_ratios_are_by_round() {
    let samples = paced(Peer::SluiceKernel, [10, 20]).chain(paced(Peer::Nginx, [20, 80]));
    let results = Results { samples: samples.collect(), failures: Vec::new() };
    let latency = results.latency(Case::Quarter, Peer::SluiceKernel).unwrap();
    assert_eq!(latency.count(), 200);
    assert!((latency.quantile(1.0) / 0.02 - 1.0).abs() < 0.01, "{latency:?}");
    let ratio = results.latency_ratio(Case::Quarter, Peer::SluiceKernel, 0.99).unwrap();
    assert!((ratio.min - 0.25).abs() < 0.01 && (ratio.max - 0.5).abs() < 0.01, "{ratio:?}");
}

#[test]
fn noise_that_falls_on_all_cancels_in_the_ratio() {
    let spread = results([24_000; 3]).ratio(Case::Small1, Peer::SluiceKernel).unwrap();
    assert_eq!((spread.median, spread.min, spread.max), (1.2, 1.2, 1.2));
}

#[test]
fn a_ratio_is_to_the_best_other_proxy_and_marked_when_unsure() {
    let sure = with_report(&results([24_000; 3]), |report| report.markdown());
    assert!(sure.contains("| **1.20** (1.20–1.20) |"), "{sure}");
    let unsure = with_report(&results([24_000, 19_000, 24_000]), |report| report.markdown());
    assert!(unsure.contains("| ≈ **1.20** (0.95–1.20) |"), "{unsure}");
}

#[test]
fn says_what_was_measured_where_and_without_whom() {
    let text = with_report(&results([24_000; 3]), |report| report.markdown());
    for part in [
        "Linux 6.18, 2 × Some CPU, 24 GiB, TCP cubic; commit abc123; 3 rounds of 2.0 s, seed 1; \
         the host took 0.1 % of the processors' time (0.1–1.2)",
        "- haproxy: 1.2",
        "- envoy: left out: no wheel",
        "| rr-64-1 | req/s | 50.0k (25.0k–50.0k, ±0.00) | 12.0k (6.0k–12.0k, ±0.00) |",
        // 0.5 s and 2 s for 24,000 requests; nothing of its own without a proxy.
        "| rr-64-1 | 1,000 req | – / 0.020 | 0.021 / 0.083 |",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(!text.contains("FAILED"), "{text}");
}

#[test]
fn a_failure_is_loud_and_keeps_what_was_measured() {
    let mut results = results([24_000; 3]);
    let why = "wrong bytes in the piece at byte 4096".to_owned();
    results.failures.push(Failure { round: 2, case: Case::Small1, peer: Peer::Nginx, why });
    let text = with_report(&results, |report| report.markdown());
    assert!(text.contains("| FAILED 10.0k"), "{text}");
    assert!(text.contains("- nginx, rr-64-1, round 2: wrong bytes"), "{text}");
}

#[test]
fn json_has_every_raw_sample() {
    let json = with_report(&results([24_000; 3]), |report| report.json());
    assert_eq!(json["samples"].as_array().unwrap().len(), 12);
    let first = &json["samples"][1];
    assert_eq!((&first["peer"], &first["amount"]), (&"sluice-kernel".into(), &24_000.into()));
    assert_eq!((&first["rate"], &first["own_cpu_seconds"]), (&12_000.0.into(), &0.5.into()));
    assert_eq!(first["stolen_share"], 0.001);
    assert_eq!(json["samples"][0]["own_cpu_seconds"], serde_json::Value::Null);
    assert_eq!(json["absent"][0]["why"], "no wheel");
}
