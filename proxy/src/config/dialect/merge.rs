//! What all dialects ask for, on addresses of which each can be only one's.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::report::Place;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::model::{Config, Listener};

/// A listener, and who declared it first.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) listener: Listener,
    /// `kind namespace/name`, or the setting.
    pub(super) resource: String,
    pub(super) place: Place,
}

/// Who has an address in front of what stands at `place`, and would keep it.
pub(super) struct Holders<'a>(HashMap<SocketAddr, &'a Claim>);

impl<'a> Holders<'a> {
    /// Those of other dialects.
    pub(super) fn new(claims: &'a [Claim]) -> Self {
        let mut held: HashMap<SocketAddr, &Claim> = HashMap::new();
        for claim in claims {
            let holder = held.entry(claim.listener.bind).or_insert(claim);
            if claim.place.rank() < holder.place.rank() {
                *holder = claim;
            }
        }
        Self(held)
    }

    /// Why what stands at `place` cannot have an address; reads on behind nothing.
    pub(super) fn obstacle(&self, bind: SocketAddr, place: &Place) -> Option<String> {
        let holder = self.0.get(&bind).filter(|holder| holder.place.rank() < place.rank())?;
        Some(format!("{bind} is already {}'s ({}), of another dialect", holder.resource, holder.place))
    }
}

/// One configuration of all dialects' listeners. Routes of two dialects have no order among each other, so of an
/// address that several ask for, the one that stands first in the files has it.
pub(super) fn merge(mut claims: Vec<Claim>, found: &mut Vec<Diagnostic>) -> Config {
    claims.sort_by(|a, b| a.place.rank().cmp(&b.place.rank()));
    let mut held: BTreeMap<SocketAddr, Claim> = BTreeMap::new();
    for claim in claims {
        match held.entry(claim.listener.bind) {
            Entry::Vacant(free) => {
                free.insert(claim);
            }
            Entry::Occupied(holder) => found.push(refused(claim, holder.get())),
        }
    }
    Config { listeners: held.into_values().map(|claim| claim.listener).collect() }
}

fn refused(claim: Claim, holder: &Claim) -> Diagnostic {
    let message = format!(
        "{} is already {}'s ({}), of another dialect; none of the routes here is served on it: give it another port",
        claim.listener.bind, holder.resource, holder.place
    );
    let finding = claim.place.diagnostic(Severity::Error, message);
    Diagnostic { resource: claim.resource, discarded: true, ..finding }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::model::SocketOptions;

    fn claim(bind: &str, resource: &str, file: &str, document: usize) -> Claim {
        let listener = Listener {
            bind: bind.parse().unwrap(),
            proxy_protocol: None,
            prelude: None,
            socket: SocketOptions::default(),
            routes: Vec::new(),
        };
        Claim {
            listener,
            resource: resource.to_owned(),
            place: Place { file: Path::new(file).into(), document },
        }
    }

    #[test]
    fn an_address_goes_to_who_stands_first_and_the_other_is_told_where() {
        let mut found = Vec::new();
        let config = merge(
            vec![
                claim("0.0.0.0:2", "TCPMapping default/a", "b.yaml", 1),
                claim("0.0.0.0:1", "TCPMapping default/b", "b.yaml", 10),
                claim("0.0.0.0:1", "Gateway default/g", "b.yaml", 9),
            ],
            &mut found,
        );
        let binds: Vec<_> = config.listeners.iter().map(|listener| listener.bind.to_string()).collect();
        assert_eq!(binds, ["0.0.0.0:1", "0.0.0.0:2"]);
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let expected = "b.yaml#10: TCPMapping default/b: 0.0.0.0:1 is already Gateway default/g's (b.yaml#9), of another \
                        dialect; none of the routes here is served on it: give it another port";
        assert_eq!(found, [expected]);
    }
}
