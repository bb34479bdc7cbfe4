//! `healthchecks` of upstreams: what targets are asked, and when they are left alone.

use std::sync::Arc;
use std::time::Duration;

use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::{Check, Ejection, Question};

/// What is made of them.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) check: Option<Check>,
    pub(super) ejection: Ejection,
    /// Percent of the weight of which more must be healthy.
    pub(super) quorum: u8,
}

/// Whether a check is one of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Tcp,
    Http,
}

const TYPES: [(&str, Type); 5] = [
    ("tcp", Type::Tcp),
    ("http", Type::Http),
    ("https", Type::Http),
    ("grpc", Type::Http),
    ("grpcs", Type::Http),
];

/// Of requests over HTTP.
const OF_HTTP: [&str; 5] = ["concurrency", "http_path", "https_sni", "https_verify_certificate", "headers"];

/// The longest span, in seconds.
const LONGEST: f64 = 65_535.0;

pub(super) fn read(fields: &Fields<'_>, report: &Report) -> Health {
    let nothing = Health { check: None, ejection: never(), quorum: 0 };
    let Some(checks) = fields.child("healthchecks") else {
        return nothing;
    };
    let quorum = checks.decimal("threshold", 0.0..=100.0).unwrap_or(0.0);
    let health = Health {
        check: checks.child("active").and_then(|active| self::active(&active, report)),
        ejection: checks.child("passive").map_or_else(never, |passive| self::passive(&passive)),
        // Whole: more than 33.3 percent is not reached by 33.
        quorum: (0..=100).find(|whole| f64::from(*whole) >= quorum).unwrap_or(100),
    };
    checks.refuse_unknown(&[]);
    health
}

/// All zeros, which is the default, asks nothing.
fn active(active: &Fields<'_>, report: &Report) -> Option<Check> {
    let kind = active.choice("type", &TYPES).unwrap_or(Type::Http);
    active.ignore(&OF_HTTP);
    let timeout = active.decimal("timeout", 0.0..=LONGEST).filter(|timeout| *timeout > 0.0).unwrap_or(1.0);
    let (mut interval, mut healthy) = (0.0, 0);
    if let Some(good) = active.child("healthy") {
        interval = good.decimal("interval", 0.0..=LONGEST).unwrap_or(0.0);
        healthy = counter(&good, "successes");
        good.ignore(&["http_statuses"]);
        good.refuse_unknown(&[]);
    }
    let (mut unhealthy_interval, mut unhealthy, mut timeouts) = (0.0, 0, 0);
    if let Some(bad) = active.child("unhealthy") {
        unhealthy_interval = bad.decimal("interval", 0.0..=LONGEST).unwrap_or(0.0);
        (unhealthy, timeouts) = (counter(&bad, "tcp_failures"), counter(&bad, "timeouts"));
        bad.ignore(&["http_failures", "http_statuses"]);
        bad.refuse_unknown(&[]);
    }
    active.refuse_unknown(&[]);
    if interval == 0.0 && unhealthy_interval == 0.0 {
        return None;
    }
    if kind == Type::Http {
        let message = "is of HTTP, and as in Kong such checks do not run for connections; write tcp";
        report.info(active.path("type"), message);
        return None;
    }
    Some(Check {
        interval: Duration::from_secs_f64(interval),
        unhealthy_interval: Duration::from_secs_f64(unhealthy_interval),
        timeout: Duration::from_secs_f64(timeout),
        healthy,
        unhealthy,
        unhealthy_timeouts: Some(timeouts),
        port: None,
        // As in Kong: that the connection is made.
        question: Question::Exchange { send: Arc::default(), expect: Arc::default() },
    })
}

/// Connections that cannot be made count whatever the type is; requests there are none.
fn passive(passive: &Fields<'_>) -> Ejection {
    let _ = passive.choice("type", &TYPES);
    if let Some(good) = passive.child("healthy") {
        let _ = counter(&good, "successes");
        good.ignore(&["http_statuses"]);
        good.refuse_unknown(&[]);
    }
    let mut ejection = never();
    if let Some(bad) = passive.child("unhealthy") {
        ejection.after = counter(&bad, "tcp_failures");
        ejection.after_timeouts = Some(counter(&bad, "timeouts"));
        bad.ignore(&["http_failures", "http_statuses"]);
        bad.refuse_unknown(&[]);
    }
    passive.refuse_unknown(&[]);
    ejection
}

fn counter(fields: &Fields<'_>, name: &'static str) -> u32 {
    fields.integer(name, 0..=255).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// In Kong a target stays out until a check finds it well, and all of them may be out at a time.
pub(super) fn never() -> Ejection {
    Ejection { after: 0, after_timeouts: Some(0), base: None, share: 100, ..Ejection::default() }
}
