//! Active checks: connects, says something and listens, as the mapping's rule has it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::attempt::{self, Begun};
use super::dial::{DialError, Dialer};
use super::health::Outcome;
use super::pool::Pool;
use crate::config::model::{Check, SourceAddress};
use crate::telemetry::Attempt;

/// Most of an answer that is looked through.
const LONGEST: usize = 64 << 10;

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
    #[error("{LONGEST} bytes without what is expected")]
    TooLong,
}

/// Keeps a pool's endpoints what its service resolves to, so that they are known before the first connection, and
/// checks them for as long as it is polled, where the mapping wants that.
pub(super) async fn watch(pool: Arc<Pool>, dialer: Arc<Dialer>) {
    let mut spread = Duration::ZERO;
    let mut next = Instant::now();
    let mut latest = dialer.latest(&pool);
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
        round(&pool, check, &dialer, spread).await;
        // The first is at once; later ones are spread, so that many processes do not ask at one time.
        spread = check.interval / 10;
        next = (next + check.interval).max(Instant::now());
        sleep_until(next).await;
    }
}

/// Asks every endpoint once.
async fn round(pool: &Arc<Pool>, check: &Check, dialer: &Arc<Dialer>, spread: Duration) {
    let mut asked = JoinSet::new();
    for address in pool.to_check().into_iter().map(|checked| checked.address) {
        let (check, source) = (check.clone(), pool.rule().source);
        let delay = spread.mul_f64(fastrand::f64());
        asked.spawn(async move {
            sleep(delay).await;
            let answer = timeout(check.timeout, ask(address, &check, &source)).await;
            (address, answer.unwrap_or(Err(Failed::Timeout)))
        });
    }
    while let Some(answered) = asked.join_next().await {
        // A panic has been told by its hook.
        let Ok((address, answer)) = answered else { continue };
        match answer {
            Ok(()) => pool.checked(address, Outcome::Good, dialer.telemetry()),
            // This host's own trouble says nothing about the endpoint.
            Err(Failed::Connect(error)) if error.counted() == Attempt::NotMade => {
                tracing::warn!(mapping = %pool.name(), endpoint = %address, %error, "not checked");
            }
            Err(error) => {
                tracing::debug!(mapping = %pool.name(), endpoint = %address, %error, "check failed");
                pool.checked(address, Outcome::Bad, dialer.telemetry());
            }
        }
    }
}

async fn ask(address: SocketAddr, check: &Check, source: &SourceAddress) -> Result<(), Failed> {
    let stream = match attempt::begin(address, source)? {
        Begun::Connected(socket) => TcpStream::from_std(socket.into())?,
        Begun::Waiting(stream) => {
            poll_fn(|cx| attempt::poll(&stream, cx)).await?;
            stream
        }
    };
    let mut unsent = &check.send[..];
    while !unsent.is_empty() {
        stream.writable().await?;
        match stream.try_write(unsent) {
            Ok(sent) => unsent = &unsent[sent..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut heard = Vec::new();
    while !contains(&heard, &check.expect) {
        if heard.len() >= LONGEST {
            return Err(Failed::TooLong);
        }
        stream.readable().await?;
        match stream.try_read_buf(&mut heard) {
            Ok(0) => return Err(Failed::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn contains(heard: &[u8], expected: &[u8]) -> bool {
    expected.is_empty() || heard.windows(expected.len()).any(|window| window == expected)
}
