//! Where to: the compiled, immutable table from listeners to targets.

mod wheel;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use wheel::Wheel;

use crate::config::model::{Config, Mapping, MappingName, Matcher, Route};

/// Everything that is served at one moment. A connection keeps the target it was given; a reload
/// swaps the table and leaves the old one to its last user.
#[derive(Debug)]
pub struct RouteTable<S> {
    listeners: BTreeMap<SocketAddr, Vec<Arc<Group<S>>>>,
    targets: HashMap<MappingName, Arc<Target<S>>>,
}

/// A mapping in service, with the state `S` that outlives reloads while its name stays.
#[derive(Debug)]
pub struct Target<S> {
    /// What was declared.
    pub mapping: Mapping,
    /// What is kept per mapping: its place in the kernel's tables.
    pub state: Arc<S>,
}

/// A route in service: its targets, and whose turn it is.
#[derive(Debug)]
struct Group<S> {
    matcher: Matcher,
    targets: Vec<Arc<Target<S>>>,
    wheel: Arc<Wheel>,
}

/// Why no target takes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// No route of the listener matches.
    #[error("no route")]
    NoRoute,
    /// All the route's weights are 0.
    #[error("every weight is 0")]
    NoWeight,
}

impl<S> RouteTable<S> {
    /// Compiles a configuration. Mappings that `previous` knows by name keep their state, and
    /// routes whose members and weights did not change keep their turn.
    pub fn compile(config: &Config, previous: Option<&Self>, mut state: impl FnMut(&Mapping) -> S) -> Self {
        let mut targets = HashMap::new();
        let mut listeners = BTreeMap::new();
        for listener in &config.listeners {
            let groups = listener.routes.iter().enumerate().map(|(i, route)| {
                let members = route.mappings.iter().map(|mapping| {
                    let kept =
                        previous.and_then(|p| p.targets.get(&mapping.name)).map(|t| Arc::clone(&t.state));
                    let state = kept.unwrap_or_else(|| Arc::new(state(mapping)));
                    let target = Arc::new(Target { mapping: mapping.clone(), state });
                    targets.insert(mapping.name.clone(), Arc::clone(&target));
                    target
                });
                let members = members.collect();
                let before = previous.and_then(|p| p.listeners.get(&listener.bind)).and_then(|gs| gs.get(i));
                Arc::new(Group::new(route, members, before))
            });
            listeners.insert(listener.bind, groups.collect());
        }
        Self { listeners, targets }
    }

    /// The target of a connection that came in on `listener`; takes its turn.
    ///
    /// # Errors
    /// Why there is none.
    pub fn lookup(&self, listener: SocketAddr) -> Result<Arc<Target<S>>, NoTarget> {
        let groups = self.listeners.get(&listener).ok_or(NoTarget::NoRoute)?;
        let group = groups.iter().find(|g| g.matcher == Matcher::Any).ok_or(NoTarget::NoRoute)?;
        let turn = group.wheel.turn().ok_or(NoTarget::NoWeight)?;
        Ok(Arc::clone(&group.targets[turn]))
    }

    /// Every target in service.
    pub fn targets(&self) -> impl Iterator<Item = &Arc<Target<S>>> {
        self.targets.values()
    }

    /// Every address in service.
    pub fn listeners(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.keys().copied()
    }
}

impl<S> Group<S> {
    fn new(route: &Route, targets: Vec<Arc<Target<S>>>, before: Option<&Arc<Self>>) -> Self {
        let shares = |targets: &[Arc<Target<S>>]| {
            targets.iter().map(|t| (t.mapping.name.clone(), t.mapping.weight)).collect::<Vec<_>>()
        };
        let same = before.filter(|b| b.matcher == route.matcher && shares(&b.targets) == shares(&targets));
        let wheel = same.map_or_else(
            || Arc::new(Wheel::new(route.mappings.iter().map(|m| m.weight.0))),
            |b| Arc::clone(&b.wheel),
        );
        Self { matcher: route.matcher.clone(), targets, wheel }
    }
}

#[cfg(test)]
mod tests;
