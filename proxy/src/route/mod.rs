//! Where to: the compiled, immutable table from listeners to targets.

mod names;
mod wheel;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use names::Names;
use wheel::Wheel;

use crate::config::model::{
    self, Access, Between, Config, Mapping, MappingName, Matcher, Prelude, ProxySources, Route, RouteLogs,
    Weight,
};
use crate::tls::{Contexts, Originator, Terminator};
use crate::upstream::Pool;

/// Everything that is served at one moment. A connection keeps the target it was given; a reload
/// swaps the table and leaves the old one to its last user.
#[derive(Debug)]
pub struct RouteTable<S> {
    listeners: BTreeMap<SocketAddr, Listener<S>>,
    targets: HashMap<MappingName, Arc<Target<S>>>,
    /// Of mappings in service, and of those whose connections are not over yet.
    states: HashMap<MappingName, Weak<S>>,
    contexts: Contexts,
}

/// An address in service.
#[derive(Debug)]
pub struct Listener<S> {
    /// Whose connections begin with a PROXY header.
    pub proxy_protocol: Option<ProxySources>,
    /// What clients send and expect before their TLS begins.
    pub prelude: Option<Prelude>,
    /// In the order in which they are tried.
    groups: Vec<Arc<Group<S>>>,
    names: Names,
    asks_destinations: bool,
}

/// What a client asks for as its TLS begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hello<'a> {
    /// The name (SNI), in lower case.
    pub server_name: Option<&'a str>,
    /// The protocols it offers (ALPN).
    pub alpn: &'a [Vec<u8>],
}

/// A mapping in service, with the state `S` that outlives reloads while its name stays or a connection has it.
#[derive(Debug)]
pub struct Target<S> {
    /// What was declared.
    pub mapping: Mapping,
    /// TLS towards its upstream.
    pub originate: Option<Arc<Originator>>,
    /// The endpoints of its service, and how they are.
    pub pool: Arc<Pool>,
    /// What is kept per mapping: its place in the kernel's tables, and what counts against its limits.
    pub state: Arc<S>,
}

/// A route in service: its targets, and whose turn it is.
#[derive(Debug)]
pub struct Group<S> {
    matcher: Matcher,
    between: Between,
    /// Which clients it refuses.
    pub access: Access,
    /// Who else is told of its connections.
    pub logs: Arc<RouteLogs>,
    /// Ends the client's TLS; `None` passes it on.
    pub terminate: Option<Arc<Terminator>>,
    targets: Vec<Arc<Target<S>>>,
    refused: Weight,
    wheel: Arc<Wheel>,
}

impl<S> RouteTable<S> {
    /// Compiles a configuration. Mappings that `previous` knows by name, or a live connection, keep their
    /// state, and routes whose members and weights did not change keep their turn. What `contexts` lacks could
    /// not be built: what needs it is left out, rather than served without.
    pub fn compile(
        config: &Config,
        contexts: Contexts,
        previous: Option<&Self>,
        mut state: impl FnMut(&Mapping) -> S,
    ) -> Self {
        let states = previous.map(|p| p.states.clone()).unwrap_or_default();
        let (listeners, targets) = (BTreeMap::new(), HashMap::new());
        let mut table = Self { listeners, targets, states, contexts };
        for declared in &config.listeners {
            let before = previous.and_then(|p| p.listeners.get(&declared.bind));
            let mut groups = Vec::with_capacity(declared.routes.len());
            for route in &declared.routes {
                let terminate = match &route.downstream {
                    model::Downstream::Raw => None,
                    model::Downstream::Terminate(wanted) => match table.contexts.terminator(wanted) {
                        Some(terminator) => Some(terminator),
                        None => continue,
                    },
                };
                let targets = route.mappings.iter().filter_map(|m| table.target(m, previous, &mut state));
                let targets: Vec<_> = targets.collect();
                let before = before.and_then(|listener| listener.same(route));
                let group = Arc::new(Group::new(route, terminate, targets, before));
                for target in &group.targets {
                    table.states.insert(target.mapping.name.clone(), Arc::downgrade(&target.state));
                    table.targets.insert(target.mapping.name.clone(), Arc::clone(target));
                }
                groups.push(group);
            }
            table.listeners.insert(declared.bind, Listener::new(declared, groups));
        }
        table.states.retain(|_, state| state.strong_count() > 0);
        table
    }

    fn target(
        &self,
        mapping: &Mapping,
        previous: Option<&Self>,
        state: &mut impl FnMut(&Mapping) -> S,
    ) -> Option<Arc<Target<S>>> {
        let originate = match &mapping.originate {
            None => None,
            Some(wanted) => Some(self.contexts.originator(wanted)?),
        };
        // This table's too: a mapping may be on several addresses.
        let kept = self.states.get(&mapping.name).and_then(Weak::upgrade);
        let state = kept.unwrap_or_else(|| Arc::new(state(mapping)));
        let known = self.targets.get(&mapping.name).or_else(|| previous?.targets.get(&mapping.name));
        let pool = Pool::new(mapping, known.map(|target| &target.pool));
        Some(Arc::new(Target { mapping: mapping.clone(), originate, pool, state }))
    }

    /// What is served on an address.
    #[must_use]
    pub fn listener(&self, address: SocketAddr) -> Option<&Listener<S>> {
        self.listeners.get(&address)
    }

    /// Every target in service.
    pub fn targets(&self) -> impl Iterator<Item = &Arc<Target<S>>> {
        self.targets.values()
    }

    /// How TLS is ended and begun.
    #[must_use]
    pub fn contexts(&self) -> &Contexts {
        &self.contexts
    }
}

impl<S> Listener<S> {
    fn new(declared: &model::Listener, groups: Vec<Arc<Group<S>>>) -> Self {
        let names = Names::new(&groups);
        let asks_destinations = groups.iter().any(|group| !group.between.destinations.is_empty());
        let (proxy_protocol, prelude) = (declared.proxy_protocol.clone(), declared.prelude);
        Self { proxy_protocol, prelude, groups, names, asks_destinations }
    }

    fn same(&self, route: &Route) -> Option<&Arc<Group<S>>> {
        self.groups.iter().find(|group| (&group.matcher, &group.between) == route.key())
    }

    /// Whether a connection's route depends on how it begins.
    #[must_use]
    pub fn looks(&self) -> bool {
        self.names.look()
    }

    /// Whether a connection's route depends on the address that its client connected to.
    #[must_use]
    pub const fn asks_destinations(&self) -> bool {
        self.asks_destinations
    }

    /// Whether there are routes for connections that begin without TLS.
    #[must_use]
    pub fn takes_cleartext(&self) -> bool {
        self.names.take_cleartext()
    }

    /// The route of a connection, by its ClientHello, where it begins with one, and its two ends.
    #[must_use]
    pub fn route(&self, hello: Option<Hello<'_>>, ends: [SocketAddr; 2]) -> Option<&Arc<Group<S>>> {
        let place = self.names.first(hello, |place| self.groups[place].takes(hello, ends))?;
        self.groups.get(place)
    }
}

impl<S> Group<S> {
    fn new(
        route: &Route,
        terminate: Option<Arc<Terminator>>,
        targets: Vec<Arc<Target<S>>>,
        before: Option<&Arc<Self>>,
    ) -> Self {
        let shares = |targets: &[Arc<Target<S>>]| {
            targets.iter().map(|t| (t.mapping.name.clone(), t.mapping.weight)).collect::<Vec<_>>()
        };
        let refused = route.refused;
        let same = before.filter(|b| shares(&b.targets) == shares(&targets) && b.refused == refused);
        let weights = targets.iter().map(|t| t.mapping.weight).chain([refused]);
        let wheel = same
            .map_or_else(|| Arc::new(Wheel::new(weights.map(|weight| weight.0))), |b| Arc::clone(&b.wheel));
        let (matcher, between) = (route.matcher.clone(), route.between.clone());
        let (access, logs) = (route.access.clone(), Arc::clone(&route.logs));
        Self { matcher, between, access, logs, terminate, targets, refused, wheel }
    }

    /// The target of a connection, whose turn it is; `None` when that is nobody's, or every weight is 0.
    #[must_use]
    pub fn turn(&self) -> Option<Arc<Target<S>>> {
        self.wheel.turn().and_then(|turn| self.targets.get(turn)).map(Arc::clone)
    }

    /// Whether it takes a connection, its name aside.
    fn takes(&self, hello: Option<Hello<'_>>, [source, destination]: [SocketAddr; 2]) -> bool {
        let offered = hello.map_or(&[][..], |hello| hello.alpn);
        let offers = match &self.matcher {
            Matcher::Any | Matcher::Cleartext => true,
            Matcher::Tls { alpn, .. } => {
                alpn.is_empty() || alpn.iter().any(|a| offered.iter().any(|o| **o == **a))
            }
        };
        offers && self.between.takes(source, destination)
    }
}

#[cfg(test)]
mod tests;
