//! The endpoints of one mapping, how each is, and which is next. Time is told, not asked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::health::{Health, Outcome, Transition};
use super::latency::Latency;
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
    pub(super) latency: Latency,
    /// Connections that have it; shared with their [`Seat`]s.
    pub(super) active: Arc<AtomicU32>,
    /// What it has saved towards its next turn (smooth weighted round robin).
    credit: i64,
    /// How much of its weight counts now, in thousandths.
    pub(super) share: u32,
}

impl Member {
    fn new(endpoint: Endpoint, backup: bool, health: Health) -> Self {
        Self {
            endpoint,
            backup,
            order: Order::default(),
            reweighted: None,
            health,
            latency: Latency::default(),
            active: Arc::default(),
            credit: 0,
            share: super::health::FULL,
        }
    }

    /// Relative to the others; 0 takes no connection.
    pub(super) fn weight(&self) -> u32 {
        self.reweighted.unwrap_or(self.endpoint.weight)
    }

    /// Whether it may be given connections, healthy or not.
    fn is_open(&self) -> bool {
        self.order == Order::Enabled && self.weight() > 0
    }

    /// Whether checks ask it, where there are any.
    pub(super) fn is_checked(&self) -> bool {
        self.order != Order::Disabled && self.weight() > 0
    }

    fn is_ipv6(&self) -> bool {
        self.endpoint.address.is_ipv6()
    }

    /// Whether both are of one service.
    fn is_beside(&self, other: &Self) -> bool {
        (self.backup, self.endpoint.target) == (other.backup, other.endpoint.target)
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

/// Whom a connection is to be made to.
#[derive(Debug)]
pub(super) struct Pick {
    pub(super) endpoint: Endpoint,
    /// Of the backup service.
    pub(super) backup: bool,
    pub(super) seat: Seat,
}

/// Why nobody is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nobody {
    /// All that take connections were tried; there may have been none.
    Left,
    /// Too few are healthy for the rule's quorum.
    Quorum,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// An endpoint changed.
    Endpoint(SocketAddr, Transition),
    /// None is healthy, or fewer than the rule's quorum: from now on all are used, or none.
    TooFewHealthy,
    /// They are enough again.
    EnoughHealthy,
}

/// The endpoints of one mapping.
#[derive(Debug, Clone, Default)]
pub(super) struct Board {
    members: Vec<Member>,
    /// What the members were made of.
    told: [Vec<Endpoint>; 2],
    /// For [`Policy::SourceHash`]; made when it is asked for.
    table: Option<Arc<Maglev>>,
    /// Nobody had a turn yet.
    fresh: bool,
    /// The last connection found none healthy, or too few.
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
        self.fresh |= fresh;
    }

    /// Starts at a random point of the turn, so that many processes that start do not begin with the same one.
    fn begin_anywhere(&mut self, may: impl Fn(&Member) -> bool) {
        let theirs = self.members.iter().filter(|member| may(member));
        let turn: i64 = theirs.map(|member| i64::from(member.weight())).sum();
        for _ in 0..fastrand::i64(0..turn.clamp(1, 1000)) {
            self.in_turn(&may);
        }
    }

    /// No check asks any more: what checks said is void.
    pub(super) fn unchecked(&mut self) {
        self.members.iter_mut().for_each(|member| member.health.unchecked());
    }

    /// How many members may be next, and whether one is of another family than the last that was tried. A backup
    /// is no other family's address of the service, nor is another target.
    pub(super) fn left(&self, rule: &Balancing, tried: &[SocketAddr]) -> (usize, bool) {
        let by_address = |address: &SocketAddr| self.members.iter().find(|m| m.endpoint.address == *address);
        let last = tried.last().and_then(by_address);
        let rank = self.ranks(rule, tried);
        let left = || self.members.iter().filter(|member| rank(member).is_some());
        let is_other = |member: &Member| {
            last.is_some_and(|last| member.is_beside(last) && member.is_ipv6() != last.is_ipv6())
        };
        (left().count(), left().any(is_other))
    }

    /// The weights are others now.
    pub(super) fn reweighted(&mut self) {
        self.table = None;
    }

    /// The next endpoint for a connection, and its place there; an error when all that may be had were tried.
    ///
    /// Healthy ones come before backups, those before unhealthy ones. Among equals of a service those of the
    /// preferred family: IPv6, and after an attempt the other one (RFC 8305). Within these the policy chooses.
    pub(super) fn next(&mut self, rule: &Balancing, asking: Asking<'_>) -> Result<Pick, Nobody> {
        self.settle(rule, asking.now);
        let rank = self.ranks(rule, asking.tried);
        let best = self.members.iter().filter_map(&rank).min();
        // Of those that are left after an attempt this says nothing, nor do operators' orders.
        if asking.tried.is_empty() && self.open().next().is_some() {
            let too_few = best.is_none_or(|best| best >= UNHEALTHY);
            if self.desperate != too_few {
                self.desperate = too_few;
                self.events.push(if too_few { Event::TooFewHealthy } else { Event::EnoughHealthy });
            }
            best.ok_or(Nobody::Quorum)?;
        }
        let best = best.ok_or(Nobody::Left)?;
        let may = |member: &Member| rank(member) == Some(best);
        if std::mem::take(&mut self.fresh) {
            self.begin_anywhere(may);
        }
        let index = self.choose(rule, asking, may).ok_or(Nobody::Left)?;
        let Member { endpoint, backup, active, .. } = &self.members[index];
        Ok(Pick { endpoint: *endpoint, backup: *backup, seat: Seat::take(active) })
    }

    /// One of those that `may` have it, as the policy has it.
    fn choose(
        &mut self,
        rule: &Balancing,
        asking: Asking<'_>,
        may: impl Fn(&Member) -> bool,
    ) -> Option<usize> {
        match rule.policy {
            Policy::RoundRobin => self.in_turn(may),
            Policy::LeastConnections => {
                let is_less = policy::would_be_less_busy;
                let least = self
                    .candidates(&may)
                    .reduce(|least, next| if is_less(next, least) { next } else { least })?;
                self.in_turn(|member| may(member) && !is_less(least, member.candidate(0)))
            }
            Policy::Random => policy::two_choices(|| self.candidates(&may), policy::is_less_busy),
            Policy::Latency => policy::two_choices(
                || self.candidates(&may),
                |a, b| {
                    self.members[a.index].slowness(asking.now) < self.members[b.index].slowness(asking.now)
                },
            ),
            Policy::SourceHash => {
                let table = self.table();
                let members = &self.members;
                let by_hash = table.and_then(|t| t.walk(asking.client).find(|index| may(&members[*index])));
                // One whose weight is too small for a place of its own is there for all when it is the last.
                by_hash.or_else(|| members.iter().position(may))
            }
        }
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
        let ejections_count = self.may_be_ejected(rule, self.ejected());
        let is_unhealthy =
            move |member: &Member| member.health.is_down() || ejections_count && member.health.is_ejected();
        // With a quorum the unhealthy are never taken, and nobody of a service that has too few others.
        let refuses_unhealthy = rule.quorum.is_some();
        let is_refused = [false, true].map(|backup| {
            let (mut all, mut healthy) = (0, 0);
            for member in self.open().filter(|member| refuses_unhealthy && member.backup == backup) {
                all += u64::from(member.weight());
                healthy += if is_unhealthy(member) { 0 } else { u64::from(member.weight()) };
            }
            rule.quorum.is_some_and(|quorum| healthy * 100 <= all * u64::from(quorum))
        });
        let avoids_ipv6 = match tried.last() {
            Some(last) => last.is_ipv6(),
            None => !self.open().any(Member::is_ipv6),
        };
        let class = move |member: &Member| (member.backup, member.endpoint.target, is_unhealthy(member));
        // Whose preferred family has somebody left who is as good. Nobody's has where there is one family.
        let mut preferred = Vec::new();
        if self.open().any(|member| member.is_ipv6() == avoids_ipv6) {
            let left = self.open().filter(|member| !tried.contains(&member.endpoint.address));
            preferred.extend(left.filter(|member| member.is_ipv6() != avoids_ipv6).map(class));
            preferred.sort_unstable();
            preferred.dedup();
        }
        let tried = tried.to_vec();
        move |member| {
            let (unhealthy, backup) = (is_unhealthy(member), member.backup);
            let is_out = !member.is_open() || tried.contains(&member.endpoint.address);
            if is_out || is_refused[usize::from(backup)] || unhealthy && refuses_unhealthy {
                return None;
            }
            let avoided = member.is_ipv6() == avoids_ipv6 && preferred.binary_search(&class(member)).is_ok();
            Some(u8::from(unhealthy) * UNHEALTHY + u8::from(backup) * BACKUP + u8::from(avoided))
        }
    }

    /// Those that may be given connections, healthy or not.
    fn open(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.is_open())
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

    /// A connection to an endpoint was made, and took so long.
    pub(super) fn connected(&mut self, address: SocketAddr, took: Duration, now: Instant) {
        if let Some(member) = self.member(address) {
            member.health.connected(now);
            member.latency.took(took, now);
        }
    }

    /// A connection to an endpoint came to nothing; `late` is after how long that was given up.
    pub(super) fn failed(
        &mut self,
        address: SocketAddr,
        late: Option<Duration>,
        rule: &Balancing,
        now: Instant,
    ) {
        let room = self.may_be_ejected(rule, self.ejected() + 1);
        let Some(member) = self.member(address) else { return };
        if let Some(took) = late {
            // As much is certain.
            member.latency.took(took, now);
        }
        if let Some(transition) = member.health.failed(late.is_some(), &rule.ejection, room, now) {
            self.events.push(Event::Endpoint(address, transition));
        }
    }

    /// A check of an endpoint ended.
    pub(super) fn checked(&mut self, address: SocketAddr, outcome: Outcome, rule: &Check, now: Instant) {
        let checked = self.member(address).filter(|member| member.is_checked());
        if let Some(transition) = checked.and_then(|member| member.health.checked(outcome, rule, now)) {
            self.events.push(Event::Endpoint(address, transition));
        }
    }

    fn ejected(&self) -> usize {
        self.open().filter(|member| member.health.is_ejected()).count()
    }

    /// Whether the rule lets so many be ejected.
    fn may_be_ejected(&self, rule: &Balancing, ejected: usize) -> bool {
        let all = self.open().count();
        ejected * 100 <= all * usize::try_from(rule.ejection.share).unwrap_or(usize::MAX)
    }
}

impl Member {
    fn candidate(&self, index: usize) -> Candidate {
        let weight = i64::from(self.weight()) * i64::from(self.share);
        Candidate { index, weight, active: self.active.load(Relaxed) }
    }

    /// How long it takes to connect to for its weight. Whoever was never connected to comes first, unless it has yet
    /// to answer a first connection: then it is as slow as any.
    fn slowness(&self, now: Instant) -> f64 {
        match self.latency.at(now) {
            Some(seconds) => seconds / f64::from(self.weight()),
            None if self.active.load(Relaxed) == 0 => 0.0,
            None => f64::INFINITY,
        }
    }
}
