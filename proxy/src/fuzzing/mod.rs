//! What `cargo xtask fuzz` runs, and the tests over its corpus: readers of bytes that others wrote. Each takes
//! anything, and panics only where it breaks a promise.

mod hello;
mod proxy_header;
#[cfg(test)]
mod tests;

use crate::config::fuzzing as config;

/// A reader, and the promises it keeps.
pub type Target = fn(&[u8]);

/// By name, which is that of a folder of `tests/fuzz/corpus`.
const TARGETS: [(&str, Target); 10] = [
    ("authorities", config::authorities),
    ("client-hello", hello::client_hello),
    ("documents", config::documents),
    ("gateway", config::gateway),
    ("identity", config::identity),
    ("kong", config::kong),
    ("private-key", config::private_key),
    ("proxy-header", proxy_header::proxy_header),
    ("revocation-lists", config::revocation_lists),
    ("secret", config::secret),
];

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(other, _)| *other == name).map(|(_, target)| *target)
}
