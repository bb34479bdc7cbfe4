//! What is known of a name's endpoints, for metrics and whoever asks why a connection went where it did.

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// A name that is kept resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolution {
    /// The name asked for; `datacenter/service` in a catalogue.
    pub name: Arc<str>,
    /// Who is asked: `dns` or `catalogue`.
    pub source: &'static str,
    /// The address families wanted, `ipv6` or `ipv4`, the preferred one first; a catalogue is asked for any.
    pub families: Vec<&'static str>,
    /// The addresses in use, in the order of preference.
    pub endpoints: Vec<String>,
    /// How long ago they were told; `None` when they never were.
    #[serde(rename = "age_ms", serialize_with = "millis")]
    pub age: Option<Duration>,
    /// When they are asked for again; `None` while they are.
    #[serde(rename = "next_ms", serialize_with = "millis")]
    pub next: Option<Duration>,
    /// Why they are not newer, or why there are none.
    pub error: Option<String>,
    /// Answers with endpoints.
    pub answers: u64,
    /// Answers that there are none.
    pub negatives: u64,
    /// Questions without a complete answer.
    pub failures: u64,
}

fn millis<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)).serialize(to)
}
