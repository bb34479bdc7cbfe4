//! Where else than to standard output an account of a connection goes.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Origination, Service};

/// What becomes of accounts of a route's connections; by default nothing more than of all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteLogs {
    /// Each takes all of them.
    pub sinks: Vec<Arc<LogSink>>,
    /// What each of them says about who declared the route, such as `route` and `service` with Kong's entities;
    /// never a secret. Names of its own that an account has (`session`, `upstream`, …) are not among them.
    pub about: Map<String, Value>,
}

/// Takes one line of JSON for each connection of the routes that name it, once the connection has ended.
///
/// Sinks that are equal are one: they share a queue and a connection, and keep both through reloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSink {
    /// What people call it: its URL, or who declared it, such as `plugin tcp-log of service pay`.
    pub name: Arc<str>,
    /// Where lines go.
    pub destination: LogDestination,
    /// For connecting, for a handshake, for sending and for an answer, each.
    pub timeout: Duration,
    /// What waits, and how it is sent.
    pub queue: LogQueue,
}

impl fmt::Display for LogSink {
    /// Where lines go and what it is called, without a path or a header of HTTP: both may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme =
            |tls: &Option<_>, [clear, secure]: [&'static str; 2]| if tls.is_some() { secure } else { clear };
        let to = match &self.destination {
            LogDestination::Tcp { service, tls, .. } => {
                format!("{}://{service}", scheme(tls, ["tcp", "tls"]))
            }
            LogDestination::File { path, .. } => format!("file://{}", path.display()),
            LogDestination::Http(request) => {
                format!("{}://{}", scheme(&request.tls, ["http", "https"]), request.service)
            }
        };
        if self.name.starts_with(&to) { f.write_str(&to) } else { write!(f, "{to} ({})", self.name) }
    }
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogDestination {
    /// Into one TCP connection, a newline behind each.
    Tcp {
        /// Who listens.
        service: Service,
        /// TLS, where it is begun first.
        tls: Option<Arc<Origination>>,
        /// How long the connection stays open with nothing to say.
        keepalive: Duration,
    },
    /// To the end of a file, a newline behind each. It is created where there is none.
    File {
        /// Where it is.
        path: PathBuf,
        /// Whether it is opened anew for all that is written at a time, so that it may be moved away; otherwise it
        /// stays open.
        reopen: bool,
    },
    /// As bodies of HTTP/1.1 requests. Any status below 400 accepts one.
    Http(Arc<LogRequest>),
}

impl LogSink {
    /// TLS, where it is begun with whoever takes the lines.
    #[must_use]
    pub fn originate(&self) -> Option<&Arc<Origination>> {
        match &self.destination {
            LogDestination::Tcp { tls, .. } => tls.as_ref(),
            LogDestination::File { .. } => None,
            LogDestination::Http(request) => request.tls.as_ref(),
        }
    }
}

impl LogDestination {
    /// Every word there is for one.
    pub const WORDS: [&str; 3] = ["tcp", "file", "http"];

    /// The word for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::File { .. } => "file",
            Self::Http(_) => "http",
        }
    }
}

/// A request that carries lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRequest {
    /// `POST`, `PUT` or `PATCH`.
    pub method: LogMethod,
    /// Who is asked.
    pub service: Service,
    /// TLS, where it is begun first.
    pub tls: Option<Arc<Origination>>,
    /// Path and query, from the first `/`.
    pub path: Arc<str>,
    /// Fields beside `Host`, `Content-Type` and `Content-Length`, proven to be fit for a request.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// `Content-Type`.
    pub content_type: Arc<str>,
    /// How long the connection stays open with nothing to say.
    pub keepalive: Duration,
}

/// How a request is made that carries lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogMethod {
    /// `POST`.
    #[default]
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
}

impl LogMethod {
    /// As HTTP spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// Lines that wait to be sent, and how they are. The defaults are those of Kong's plugins (`queue`), but that the
/// pauses do not grow beyond what a restart takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQueue {
    /// How many may wait; a further one is dropped.
    pub entries: NonZeroUsize,
    /// How many are sent at a time. Over HTTP more than one makes each body an array.
    pub batch: NonZeroUsize,
    /// How long the first of a batch waits for the others.
    pub delay: Duration,
    /// How long sending a batch is tried again before it is dropped.
    pub retry: Duration,
    /// The pause before it is tried again: the first, which doubles up to the second.
    pub pauses: (Duration, Duration),
}

impl Default for LogQueue {
    fn default() -> Self {
        const ENTRIES: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not 0");
        Self {
            entries: ENTRIES,
            batch: NonZeroUsize::MIN,
            delay: Duration::from_secs(1),
            retry: Duration::from_secs(60),
            pauses: (Duration::from_millis(10), Duration::from_secs(2)),
        }
    }
}
