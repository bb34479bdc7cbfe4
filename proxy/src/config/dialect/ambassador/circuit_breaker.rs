//! `circuit_breakers`: bounds on what an upstream is given at once.

use crate::config::dialect::fields::Fields;

/// One entry; each bound is absent where nothing was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CircuitBreaker {
    pub(super) priority: Priority,
    pub(super) max_connections: Option<u32>,
    pub(super) max_pending_requests: Option<u32>,
    pub(super) max_requests: Option<u32>,
    pub(super) max_retries: Option<u32>,
}

/// Which traffic a breaker is for; TCP is always [`Priority::Default`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    Default,
    High,
}

/// The entries of `circuit_breakers`; an empty list masks the Module's.
pub(super) fn read(fields: &Fields<'_>) -> Option<Vec<CircuitBreaker>> {
    let entries = fields.children("circuit_breakers")?;
    Some(entries.iter().map(entry).collect())
}

fn entry(fields: &Fields<'_>) -> CircuitBreaker {
    let choices = [("default", Priority::Default), ("high", Priority::High)];
    let bound = |name| fields.integer(name, 0..=u32::MAX.into()).and_then(|bound| u32::try_from(bound).ok());
    let breaker = CircuitBreaker {
        priority: fields.choice("priority", &choices).unwrap_or(Priority::Default),
        max_connections: bound("max_connections"),
        max_pending_requests: bound("max_pending_requests"),
        max_requests: bound("max_requests"),
        max_retries: bound("max_retries"),
    };
    fields.warn_unknown(&[]);
    breaker
}
