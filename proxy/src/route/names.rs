//! Which routes may take a connection by the way it begins.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Group, Hello};
use crate::config::model::{Matcher, NamePattern};

/// Places of a listener's routes in the order in which they are tried, by how connections begin.
#[derive(Debug, Default)]
pub(super) struct Names {
    any: Vec<usize>,
    cleartext: Vec<usize>,
    exact: HashMap<Arc<str>, Vec<usize>>,
    suffixes: HashMap<Arc<str>, Vec<usize>>,
    prefixes: HashMap<Arc<str>, Vec<usize>>,
    everything: Vec<usize>,
}

impl Names {
    pub(super) fn new<S>(groups: &[Arc<Group<S>>]) -> Self {
        let mut names = Self::default();
        for (place, group) in groups.iter().enumerate() {
            let places = match &group.matcher {
                Matcher::Any => &mut names.any,
                Matcher::Cleartext => &mut names.cleartext,
                Matcher::Tls { name, .. } => match name {
                    NamePattern::Exact(name) => names.exact.entry(Arc::clone(name)).or_default(),
                    NamePattern::Suffix(suffix) => names.suffixes.entry(Arc::clone(suffix)).or_default(),
                    NamePattern::Prefix(prefix) => names.prefixes.entry(Arc::clone(prefix)).or_default(),
                    NamePattern::Everything => &mut names.everything,
                },
            };
            places.push(place);
        }
        names
    }

    /// Whether it matters how connections begin.
    pub(super) fn look(&self) -> bool {
        let tls = [self.exact.len(), self.suffixes.len(), self.prefixes.len(), self.everything.len()];
        !self.cleartext.is_empty() || tls.iter().any(|routes| *routes > 0)
    }

    /// Whether some connections are taken that begin without TLS.
    pub(super) fn take_cleartext(&self) -> bool {
        !self.cleartext.is_empty() || !self.any.is_empty()
    }

    /// The first place that `takes` agrees to, of those for a connection that begins like this.
    pub(super) fn first(&self, hello: Option<Hello<'_>>, takes: impl Fn(usize) -> bool) -> Option<usize> {
        let first = |places: &Vec<usize>| places.iter().copied().find(|place| takes(*place));
        let Some(hello) = hello else {
            return [&self.any, &self.cleartext].into_iter().filter_map(first).min();
        };
        let name = hello.server_name;
        let exact = name.and_then(|name| self.exact.get(name));
        let suffixes = name.into_iter().flat_map(suffixes).filter_map(|suffix| self.suffixes.get(suffix));
        let prefixes = name.into_iter().flat_map(prefixes).filter_map(|prefix| self.prefixes.get(prefix));
        let unnamed = [&self.any, &self.everything];
        exact.into_iter().chain(suffixes).chain(prefixes).chain(unnamed).filter_map(first).min()
    }
}

/// `.b.c` and `.c` of `a.b.c`.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    // Never the whole name: at least one label comes before a suffix.
    name.match_indices('.').filter(|(at, _)| *at > 0).map(|(at, _)| &name[at..])
}

/// `a.` and `a.b.` of `a.b.c`.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    // Never the whole name: at least one label comes behind a prefix.
    name.match_indices('.').filter(|(at, _)| at + 1 < name.len()).map(|(at, _)| &name[..=at])
}
