//! Listening sockets: bound, accepted from by several tasks each, and given up without losing a connection.

mod address;
mod gate;
mod holder;
mod options;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::address::Address;
use self::gate::Gate;
use self::holder::Listening;
pub use self::socket::BindError;
use self::socket::Listener;
use crate::config::model::SocketOptions;
use crate::config::settings::{Limits, Sockets};
use crate::conn::Ctx;
use crate::telemetry::Telemetry;

/// First and longest pause before an address that could not be bound is tried again.
const BIND_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// The addresses in service, each with its sockets and their tasks.
#[derive(Debug)]
pub struct Listeners {
    ctx: Arc<Ctx>,
    telemetry: Telemetry,
    sockets: Sockets,
    limits: Limits,
    /// Not accepted from yet.
    bound: BTreeMap<SocketAddr, (Arc<Address>, Vec<Arc<Listener>>)>,
    running: BTreeMap<SocketAddr, Running>,
}

/// An address in service.
#[derive(Debug)]
struct Running {
    address: Arc<Address>,
    retired: CancellationToken,
    /// Ends when every connection that its sockets had queued is taken, and they are closed.
    task: JoinHandle<()>,
}

impl Listeners {
    /// None yet.
    #[must_use]
    pub fn new(ctx: Arc<Ctx>, telemetry: Telemetry, sockets: Sockets, limits: Limits) -> Self {
        Self { ctx, telemetry, sockets, limits, bound: BTreeMap::new(), running: BTreeMap::new() }
    }

    /// Has the kernel queue connections to these addresses too, which [`Self::accept`] begins to take. Addresses
    /// that are in service keep their sockets, asked for what is wanted now, and lose no connection. What cannot be bound is tried again until
    /// it is retired.
    pub fn bind(
        &mut self,
        addresses: impl IntoIterator<Item = (SocketAddr, SocketOptions)>,
    ) -> Vec<BindError> {
        let mut errors = Vec::new();
        let mut new = Vec::new();
        for (address, options) in addresses {
            match self.running.get(&address) {
                Some(running) => running.address.ask(options),
                None => new.push(Address::new(address, options, self.sockets)),
            }
        }
        // Asked once for all, and before ours are among them.
        let others = (!new.is_empty()).then(Listening::now);
        for new in new {
            let (address, bound) = (new.address, new.bind());
            if let (Ok(_), Some(other)) = (&bound, others.as_ref().and_then(|others| others.at(address))) {
                // Meant while a new process takes over, and a riddle where it is not.
                tracing::warn!(%address, "{other} listens there too: it and this process share connections");
            }
            let bound = bound.map_err(|error| errors.push(error)).unwrap_or_default();
            self.bound.insert(address, (new, bound));
        }
        errors
    }

    /// Takes connections from every address that was bound.
    pub fn accept(&mut self) {
        for (at, (address, bound)) in std::mem::take(&mut self.bound) {
            self.running.insert(at, self.spawn(address, bound));
        }
    }

    /// Gives up every address in service but these, and ends when their sockets are closed. The routes in
    /// service serve clients that connected until then; they are not to change before.
    pub async fn retire_all_but(&mut self, keep: impl IntoIterator<Item = SocketAddr>) {
        let keep: BTreeSet<_> = keep.into_iter().collect();
        let (stay, go) =
            std::mem::take(&mut self.running).into_iter().partition(|(address, _)| keep.contains(address));
        self.running = stay;
        retire(go).await;
    }

    /// Stops accepting, once every connection that is queued has been taken.
    pub async fn close(&mut self) {
        retire(std::mem::take(&mut self.running)).await;
    }

    fn spawn(&self, address: Arc<Address>, bound: Vec<Arc<Listener>>) -> Running {
        let (retired, at) = (CancellationToken::new(), address.address);
        let gate = Gate::new(at, &self.limits, &self.ctx, self.telemetry.clone(), retired.clone());
        let (given_up, telemetry, unbound) = (retired.clone(), self.telemetry.clone(), Arc::clone(&address));
        let task = tokio::spawn(async move {
            let bound = match bound.is_empty() {
                false => Some(bound),
                true => given_up.run_until_cancelled(bind_at_last(&unbound)).await,
            };
            if let Some(bound) = bound {
                telemetry.listening(at, bound.len());
                gate.open(bound).await;
                telemetry.listening(at, 0);
            }
        });
        Running { address, retired, task }
    }
}

async fn retire(running: BTreeMap<SocketAddr, Running>) {
    running.values().for_each(|running| running.retired.cancel());
    for running in running.into_values() {
        // A panic in it has been told by its hook.
        let _ = running.task.await;
    }
}

/// Tries until the address can be bound; says so when it is, and whenever the reason changes.
async fn bind_at_last(address: &Address) -> Vec<Arc<Listener>> {
    let (mut pause, mut said) = (BIND_AGAIN.0, None);
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BIND_AGAIN.1);
        match address.bind() {
            Ok(bound) => {
                tracing::info!(address = %address.address, "bound at last");
                return bound;
            }
            Err(error) => {
                let why = error.source.kind();
                if said.replace(why).is_some_and(|before| before != why) {
                    tracing::error!("{error}; trying again");
                }
            }
        }
    }
}
