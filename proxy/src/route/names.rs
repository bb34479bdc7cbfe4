//! Which route takes a server name: exact, then the longest suffix, then any.

use std::collections::HashMap;
use std::sync::Arc;

use super::Group;
use crate::config::model::{Matcher, NamePattern};

/// A listener's routes by name. Each name's are in the order in which they are tried: first those that ask
/// for protocols.
#[derive(Debug)]
pub(super) struct Names<S> {
    exact: HashMap<Arc<str>, Vec<Arc<Group<S>>>>,
    suffixes: HashMap<Arc<str>, Vec<Arc<Group<S>>>>,
    everything: Vec<Arc<Group<S>>>,
}

impl<S> Names<S> {
    pub(super) fn new<'a>(groups: impl Iterator<Item = &'a Arc<Group<S>>>) -> Self
    where
        S: 'a,
    {
        let mut names = Self { exact: HashMap::new(), suffixes: HashMap::new(), everything: Vec::new() };
        for group in groups {
            let Matcher::Tls { name, alpn } = &group.matcher else { continue };
            let routes = match name {
                NamePattern::Exact(name) => names.exact.entry(Arc::clone(name)).or_default(),
                NamePattern::Suffix(suffix) => names.suffixes.entry(Arc::clone(suffix)).or_default(),
                NamePattern::Everything => &mut names.everything,
            };
            let at = if alpn.is_empty() {
                routes.len()
            } else {
                routes.partition_point(|other| asks_for_protocols(&other.matcher))
            };
            routes.insert(at, Arc::clone(group));
        }
        names
    }

    /// A name's routes may all ask for protocols that the client does not offer: a wider name's come then.
    pub(super) fn find(&self, name: Option<&str>, alpn: &[Vec<u8>]) -> Option<&Arc<Group<S>>> {
        let exact = name.and_then(|name| self.exact.get(name));
        let suffixes = name.into_iter().flat_map(suffixes).filter_map(|suffix| self.suffixes.get(suffix));
        exact
            .into_iter()
            .chain(suffixes)
            .chain([&self.everything])
            .find_map(|routes| routes.iter().find(|group| offers(&group.matcher, alpn)))
    }
}

fn asks_for_protocols(matcher: &Matcher) -> bool {
    matches!(matcher, Matcher::Tls { alpn, .. } if !alpn.is_empty())
}

fn offers(matcher: &Matcher, offered: &[Vec<u8>]) -> bool {
    match matcher {
        Matcher::Any => true,
        Matcher::Tls { alpn, .. } => {
            alpn.is_empty() || alpn.iter().any(|a| offered.iter().any(|o| **o == **a))
        }
    }
}

/// `.b.c` and `.c` of `a.b.c`.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    // Never the whole name: at least one label comes before a suffix.
    name.match_indices('.').filter(|(at, _)| *at > 0).map(|(at, _)| &name[at..])
}
