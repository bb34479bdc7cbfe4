//! Conditions, as the Gateway API names them.

use crate::config::model::{Condition, Truth};

/// Why something does not hold: the API's word, and one for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// Whether `kind` holds; `reason` is the API's word for that it does.
pub(super) fn condition(kind: &'static str, reason: &'static str, fault: Option<&Fault>) -> Condition {
    match fault {
        None => holds(kind, reason, ""),
        Some(fault) => {
            Condition { kind, status: Truth::False, reason: fault.reason, message: fault.message.clone() }
        }
    }
}

/// It does, with a word about it.
pub(super) fn holds(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Condition {
    Condition { kind, status: Truth::True, reason, message: message.into() }
}
