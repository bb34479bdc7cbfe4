//! One service of a catalogue, followed by questions that wait for a change.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use super::super::consul::{self, Instances, PACE};
use super::super::dns::Dns;
use super::memory::{Memory, back_off};
use super::{Latest, ResolveError, tell};
use crate::config::model::{Catalogue, Families, Host};
use crate::telemetry::Resolution;

/// Between questions: what changes at once in many places is taken up at once.
const BATCH: Duration = Duration::from_millis(100);
/// Between questions to somebody who tells no version, and so never waits.
const UNINDEXED: Duration = Duration::from_secs(5);

/// A service that a mapping wants from a catalogue.
#[derive(Debug)]
pub(super) struct Listed {
    catalogue: Arc<Catalogue>,
    latest: watch::Sender<Latest>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    told: Option<Instant>,
    error: Option<String>,
    /// Failures since the last answer.
    streak: u32,
    /// When it is asked again; `None` while it is, which may last as long as nothing changes.
    next: Option<Instant>,
    answers: u64,
    negatives: u64,
    failures: u64,
}

impl Listed {
    pub(super) fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue, latest: watch::Sender::new(None), state: Mutex::default() }
    }

    /// What is known of its endpoints, now and as it changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<Latest> {
        self.latest.subscribe()
    }

    /// Asks, and asks again, for ever.
    pub(super) async fn keep(self: Arc<Self>, dns: Arc<Dns>) {
        let (mut index, mut agent) = (0, Memory::default());
        loop {
            let pause = match self.ask(&dns, &mut agent, index).await {
                Ok(Instances { endpoints, index: now }) => {
                    self.learn(endpoints.into());
                    let pause = if index == 0 && now == 0 { UNINDEXED } else { BATCH };
                    index = now;
                    pause
                }
                Err(error) => {
                    // What has happened meanwhile is to be told at once, not at the next change.
                    index = 0;
                    self.fail(error)
                }
            };
            self.state().next = Some(Instant::now() + pause);
            sleep(pause).await;
            self.state().next = None;
        }
    }

    /// What an operator is shown.
    pub(super) fn report(&self) -> Resolution {
        let (state, now) = (self.state(), Instant::now());
        let endpoints = match &*self.latest.borrow() {
            Some(Ok(endpoints)) => endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect(),
            Some(Err(_)) | None => Vec::new(),
        };
        Resolution {
            name: format!("{}/{}", self.catalogue.datacenter, self.catalogue.service).into(),
            source: "catalogue",
            families: Vec::new(),
            endpoints,
            age: state.told.map(|told| now.saturating_duration_since(told)),
            next: state.next.map(|next| next.saturating_duration_since(now)),
            error: state.error.clone(),
            answers: state.answers,
            negatives: state.negatives,
            failures: state.failures,
        }
    }

    /// Asks each address of the agent in turn.
    async fn ask(&self, dns: &Dns, agent: &mut Memory, index: u64) -> Result<Instances, String> {
        let service = &self.catalogue.agent;
        let addresses: Vec<IpAddr> = match &service.host {
            Host::Ip(ip) => vec![*ip],
            Host::Name(name) => {
                let answers = dns.ask(name, Families { ipv4: true, ipv6: true }, &|_early| ()).await;
                agent.learn(&answers, Instant::now());
                agent.addresses().collect()
            }
        };
        let mut last = format!("{service}: {}", agent.error.as_deref().unwrap_or("no address"));
        for ip in addresses {
            match consul::ask(SocketAddr::new(ip, service.port), &self.catalogue, index, PACE).await {
                Ok(instances) => return Ok(instances),
                Err(error) => last = format!("{service}: {error}"),
            }
        }
        Err(last)
    }

    fn learn(&self, endpoints: Arc<[super::Endpoint]>) {
        let mut state = self.state();
        state.told = Some(Instant::now());
        state.streak = 0;
        let (datacenter, service) = (&self.catalogue.datacenter, &self.catalogue.service);
        if state.error.take().is_some() {
            tracing::info!(%datacenter, %service, "the catalogue answers again");
        }
        if endpoints.is_empty() {
            state.negatives += 1;
            tell(&self.latest, Some(Err(self.error("no instance passes its checks"))));
        } else {
            state.answers += 1;
            tell(&self.latest, Some(Ok(endpoints)));
        }
    }

    fn fail(&self, error: String) -> Duration {
        let mut state = self.state();
        if state.error.is_none() {
            let (datacenter, service) = (&self.catalogue.datacenter, &self.catalogue.service);
            tracing::warn!(%datacenter, %service, %error, "the catalogue does not answer; what it told last stays in use");
        }
        state.failures += 1;
        let has_any = matches!(*self.latest.borrow(), Some(Ok(_)));
        if !has_any {
            tell(&self.latest, Some(Err(self.error(&error))));
        }
        state.error = Some(error);
        state.streak = state.streak.saturating_add(1);
        back_off(state.streak, has_any)
    }

    fn error(&self, message: &str) -> ResolveError {
        ResolveError::Catalogue {
            service: Arc::clone(&self.catalogue.service),
            datacenter: Arc::clone(&self.catalogue.datacenter),
            message: message.to_owned(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
