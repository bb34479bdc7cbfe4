//! What tests speak through: the real binary, real sockets, a network of the test's own.

pub(crate) mod admin;
pub(crate) mod backend;
pub(crate) mod bpf;
pub(crate) mod cgroup;
pub(crate) mod client;
pub(crate) mod consul;
pub(crate) mod dns;
pub(crate) mod image;
pub(crate) mod manifests;
pub(crate) mod net;
pub(crate) mod payload;
pub(crate) mod probe;
pub(crate) mod program;
pub(crate) mod repair;
pub(crate) mod sluice;
pub(crate) mod sockmap;
pub(crate) mod system;
pub(crate) mod tls;
pub(crate) mod tun;

use std::time::Duration;

/// Longest that anything awaited may take; what is awaited takes milliseconds. An emulated machine is given
/// `SLUICE_TEST_PATIENCE` times as much.
pub(crate) fn patience() -> Duration {
    let factor = std::env::var("SLUICE_TEST_PATIENCE").map_or(1, |factor| factor.parse().unwrap());
    Duration::from_secs(20) * factor
}

/// Calls `probe` until it has an answer. For states that nothing announces (a route, a procfs file).
///
/// # Panics
/// When there is none within [`patience`].
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + patience();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(std::time::Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5)); // tidy: polls a state that nothing announces
    }
}
