//! Lines into one TCP connection, kept open from one to the next (Kong's tcp-log).

use std::fmt;
use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::dial::{Connection, Way};
use super::error::SinkError;
use super::outlet::joined;
use crate::config::model::{Origination, Service};
use crate::tls::Contexts;

/// A connection that lines are written to, made when the first is.
pub(super) struct TcpOutlet {
    way: Way,
    keepalive: Duration,
    connection: Option<Box<dyn Connection>>,
}

impl TcpOutlet {
    pub(super) fn new(
        service: &Service,
        tls: Option<&Arc<Origination>>,
        contexts: &Contexts,
        timeout: Duration,
        keepalive: Duration,
    ) -> Self {
        Self { way: Way::new(service, tls, contexts, timeout), keepalive, connection: None }
    }

    pub(super) async fn write(&mut self, lines: &[Arc<str>]) -> Result<(), SinkError> {
        let kept = match self.connection.take() {
            Some(connection) => still_there(connection).await,
            None => None,
        };
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.way.connect().await?,
        };
        let bytes = joined(lines);
        let written = timeout(self.way.timeout(), async {
            connection.write_all(&bytes).await?;
            connection.flush().await
        });
        let written = written.await.map_err(|_elapsed| SinkError::Timeout(self.way.timeout()))?;
        written.map_err(SinkError::Broken)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Closes the connection once the other side has, or once it was silent for long.
    pub(super) async fn rest(&mut self) {
        let Some(connection) = &mut self.connection else { return pending().await };
        tokio::select! {
            () = gone(&mut **connection) => {}
            () = sleep(self.keepalive) => {}
        }
        self.connection = None;
    }
}

/// Written to after the other side has closed, lines would be lost without a word.
async fn still_there(mut connection: Box<dyn Connection>) -> Option<Box<dyn Connection>> {
    tokio::select! {
        biased;
        () = gone(&mut *connection) => None,
        () = ready(()) => Some(connection),
    }
}

/// Returns once the other side has closed. What it says is of no interest.
async fn gone(connection: &mut dyn Connection) {
    let mut said = [0; 256];
    while !matches!(connection.read(&mut said).await, Ok(0) | Err(_)) {}
}

impl fmt::Debug for TcpOutlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpOutlet").field("way", &self.way).finish_non_exhaustive()
    }
}
