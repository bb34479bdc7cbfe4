//! Log lines on standard error, with a filter that can be changed while running.

mod writer;

use std::fmt;
use std::io;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::queue::{Guard, Queue};
use crate::config::settings::{Log, LogFormat};
use writer::Lines;

#[cfg(test)]
mod tests;

/// Lines that may wait for a slow standard error.
const QUEUE: usize = 16 * 1024;

/// Why logging is not as asked for.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A misspelt level would otherwise pass for the name of a module, and silence everything.
    #[error(
        "`{0}` is no level: use off, error, warn, info, debug, trace, or module=level, with commas between"
    )]
    NotALevel(String),
    /// Something else about the filter.
    #[error("filter `{filter}`: {source}")]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else's subscriber is in place.
    #[error("logging is set up already")]
    Taken,
    /// The subscriber that this handle belongs to is gone.
    #[error("logging is not running")]
    NotRunning,
}

/// Reads and changes the filter of a running log.
#[derive(Clone)]
pub struct LogHandle {
    filter: Handle<EnvFilter, Registry>,
    queue: Option<Arc<Queue>>,
}

/// Starts logging for the whole process, records of the `log` crate (aya-log's) included.
///
/// # Errors
/// A filter that is none, or a subscriber that is there already.
pub(super) fn install(log: &Log) -> Result<(LogHandle, Guard), LogError> {
    // A loss cannot be told here, where it happens: the metrics have it.
    let (queue, guard) = Queue::start("log", QUEUE, io::stderr(), None, || {});
    let (subscriber, handle) = subscriber(log, Lines::new(Arc::clone(&queue)))?;
    subscriber.try_init().map_err(|_taken| LogError::Taken)?;
    Ok((LogHandle { queue: Some(queue), ..handle }, guard))
}

impl LogHandle {
    /// A handle to nothing.
    pub(super) fn detached() -> Self {
        Self { filter: reload::Layer::new(EnvFilter::default()).1, queue: None }
    }

    /// Puts another filter in force.
    ///
    /// # Errors
    /// A filter that is none; the one before stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogError> {
        self.filter.reload(parse(filter)?).map_err(|_gone| LogError::NotRunning)?;
        // The bridge took this from the first filter; records above it never reach us.
        log::set_max_level(bridged(LevelFilter::current()));
        Ok(())
    }

    /// The filter in force; empty where nothing is logged through this handle.
    #[must_use]
    pub fn current(&self) -> String {
        self.filter.with_current(ToString::to_string).unwrap_or_default()
    }

    /// Lines that were dropped.
    pub(super) fn lost(&self) -> u64 {
        self.queue.as_ref().map_or(0, |queue| queue.lost())
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogHandle").field(&self.current()).finish()
    }
}

fn subscriber<W>(log: &Log, writer: W) -> Result<(impl Subscriber + Send + Sync, LogHandle), LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse(&log.filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match log.format {
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    Ok((tracing_subscriber::registry().with(filter).with(lines), LogHandle { filter: handle, queue: None }))
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    // The empty word would be read as `error`.
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let directives: Vec<&str> = filter.split(',').map(str::trim).collect();
    if let Some(word) = directives.iter().find(|word| !word.contains(['=', '[']) && !is_level(word)) {
        return Err(LogError::NotALevel((*word).to_owned()));
    }
    EnvFilter::try_new(directives.join(","))
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source })
}

fn bridged(level: LevelFilter) -> log::LevelFilter {
    match level.into_level() {
        None => log::LevelFilter::Off,
        Some(Level::ERROR) => log::LevelFilter::Error,
        Some(Level::WARN) => log::LevelFilter::Warn,
        Some(Level::INFO) => log::LevelFilter::Info,
        Some(Level::DEBUG) => log::LevelFilter::Debug,
        Some(Level::TRACE) => log::LevelFilter::Trace,
    }
}
