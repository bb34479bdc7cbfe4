//! Minutes or hours of everything at once: connections of every shape over every relay while sluice is reloaded,
//! stopped, killed and starved. Every byte and every end is judged, and at each rest nothing may be left.
//!
//! `cargo xtask soak` runs it for as long as is wanted; as a test among others it takes a few seconds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "what cannot be set up fails the test, what is measured is printed, and numbers are small"
)]

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "each test binary speaks a part of the harness")]
mod harness;

mod cgroup;
mod client;
mod disturb;
mod figures;
mod ledger;
mod load;
mod oracle;
mod plan;
mod play;
mod proxy;
mod route;
mod run;
mod settings;
mod stream;
mod upstreams;

use settings::{Sabotage, Settings};

/// Whether this can run: it has root. Says so where not, and fails where BPF is required.
fn ready(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    assert!(std::env::var_os("SLUICE_REQUIRE_BPF").is_none_or(|v| v != "1"), "{test} needs root");
    println!("SKIPPED(bpf): {test} needs root");
    false
}

#[test]
fn soak() {
    if ready("soak") {
        let faults = run::run(Settings::from_env());
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }
}

#[test]
fn a_wrong_byte_is_found() {
    finds(Sabotage::Bytes, "heard a wrong byte 0");
}

#[test]
fn a_lost_line_is_found() {
    finds(Sabotage::Records, "it is not in the access log");
}

#[test]
fn a_connection_that_stays_is_found() {
    finds(Sabotage::Connection, "left behind");
}

/// A run with something wrong in it finds that.
fn finds(sabotage: Sabotage, fault: &str) {
    if ready(fault) {
        let faults = run::run(Settings::sabotaged(sabotage));
        assert!(faults.iter().any(|found| found.contains(fault)), "{}", faults.join("\n"));
    }
}
