//! `circuit_breakers`: bounds on what an upstream is given at once.

use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::Limits;

/// What the breakers come to for TCP; a bound is absent where nothing was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CircuitBreaker {
    pub(super) max_connections: Option<u32>,
    pub(super) max_pending_requests: Option<u32>,
    pub(super) max_retries: Option<u32>,
}

/// Which traffic a breaker is for; TCP is always [`Priority::Default`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Priority {
    Default,
    High,
}

impl CircuitBreaker {
    /// Takes the place of whatever bounded these before.
    pub(super) fn apply(self, limits: &mut Limits) {
        limits.connections = self.max_connections;
        limits.pending = self.max_pending_requests;
        limits.retries = self.max_retries;
    }
}

/// The list `circuit_breakers`; an empty one masks the Module's. Of several for TCP the first counts, as in Envoy.
pub(super) fn read(fields: &Fields<'_>, report: &Report) -> Option<CircuitBreaker> {
    let entries = fields.children("circuit_breakers")?;
    let mut chosen = None;
    for (index, entry) in entries.iter().enumerate() {
        let (priority, breaker) = read_entry(entry, report);
        let path = || format!("{}[{index}]", fields.path("circuit_breakers"));
        match (priority, chosen) {
            (Priority::High, _) => report.info(
                path(),
                "has priority high, which no TCP connection has; write priority: default, or leave it out",
            ),
            (Priority::Default, None) => chosen = Some(breaker),
            (Priority::Default, Some(_)) => report.warn(
                path(),
                "another entry of priority default comes first and counts alone; put all bounds into one",
            ),
        }
    }
    Some(chosen.unwrap_or_default())
}

fn read_entry(fields: &Fields<'_>, report: &Report) -> (Priority, CircuitBreaker) {
    let choices = [("default", Priority::Default), ("high", Priority::High)];
    let bound = |name| fields.integer(name, 0..=u32::MAX.into()).and_then(|bound| u32::try_from(bound).ok());
    let priority = fields.choice("priority", &choices).unwrap_or(Priority::Default);
    let breaker = CircuitBreaker {
        max_connections: bound("max_connections"),
        max_pending_requests: bound("max_pending_requests"),
        max_retries: bound("max_retries"),
    };
    if bound("max_requests").is_some() {
        let message = "bounds HTTP requests; for TCP it has no effect, in Envoy too: use max_connections";
        report.info(fields.path("max_requests"), message);
    }
    for (name, bound) in
        [("max_connections", breaker.max_connections), ("max_pending_requests", breaker.max_pending_requests)]
    {
        if priority == Priority::Default && bound == Some(0) {
            let message = "is 0, which lets no connection through; leave it out where none is to be bounded";
            report.warn(fields.path(name), message);
        }
    }
    fields.warn_unknown(&[]);
    (priority, breaker)
}
