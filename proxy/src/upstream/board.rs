//! The endpoints of one mapping, how each is, and which is next. Time is told, not asked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use super::endpoint::Endpoint;
use super::health::{Health, Transition};
use super::maglev::{self, Maglev};
use super::policy::{self, Candidate};
use crate::config::model::{Balancing, Check, Policy};

/// What an operator wants of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Connections, if it is healthy.
    #[default]
    Enabled,
    /// No new connections; open ones go on, and so do checks.
    Drained,
    /// No new connections and no checks; open ones go on.
    Disabled,
}

impl Order {
    /// Every order, and its word.
    pub const ALL: [(&str, Self); 3] =
        [("enabled", Self::Enabled), ("drained", Self::Drained), ("disabled", Self::Disabled)];

    /// The word for requests and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Drained => "drained",
            Self::Disabled => "disabled",
        }
    }
}

/// An endpoint and all that is kept of it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) endpoint: Endpoint,
    /// Of the backup service.
    pub(super) backup: bool,
    pub(super) order: Order,
    /// An operator's, in place of the endpoint's own.
    pub(super) reweighted: Option<u32>,
    pub(super) health: Health,
    /// Connections that have it; shared with their [`Seat`]s.
    pub(super) active: Arc<AtomicU32>,
    /// What it has saved towards its next turn (smooth weighted round robin).
    credit: i64,
    /// How much of its weight counts now, in thousandths.
    pub(super) share: u32,
}

impl Member {
    fn new(endpoint: Endpoint, backup: bool, health: Health) -> Self {
        let (order, reweighted, active) = (Order::default(), None, Arc::default());
        Self { endpoint, backup, order, reweighted, health, active, credit: 0, share: super::health::FULL }
    }

    /// Relative to the others; 0 takes no connection.
    pub(super) fn weight(&self) -> u32 {
        self.reweighted.unwrap_or(self.endpoint.weight)
    }

    /// Whether it may be given connections, healthy or not.
    fn is_open(&self) -> bool {
        self.order == Order::Enabled && self.weight() > 0
    }
}

/// A connection's place at an endpoint, counted while it lives.
#[derive(Debug)]
pub struct Seat(Arc<AtomicU32>);

impl Seat {
    fn take(active: &Arc<AtomicU32>) -> Self {
        active.fetch_add(1, Relaxed);
        Self(Arc::clone(active))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What a rank is made of, by how much it weighs.
const UNHEALTHY: u8 = 4;
const BACKUP: u8 = 2;

/// Who is to be connected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) client: IpAddr,
    /// Endpoints that were tried for it, in order.
    pub(super) tried: &'a [SocketAddr],
    pub(super) now: Instant,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// An endpoint changed.
    Endpoint(SocketAddr, Transition),
    /// None is healthy: from now on all are used.
    NoneHealthy,
    /// One is healthy again.
    SomeHealthy,
}

/// The endpoints of one mapping.
#[derive(Debug, Clone, Default)]
pub(super) struct Board {
    members: Vec<Member>,
    /// What the members were made of.
    told: [Vec<Endpoint>; 2],
    /// For [`Policy::SourceHash`]; made when it is asked for.
    table: Option<Arc<Maglev>>,
    /// The last connection found none healthy.
    desperate: bool,
    /// Not told yet.
    pub(super) events: Vec<Event>,
}

impl Board {
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// A member by its address, to be changed.
    pub(super) fn member(&mut self, address: SocketAddr) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.endpoint.address == address)
    }

    /// Takes these for all there are. Who stays keeps what is known of it, who goes is forgotten.
    pub(super) fn set(&mut self, own: &[Endpoint], backup: &[Endpoint], now: Instant) {
        if self.told[0] == own && self.told[1] == backup {
            return;
        }
        self.told = [own.to_vec(), backup.to_vec()];
        self.table = None;
        let before = std::mem::take(&mut self.members);
        let fresh = before.is_empty();
        let all = own.iter().map(|e| (*e, false)).chain(backup.iter().map(|e| (*e, true)));
        for (endpoint, backup) in all {
            if self.members.iter().any(|member| member.endpoint.address == endpoint.address) {
                continue;
            }
            let known = before.iter().find(|member| member.endpoint.address == endpoint.address);
            self.members.push(match known {
                Some(member) => Member { endpoint, backup, ..member.clone() },
                // The first of all take their full share: there are no others to take it meanwhile.
                None if fresh => Member::new(endpoint, backup, Health::default()),
                None => Member::new(endpoint, backup, Health::joining(now)),
            });
        }
        if fresh {
            self.begin_anywhere();
        }
    }

    /// Starts at a random point of the turn, so that many processes that start do not begin with the same one.
    fn begin_anywhere(&mut self) {
        let turn: i64 = self.members.iter().map(|member| i64::from(member.weight())).sum();
        for _ in 0..fastrand::i64(0..turn.clamp(1, 1000)) {
            self.in_turn(|_| true);
        }
    }

    /// No check asks any more: what checks said is void.
    pub(super) fn unchecked(&mut self) {
        self.members.iter_mut().for_each(|member| member.health.unchecked());
    }

    /// How many members may be next, and whether one is of another family than the last that was tried. A backup
    /// is no other family's address of the service.
    pub(super) fn left(&self, tried: &[SocketAddr]) -> (usize, bool) {
        let by_address = |address: &SocketAddr| self.members.iter().find(|m| m.endpoint.address == *address);
        let last = tried.last().and_then(by_address);
        let left = || self.members.iter().filter(|m| m.is_open() && !tried.contains(&m.endpoint.address));
        let is_other = |member: &Member| {
            last.is_some_and(|last| {
                member.backup == last.backup
                    && member.endpoint.address.is_ipv6() != last.endpoint.address.is_ipv6()
            })
        };
        (left().count(), left().any(is_other))
    }

    /// The weights are others now.
    pub(super) fn reweighted(&mut self) {
        self.table = None;
    }

    /// The next endpoint for a connection, and its place there; `None` when all that may be had were tried.
    ///
    /// Healthy ones come before backups, those before unhealthy ones. Among equals those of the preferred family:
    /// IPv6, and after an attempt the other one (RFC 8305). Within these the policy chooses.
    pub(super) fn next(&mut self, rule: &Balancing, asking: Asking<'_>) -> Option<(SocketAddr, Seat)> {
        self.settle(rule, asking.now);
        let rank = self.ranks(rule, asking.tried);
        let best = self.members.iter().filter_map(&rank).min()?;
        // Of those that are left after an attempt this says nothing.
        if asking.tried.is_empty() && self.desperate != (best >= UNHEALTHY) {
            self.desperate = best >= UNHEALTHY;
            self.events.push(if self.desperate { Event::NoneHealthy } else { Event::SomeHealthy });
        }
        let may = |member: &Member| rank(member) == Some(best);
        let index = match rule.policy {
            Policy::RoundRobin => self.in_turn(may),
            Policy::LeastConnections => {
                let least = self
                    .candidates(&may)
                    .reduce(|least, next| if policy::is_less_busy(next, least) { next } else { least })?;
                self.in_turn(|member| may(member) && !policy::is_less_busy(least, member.candidate(0)))
            }
            Policy::Random => policy::two_choices(|| self.candidates(&may)),
            Policy::SourceHash => {
                let table = self.table();
                let members = &self.members;
                let by_hash = table.and_then(|t| t.walk(asking.client).find(|index| may(&members[*index])));
                // One whose weight is too small for a place of its own is there for all when it is the last.
                by_hash.or_else(|| members.iter().position(may))
            }
        }?;
        let member = &self.members[index];
        Some((member.endpoint.address, Seat::take(&member.active)))
    }

    /// Ends what time ends, and brings shares up to date.
    pub(super) fn settle(&mut self, rule: &Balancing, now: Instant) {
        for member in &mut self.members {
            if let Some(transition) = member.health.settle(&rule.ejection, now) {
                self.events.push(Event::Endpoint(member.endpoint.address, transition));
            }
            member.share = member.health.share(rule.slow_start, now);
        }
    }

    /// How good a member is for a connection, 0 being best; `None` if it may not have it.
    fn ranks(&self, rule: &Balancing, tried: &[SocketAddr]) -> impl Fn(&Member) -> Option<u8> + use<> {
        let open = || self.members.iter().filter(|member| member.is_open());
        let avoid_ipv6 = match tried.last() {
            Some(last) => last.is_ipv6(),
            None => !open().any(|member| member.endpoint.address.is_ipv6()),
        };
        let ejections_count = self.may_be_ejected(rule, self.ejected());
        let tried = tried.to_vec();
        move |member| {
            let address = member.endpoint.address;
            if !member.is_open() || tried.contains(&address) {
                return None;
            }
            let ejected = ejections_count && member.health.ejected_until().is_some();
            let unhealthy = ejected || member.health.is_down();
            let avoided = address.is_ipv6() == avoid_ipv6;
            Some(u8::from(unhealthy) * UNHEALTHY + u8::from(member.backup) * BACKUP + u8::from(avoided))
        }
    }

    fn candidates(&self, may: impl Fn(&Member) -> bool) -> impl Iterator<Item = Candidate> {
        let members = self.members.iter().enumerate();
        members.filter(move |(_, member)| may(member)).map(|(index, member)| member.candidate(index))
    }

    /// Smooth weighted round robin, which is exact over every full turn: the first of the largest credit, which
    /// then pays for all.
    fn in_turn(&mut self, may: impl Fn(&Member) -> bool) -> Option<usize> {
        let members = &mut self.members;
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (index, member) in members.iter_mut().enumerate().filter(|(_, member)| may(member)) {
            let weight = member.candidate(index).weight;
            total += weight;
            member.credit += weight;
            if best.is_none_or(|(_, most)| member.credit > most) {
                best = Some((index, member.credit));
            }
        }
        let (index, _) = best?;
        members[index].credit -= total;
        Some(index)
    }

    fn table(&mut self) -> Option<Arc<Maglev>> {
        if self.table.is_none() {
            let key = |address: SocketAddr| {
                maglev::mix(maglev::of_address(address.ip()) ^ u64::from(address.port()))
            };
            let members = self.members.iter().map(|m| (key(m.endpoint.address), m.weight()));
            self.table = Maglev::new(&members.collect::<Vec<_>>()).map(Arc::new);
        }
        self.table.as_ref().map(Arc::clone)
    }

    /// A connection to an endpoint was made.
    pub(super) fn connected(&mut self, address: SocketAddr, now: Instant) {
        if let Some(member) = self.member(address) {
            member.health.connected(now);
        }
    }

    /// A connection to an endpoint came to nothing.
    pub(super) fn failed(&mut self, address: SocketAddr, rule: &Balancing, now: Instant) {
        let room = self.may_be_ejected(rule, self.ejected() + 1);
        let Some(member) = self.member(address) else { return };
        if let Some(transition) = member.health.failed(&rule.ejection, room, now) {
            self.events.push(Event::Endpoint(address, transition));
        }
    }

    /// A check of an endpoint ended.
    pub(super) fn checked(&mut self, address: SocketAddr, good: bool, rule: &Check, now: Instant) {
        let checked = self.member(address).filter(|member| member.order != Order::Disabled);
        if let Some(transition) = checked.and_then(|member| member.health.checked(good, rule, now)) {
            self.events.push(Event::Endpoint(address, transition));
        }
    }

    fn ejected(&self) -> usize {
        self.members
            .iter()
            .filter(|member| member.is_open() && member.health.ejected_until().is_some())
            .count()
    }

    /// Whether the rule lets so many be ejected.
    fn may_be_ejected(&self, rule: &Balancing, ejected: usize) -> bool {
        let all = self.members.iter().filter(|member| member.is_open()).count();
        ejected * 100 <= all * usize::try_from(rule.ejection.share).unwrap_or(usize::MAX)
    }
}

impl Member {
    fn candidate(&self, index: usize) -> Candidate {
        let weight = i64::from(self.weight()) * i64::from(self.share);
        Candidate { index, weight, active: self.active.load(Relaxed) }
    }
}
