//! Where to: the compiled, immutable table from listeners to targets.

mod names;
mod wheel;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use names::Names;
use wheel::Wheel;

use crate::config::model::{self, Config, Mapping, MappingName, Matcher, Prelude};
use crate::tls::{Contexts, Originator, Terminator};

/// Everything that is served at one moment. A connection keeps the target it was given; a reload
/// swaps the table and leaves the old one to its last user.
#[derive(Debug)]
pub struct RouteTable<S> {
    listeners: BTreeMap<SocketAddr, Listener<S>>,
    targets: HashMap<MappingName, Arc<Target<S>>>,
    contexts: Contexts,
}

/// An address in service.
#[derive(Debug)]
pub struct Listener<S> {
    /// What clients send and expect before their TLS begins.
    pub prelude: Option<Prelude>,
    any: Option<Arc<Group<S>>>,
    names: Names<S>,
    groups: HashMap<Matcher, Arc<Group<S>>>,
}

/// A mapping in service, with the state `S` that outlives reloads while its name stays.
#[derive(Debug)]
pub struct Target<S> {
    /// What was declared.
    pub mapping: Mapping,
    /// TLS towards its upstream.
    pub originate: Option<Arc<Originator>>,
    /// What is kept per mapping: its place in the kernel's tables.
    pub state: Arc<S>,
}

/// A route in service: its targets, and whose turn it is.
#[derive(Debug)]
pub struct Group<S> {
    matcher: Matcher,
    /// Ends the client's TLS; `None` passes it on.
    pub terminate: Option<Arc<Terminator>>,
    targets: Vec<Arc<Target<S>>>,
    wheel: Arc<Wheel>,
}

impl<S> RouteTable<S> {
    /// Compiles a configuration. Mappings that `previous` knows by name keep their state, and
    /// routes whose members and weights did not change keep their turn. What `contexts` lacks could not be
    /// built: what needs it is left out, rather than served without.
    pub fn compile(
        config: &Config,
        contexts: Contexts,
        previous: Option<&Self>,
        mut state: impl FnMut(&Mapping) -> S,
    ) -> Self {
        let mut table = Self { listeners: BTreeMap::new(), targets: HashMap::new(), contexts };
        for declared in &config.listeners {
            let before = previous.and_then(|p| p.listeners.get(&declared.bind));
            let mut groups = HashMap::new();
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
                let before = before.and_then(|listener| listener.groups.get(&route.matcher));
                let group = Arc::new(Group::new(&route.matcher, terminate, targets, before));
                for target in &group.targets {
                    table.targets.insert(target.mapping.name.clone(), Arc::clone(target));
                }
                groups.insert(route.matcher.clone(), group);
            }
            table.listeners.insert(declared.bind, Listener::new(declared, groups));
        }
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
        // Its own place first: a mapping may be on several addresses.
        let known = self.targets.get(&mapping.name).or_else(|| previous?.targets.get(&mapping.name));
        let kept = known.map(|target| Arc::clone(&target.state));
        let state = kept.unwrap_or_else(|| Arc::new(state(mapping)));
        Some(Arc::new(Target { mapping: mapping.clone(), originate, state }))
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

    /// Every address in service.
    pub fn listeners(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.keys().copied()
    }

    /// How TLS is ended and begun.
    #[must_use]
    pub fn contexts(&self) -> &Contexts {
        &self.contexts
    }
}

impl<S> Listener<S> {
    fn new(declared: &model::Listener, groups: HashMap<Matcher, Arc<Group<S>>>) -> Self {
        // In the order of the declaration, which counts among routes that differ in protocols alone.
        let declared_order = declared.routes.iter().filter_map(|route| groups.get(&route.matcher));
        let names = Names::new(declared_order);
        let any = groups.get(&Matcher::Any).map(Arc::clone);
        Self { prelude: declared.prelude, any, names, groups }
    }

    /// The route that takes every connection, without a look at a byte.
    #[must_use]
    pub fn any(&self) -> Option<&Arc<Group<S>>> {
        self.any.as_ref()
    }

    /// The route of a client that asks for this name, and offers these protocols.
    #[must_use]
    pub fn route(&self, server_name: Option<&str>, alpn: &[Vec<u8>]) -> Option<&Arc<Group<S>>> {
        self.names.find(server_name, alpn)
    }
}

impl<S> Group<S> {
    fn new(
        matcher: &Matcher,
        terminate: Option<Arc<Terminator>>,
        targets: Vec<Arc<Target<S>>>,
        before: Option<&Arc<Self>>,
    ) -> Self {
        let shares = |targets: &[Arc<Target<S>>]| {
            targets.iter().map(|t| (t.mapping.name.clone(), t.mapping.weight)).collect::<Vec<_>>()
        };
        let same = before.filter(|b| shares(&b.targets) == shares(&targets));
        let wheel = same.map_or_else(
            || Arc::new(Wheel::new(targets.iter().map(|t| t.mapping.weight.0))),
            |b| Arc::clone(&b.wheel),
        );
        Self { matcher: matcher.clone(), terminate, targets, wheel }
    }

    /// The target of a connection, whose turn it is; `None` when every weight is 0.
    #[must_use]
    pub fn turn(&self) -> Option<Arc<Target<S>>> {
        self.wheel.turn().map(|turn| Arc::clone(&self.targets[turn]))
    }
}

#[cfg(test)]
mod tests;
