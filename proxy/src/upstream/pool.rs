//! The endpoints of one mapping, as connections, checks and operators share them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::board::{Asking, Board, Event, Member, Nobody, Order, Pick};
use super::endpoint::Endpoint;
use super::health::{FULL, Failures, Outcome, Transition};
use crate::config::model::{Balancing, Host, Mapping, Resolution, Service, Weight};
use crate::counter::{Counter, Place};
use crate::telemetry::{EndpointSnapshot, Telemetry};

/// The endpoints of a mapping in service. What is known of an endpoint stays over reloads while the mapping's
/// name and the endpoint's address do.
#[derive(Debug)]
pub struct Pool {
    /// Whose endpoints they are.
    pub(super) mapping: Mapping,
    /// The same to the backup service, where it has one.
    pub(super) backup: Option<Mapping>,
    board: Mutex<Board>,
    /// Connections that are being tried another time.
    retries: Counter,
}

/// An endpoint as checks see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) address: SocketAddr,
    /// By which it was found.
    pub(super) host: Host,
    pub(super) healthy: bool,
}

/// What an operator changes about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Whether it takes connections.
    Order(Order),
    /// Its weight; `None` goes back to its own.
    Weight(Option<u32>),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(order) => f.write_str(order.as_str()),
            Self::Weight(Some(weight)) => write!(f, "weight {weight}"),
            Self::Weight(None) => f.write_str("its own weight"),
        }
    }
}

impl Pool {
    /// That of a mapping; `previous` is the one which a mapping of the same name had.
    #[must_use]
    pub fn new(mapping: &Mapping, previous: Option<&Arc<Self>>) -> Arc<Self> {
        // Its share among mappings says nothing about endpoints, and may differ where it is on several addresses.
        let mapping = &Mapping { weight: Weight(0), ..mapping.clone() };
        if let Some(same) = previous.filter(|previous| previous.mapping == *mapping) {
            return Arc::clone(same);
        }
        // A board of its own: connections that began before a reload ask for the endpoints of their time.
        let mut board = previous.map(|previous| previous.board().clone()).unwrap_or_default();
        if mapping.balancing.check.is_none() {
            board.unchecked();
        }
        let to = |service: &Service| Mapping {
            service: service.clone(),
            resolution: Resolution::Dns,
            ..mapping.clone()
        };
        let backup = mapping.balancing.backup.as_ref().map(to);
        let retries = previous.map(|previous| previous.retries.clone()).unwrap_or_default();
        Arc::new(Self { mapping: mapping.clone(), backup, board: Mutex::new(board), retries })
    }

    /// The mapping's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.mapping.name.0
    }

    /// The label of the mapping's metrics.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.mapping.stats_name
    }

    /// Whose endpoints are wanted for it: the mapping's own and its backup's.
    pub fn wanted(&self) -> impl Iterator<Item = &Mapping> {
        std::iter::once(&self.mapping).chain(&self.backup)
    }

    /// How they are chosen.
    pub(super) fn rule(&self) -> &Balancing {
        &self.mapping.balancing
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the board, and tells what came of it.
    fn with<T>(&self, telemetry: &Telemetry, act: impl FnOnce(&mut Board) -> T) -> T {
        let (result, events) = {
            let mut board = self.board();
            (act(&mut board), std::mem::take(&mut board.events))
        };
        for event in events {
            self.tell(event, telemetry);
        }
        result
    }

    fn tell(&self, event: Event, telemetry: &Telemetry) {
        let mapping = self.name();
        let (endpoint, transition) = match event {
            Event::Endpoint(endpoint, transition) => (endpoint, transition),
            Event::TooFewHealthy => {
                return match self.rule().quorum {
                    None => tracing::warn!(%mapping, "no endpoint is healthy: all are used"),
                    Some(quorum) => {
                        tracing::warn!(%mapping, quorum, "too few endpoints are healthy: connections are refused");
                    }
                };
            }
            Event::EnoughHealthy => return tracing::info!(%mapping, "an endpoint is healthy again"),
        };
        match transition {
            Transition::Ejected { span } => {
                telemetry.ejected(self.label());
                let span =
                    span.map_or_else(|| "until a check succeeds".to_owned(), |span| format!("{span:?}"));
                tracing::warn!(%mapping, %endpoint, %span, "endpoint ejected: too many connections to it failed");
            }
            Transition::Returned => {
                tracing::info!(%mapping, %endpoint, "endpoint is tried again after its ejection");
            }
            Transition::Down => tracing::warn!(%mapping, %endpoint, "endpoint is down: its checks fail"),
            Transition::Up => tracing::info!(%mapping, %endpoint, "endpoint is up: its checks succeed"),
        }
    }

    /// Takes these for all endpoints there are: the service's own, and those of its backup.
    pub(super) fn set(&self, own: &[Endpoint], backup: &[Endpoint], telemetry: &Telemetry) {
        self.with(telemetry, |board| board.set(own, backup, Instant::now()));
    }

    /// The next endpoint for a client, none of those that were tried.
    pub(super) fn next(
        &self,
        client: IpAddr,
        tried: &[SocketAddr],
        telemetry: &Telemetry,
    ) -> Result<Pick, Nobody> {
        let asking = Asking { client, tried, now: Instant::now() };
        self.with(telemetry, |board| board.next(self.rule(), asking))
    }

    /// Of which service an endpoint is.
    pub(super) fn service(&self, endpoint: &Endpoint, backup: bool) -> &Service {
        let own = &self.mapping.service;
        match (&self.mapping.resolution, &self.backup) {
            (_, Some(mapping)) if backup => &mapping.service,
            (Resolution::Targets(targets), _) => {
                targets.get(endpoint.target).map_or(own, |target| &target.service)
            }
            _ => own,
        }
    }

    /// How many endpoints could be next, and whether one is of another family than the last that was tried.
    pub(super) fn left(&self, tried: &[SocketAddr]) -> (usize, bool) {
        self.board().left(self.rule(), tried)
    }

    /// Lets a connection be tried another time, and counts it as long as that takes; `None` where the mapping has as
    /// many such as it may.
    pub(super) fn retry(&self) -> Option<Place> {
        self.retries.take(self.mapping.limits.retries)
    }

    /// A connection to an endpoint was made, and took so long.
    pub(super) fn connected(&self, address: SocketAddr, took: Duration, telemetry: &Telemetry) {
        self.with(telemetry, |board| board.connected(address, took, Instant::now()));
    }

    /// A connection to an endpoint came to nothing; `late` is after how long that was given up.
    pub(super) fn failed(&self, address: SocketAddr, late: Option<Duration>, telemetry: &Telemetry) {
        self.with(telemetry, |board| board.failed(address, late, self.rule(), Instant::now()));
    }

    /// A check of an endpoint ended.
    pub(super) fn checked(&self, address: SocketAddr, outcome: Outcome, telemetry: &Telemetry) {
        telemetry.checked(self.label(), outcome == Outcome::Good);
        if let Some(rule) = &self.rule().check {
            self.with(telemetry, |board| board.checked(address, outcome, rule, Instant::now()));
        }
    }

    /// Endpoints that checks may have to ask.
    pub(super) fn to_check(&self) -> Vec<Checked> {
        let board = self.board();
        let asked = board.members().iter().filter(|member| member.is_checked());
        let checked = |member: &Member| Checked {
            address: member.endpoint.address,
            host: self.service(&member.endpoint, member.backup).host.clone(),
            healthy: !member.health.is_down() && !member.health.is_ejected(),
        };
        asked.map(checked).collect()
    }

    /// Changes an endpoint; whether there is such a one.
    pub(super) fn change(&self, address: SocketAddr, change: Change, telemetry: &Telemetry) -> bool {
        let changed = self.with(telemetry, |board| {
            let Some(member) = board.member(address) else { return false };
            match change {
                Change::Order(order) => {
                    if order == Order::Enabled
                        && (member.order != Order::Enabled || member.health.is_ejected())
                    {
                        member.health.enabled(Instant::now());
                    }
                    // What checks found stands while they may find something else.
                    if order == Order::Disabled || order == Order::Enabled && !self.asks_the_unhealthy() {
                        member.health.unchecked();
                    }
                    member.order = order;
                }
                Change::Weight(weight) => {
                    member.reweighted = weight;
                    board.reweighted();
                }
            }
            true
        });
        if changed {
            tracing::info!(mapping = %self.name(), endpoint = %address, %change, "endpoint changed by the admin endpoint");
        }
        changed
    }

    fn asks_the_unhealthy(&self) -> bool {
        self.rule().check.as_ref().is_some_and(|check| !check.unhealthy_interval.is_zero())
    }

    /// Every endpoint as it is at this moment.
    pub(super) fn snapshots(&self, telemetry: &Telemetry) -> Vec<EndpointSnapshot> {
        let now = Instant::now();
        self.with(telemetry, |board| {
            board.settle(self.rule(), now);
            board.members().iter().map(|member| self.snapshot(member, now)).collect()
        })
    }

    fn snapshot(&self, member: &Member, now: Instant) -> EndpointSnapshot {
        let Failures { failures, timeouts } = member.health.failures();
        let state = match member.order {
            order @ (Order::Disabled | Order::Drained) => order.as_str(),
            Order::Enabled if member.health.is_down() => "down",
            Order::Enabled if member.health.is_ejected() => "ejected",
            Order::Enabled => "up",
        };
        EndpointSnapshot {
            mapping: Arc::clone(self.name()),
            stats_name: Arc::clone(self.label()),
            endpoint: member.endpoint.address,
            service: self.service(&member.endpoint, member.backup).to_string(),
            backup: member.backup,
            state,
            weight: member.weight(),
            grown_percent: member.share * 100 / FULL,
            active: member.active.load(Relaxed),
            failures,
            timeouts,
            connect_us: member.latency.at(now).map(|seconds| Duration::from_secs_f64(seconds).as_micros()),
            ejected_ms: member.health.ejected_until().map(|until| {
                u64::try_from(until.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX)
            }),
        }
    }
}
