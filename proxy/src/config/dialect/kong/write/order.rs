//! Whether Kong's router tries routes in the order in which they stand.

use std::cmp::Reverse;

use super::super::ends::EndsList;
use super::super::route::priority;
use super::super::surroundings::Flavor;
use super::Standing;
use crate::config::dialect::write::Draft;
use crate::config::model::{Config, Matcher, NamePattern};

/// What Kong sorts a route by, in the order in which they are written.
pub(super) fn key(matcher: &Matcher, sources: &EndsList, destinations: &EndsList) -> u64 {
    let is_named = matches!(matcher, Matcher::Tls { name, .. } if *name != NamePattern::Everything);
    priority(Flavor::TraditionalCompatible, is_named, sources, destinations)
}

/// Notes every two routes of an address that Kong tries the other way round, if both may take a connection; `keys` are
/// those of the routes, which were written in this order.
pub(super) fn check(config: &Config, standing: &[Standing<'_>], keys: &[u64], draft: &mut Draft<'_>) {
    for listener in &config.listeners {
        let here = listener.routes.iter().filter_map(|route| {
            let is_here = |other: &Standing<'_>| other.route == route && other.binds.contains(&listener.bind);
            let place = standing.iter().position(is_here)?;
            Some((place, route, keys.get(place)?))
        });
        let here: Vec<_> = here.collect();
        for (number, (later_place, later, later_key)) in here.iter().enumerate() {
            for (place, earlier, earlier_key) in &here[..number] {
                let before = (Reverse(earlier_key), earlier.matcher.rank(), place);
                let behind = (Reverse(later_key), later.matcher.rank(), later_place);
                if behind < before && overlap(&earlier.matcher, &later.matcher) {
                    draft.lose(
                        &super::whose(later, listener),
                        format!(
                            "Kong tries its route on {} before that of {}, behind which it stands",
                            listener.bind,
                            super::whose(earlier, listener)
                        ),
                    );
                }
            }
        }
    }
}

/// Whether there may be a connection that both take.
fn overlap(one: &Matcher, other: &Matcher) -> bool {
    use NamePattern::{Exact, Prefix, Suffix};
    let (Matcher::Tls { name: one, .. }, Matcher::Tls { name: other, .. }) = (one, other) else {
        return true;
    };
    match (one, other) {
        (Exact(one), Exact(other)) => one == other,
        (Exact(name), Suffix(suffix)) | (Suffix(suffix), Exact(name)) => name.ends_with(&**suffix),
        (Exact(name), Prefix(prefix)) | (Prefix(prefix), Exact(name)) => name.starts_with(&**prefix),
        (Suffix(one), Suffix(other)) => one.ends_with(&**other) || other.ends_with(&**one),
        (Prefix(one), Prefix(other)) => one.starts_with(&**other) || other.starts_with(&**one),
        _ => true,
    }
}
