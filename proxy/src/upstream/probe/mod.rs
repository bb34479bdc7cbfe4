//! Active checks: each endpoint is asked at its own intervals, as the mapping's rule has it.

mod exchange;
mod http;
mod schedule;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::StatusCode;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use self::schedule::Schedule;
use super::attempt::{self, Begun};
use super::dial::{DialError, Dialer};
use super::health::Outcome;
use super::pool::{Checked, Pool};
use crate::config::model::{Check, Question, SourceAddress};
use crate::telemetry::Attempt;

/// Why an endpoint did not pass.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Connect(#[from] DialError),
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("no whole answer in time")]
    Timeout,
    #[error("it closed before it said what is expected")]
    Closed,
    #[error("{} bytes without what is expected", exchange::LONGEST)]
    TooLong,
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    #[error("request: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
}

/// Keeps a pool's endpoints what its service resolves to, so that they are known before the first connection, and
/// checks them for as long as it is polled, where the mapping wants that.
pub(super) async fn watch(pool: Arc<Pool>, dialer: Arc<Dialer>) {
    let mut latest = dialer.latest(&pool);
    let mut changes = true;
    let mut schedule = Schedule::default();
    let mut asked = JoinSet::new();
    loop {
        if let Err(error) = dialer.refresh(&pool).await {
            tracing::debug!(mapping = %pool.name(), %error, "no endpoints");
        }
        let Some(check) = &pool.rule().check else {
            match latest.changed().await {
                Ok(()) => continue,
                // They never change.
                Err(_no_sender) => return,
            }
        };
        let (due, next) = schedule.due(check, pool.to_check(), Instant::now().into_std());
        for endpoint in due {
            asked.spawn(ask(endpoint, check.clone(), pool.rule().source));
        }
        // Until somebody is due, or there is somebody else.
        loop {
            tokio::select! {
                Some(answered) = asked.join_next() => {
                    // A panic has been told by its hook, and leaves an endpoint alone for good.
                    let Ok((address, answer)) = answered else { continue };
                    schedule.answered(address);
                    tell(&pool, address, answer, &dialer);
                }
                changed = latest.changed(), if changes => {
                    changes = changed.is_ok();
                    break;
                }
                () = sleep_until(next.into()) => break,
            }
        }
    }
}

fn tell(pool: &Pool, address: SocketAddr, answer: Result<(), Failed>, dialer: &Dialer) {
    let error = match answer {
        Ok(()) => return pool.checked(address, Outcome::Good, dialer.telemetry()),
        Err(error) => error,
    };
    let outcome = match &error {
        // This host's own trouble says nothing about the endpoint.
        Failed::Connect(error) if error.counted() == Attempt::NotMade => {
            return tracing::warn!(mapping = %pool.name(), endpoint = %address, %error, "not checked");
        }
        Failed::Connect(error) if error.counted() == Attempt::Timeout => Outcome::Late,
        Failed::Timeout => Outcome::Late,
        _ => Outcome::Bad,
    };
    tracing::debug!(mapping = %pool.name(), endpoint = %address, %error, "check failed");
    pool.checked(address, outcome, dialer.telemetry());
}

/// Asks an endpoint once.
async fn ask(endpoint: Checked, check: Check, source: SourceAddress) -> (SocketAddr, Result<(), Failed>) {
    let within = async {
        let address = SocketAddr::new(endpoint.address.ip(), check.port.unwrap_or(endpoint.address.port()));
        let stream = connect(address, &source).await?;
        match &check.question {
            Question::Exchange { send, expect } => exchange::exchange(&stream, send, expect).await,
            Question::Http { tls, path, statuses } => {
                // Boxed: questions of another kind need not hold the room for it.
                let got = Box::pin(http::get(stream, &endpoint.host, address.port(), *tls, path));
                let status = got.await?;
                let is_good = statuses.iter().any(|range| range.contains(&status.as_u16()));
                is_good.then_some(()).ok_or(Failed::Status(status))
            }
        }
    };
    let answer = timeout(check.timeout, within).await;
    (endpoint.address, answer.unwrap_or(Err(Failed::Timeout)))
}

async fn connect(address: SocketAddr, source: &SourceAddress) -> Result<TcpStream, Failed> {
    match attempt::begin(address, source)? {
        Begun::Connected(socket) => Ok(TcpStream::from_std(socket.into())?),
        Begun::Waiting(stream) => {
            poll_fn(|cx| attempt::poll(&stream, cx))
                .await
                .map_err(|error| attempt::classify(address, error))?;
            Ok(stream)
        }
    }
}
