//! `hostname` of listeners and routes.

use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::dialect::names;
use crate::config::model::NamePattern;

/// A name, or a wildcard for one label or more before a suffix; in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Hostname {
    Exact(Arc<str>),
    /// Begins with a dot.
    Wildcard(Arc<str>),
}

impl Hostname {
    /// # Errors
    /// Why it is none; reads on behind nothing.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let host = text.trim().to_ascii_lowercase();
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Err(format!(
                "{text:?} is an address, which no client sends as a server name; write a DNS name"
            ));
        }
        let (suffix, rest) = match host.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, host.as_str()),
        };
        if rest.contains('*') {
            return Err(format!(
                "{text:?} has its star in a place that has none; write a whole name, or *.suffix"
            ));
        }
        match names::server_name(rest) {
            Some(_) if suffix => Ok(Self::Wildcard(format!(".{}", rest.trim_end_matches('.')).into())),
            Some(name) => Ok(Self::Exact(name)),
            None => Err(format!("{text:?} is no DNS name (international names are written xn--…)")),
        }
    }

    /// The names that both take, if there are any; the narrower of the two.
    pub(super) fn intersect(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => (a == b).then(|| self.clone()),
            (Self::Exact(name), Self::Wildcard(suffix)) => within(name, suffix).then(|| self.clone()),
            (Self::Wildcard(_), Self::Exact(_)) => other.intersect(self),
            (Self::Wildcard(a), Self::Wildcard(b)) => {
                if a.ends_with(&**b) {
                    Some(self.clone())
                } else {
                    b.ends_with(&**a).then(|| other.clone())
                }
            }
        }
    }

    /// Sorts the narrowest first: names, then wildcards by length.
    pub(super) fn rank(&self) -> (bool, Reverse<usize>) {
        match self {
            Self::Exact(_) => (false, Reverse(0)),
            Self::Wildcard(suffix) => (true, Reverse(suffix.len())),
        }
    }

    /// What a route asks of a ClientHello.
    pub(super) fn pattern(&self) -> NamePattern {
        match self {
            Self::Exact(name) => NamePattern::Exact(Arc::clone(name)),
            Self::Wildcard(suffix) => NamePattern::Suffix(Arc::clone(suffix)),
        }
    }
}

/// One label or more stands before the suffix.
fn within(name: &str, suffix: &str) -> bool {
    name.len() > suffix.len() && name.ends_with(suffix)
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pattern().fmt(f)
    }
}
