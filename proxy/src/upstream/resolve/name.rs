//! One name, asked for again whenever its answer has run out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use tokio::time::timeout;

use super::super::dns::{Answers, Dns};
use super::super::endpoint::Endpoint;
use super::memory::Memory;
use super::{Latest, ResolveError, tell};
use crate::config::model::Families;
use crate::telemetry::Resolution;

/// A name and the families that are wanted of it, shared by every port that mappings want there.
#[derive(Debug)]
pub(super) struct Name {
    name: Arc<str>,
    families: Families,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    memory: Memory,
    /// Somebody has answered, or failed to.
    asked: bool,
    /// When it is asked for again; `None` while it is.
    next: Option<Instant>,
    ports: HashMap<u16, watch::Sender<Latest>>,
}

impl Name {
    pub(super) fn new(name: Arc<str>, families: Families) -> Self {
        Self { name, families, state: Mutex::default() }
    }

    /// What is known of its endpoints on a port, now and as it changes.
    pub(super) fn subscribe(&self, port: u16) -> watch::Receiver<Latest> {
        let mut state = self.state();
        let latest = self.latest(&state, port);
        state.ports.entry(port).or_insert_with(|| watch::Sender::new(latest)).subscribe()
    }

    /// Forgets ports that nobody wants; false when none is left.
    pub(super) fn retain(&self, wanted: impl Fn(u16) -> bool) -> bool {
        let mut state = self.state();
        state.ports.retain(|port, _| wanted(*port));
        !state.ports.is_empty()
    }

    /// Asks, and asks again, for ever.
    pub(super) async fn keep(self: Arc<Self>, dns: Arc<Dns>) {
        let mut changes = dns.changes();
        loop {
            changes.mark_unchanged();
            let answers = dns.ask(&self.name, self.families, &|early| self.hear(&early)).await;
            let again = self.learn(&answers);
            // Either way it is time. Whoever changes the files lives as long as `dns`.
            let _ = timeout(again, changes.changed()).await;
            self.state().next = None;
        }
    }

    /// What an operator is shown.
    pub(super) fn report(&self) -> Resolution {
        let state = self.state();
        let (memory, now) = (&state.memory, Instant::now());
        let families = [(self.families.ipv6, "ipv6"), (self.families.ipv4, "ipv4")];
        Resolution {
            name: Arc::clone(&self.name),
            source: "dns",
            families: families.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect(),
            endpoints: memory.addresses().map(|ip| ip.to_string()).collect(),
            age: memory.told.map(|told| now.saturating_duration_since(told)),
            next: state.next.map(|next| next.saturating_duration_since(now)),
            error: memory.error.clone(),
            answers: memory.answers,
            negatives: memory.negatives,
            failures: memory.failures,
        }
    }

    /// Takes in one family's answer before the other's.
    fn hear(&self, early: &Answers) {
        let mut state = self.state();
        state.memory.take(early, Instant::now());
        state.asked = true;
        self.publish(&state);
    }

    fn learn(&self, answers: &Answers) -> std::time::Duration {
        let mut state = self.state();
        let now = Instant::now();
        let before = state.memory.error.take();
        let again = state.memory.learn(answers, now);
        state.asked = true;
        state.next = Some(now + again);
        self.publish(&state);
        let (name, kept) = (&self.name, !state.memory.is_empty());
        match (&before, &state.memory.error) {
            (None, Some(error)) if kept => {
                tracing::warn!(%name, %error, "name is not resolved, or not all; its last addresses stay in use");
            }
            (None, Some(error)) => tracing::warn!(%name, %error, "name does not resolve"),
            (Some(_), None) => tracing::info!(%name, "name resolves again"),
            _ => {}
        }
        again
    }

    fn publish(&self, state: &State) {
        for (port, sender) in &state.ports {
            tell(sender, self.latest(state, *port));
        }
    }

    fn latest(&self, state: &State, port: u16) -> Latest {
        if !state.memory.is_empty() {
            let endpoints = state.memory.addresses().map(|ip| Endpoint::new(SocketAddr::new(ip, port)));
            return Some(Ok(endpoints.collect()));
        }
        state.asked.then(|| {
            Err(ResolveError::Name {
                name: Arc::clone(&self.name),
                families: self.families,
                message: state.memory.error.clone().unwrap_or_default(),
            })
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
