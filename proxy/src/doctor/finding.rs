//! What one probe found.

use serde::Serialize;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Sluice does without, or with less.
    Degraded,
    /// Not there.
    Missing,
}

/// What one probe found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) state: State,
    pub(super) what: &'static str,
    pub(super) detail: String,
    /// Empty where nothing is to be done.
    pub(super) remedy: String,
}

impl Finding {
    pub(super) fn ok(what: &'static str, detail: impl Into<String>) -> Self {
        Self { state: State::Ok, what, detail: detail.into(), remedy: String::new() }
    }

    pub(super) fn degraded(what: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Degraded, what, detail: detail.into(), remedy: remedy.into() }
    }

    pub(super) fn missing(what: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Missing, ..Self::degraded(what, detail, remedy) }
    }
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Missing => "missing",
        }
    }
}
