use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::config::model::{Downstream, Families, Host, Listener, RelayChoice, Service, Timeouts, Weight};

fn mapping(name: &str, weight: u32) -> Mapping {
    Mapping {
        name: MappingName(name.into()),
        stats_name: name.into(),
        weight: Weight(weight),
        service: Service { host: Host::Name("svc".into()), port: 80 },
        originate: None,
        prelude: None,
        families: Families { ipv4: true, ipv6: true },
        relay: RelayChoice::Auto,
        timeouts: Timeouts { connect: Duration::from_secs(3), idle: None, half_closed: None, max_age: None },
    }
}

fn config(members: &[(&str, u32)]) -> (SocketAddr, Config) {
    let bind: SocketAddr = "127.0.0.1:7000".parse().unwrap();
    let mappings = members.iter().map(|(name, weight)| mapping(name, *weight)).collect();
    (
        bind,
        Config {
            listeners: vec![Listener {
                bind,
                prelude: None,
                routes: vec![Route { matcher: Matcher::Any, downstream: Downstream::Raw, mappings }],
            }],
        },
    )
}

fn shares<S>(table: &RouteTable<S>, bind: SocketAddr, turns: usize) -> HashMap<String, usize> {
    let mut shares = HashMap::new();
    for _ in 0..turns {
        *shares.entry(table.lookup(bind).unwrap().mapping.name.to_string()).or_default() += 1;
    }
    shares
}

#[test]
fn weights_are_exact_over_every_hundred_connections_from_any_start() {
    for members in [
        &[("a", 70), ("b", 30)][..],
        &[("a", 1), ("b", 99)],
        &[("a", 33), ("b", 33), ("c", 34)],
        &[("a", 14), ("b", 14), ("c", 14), ("d", 14), ("e", 14), ("f", 14), ("g", 16)],
    ] {
        let (bind, config) = config(members);
        for _ in 0..20 {
            let table = RouteTable::compile(&config, None, |_| ());
            for _ in 0..3 {
                let shares = shares(&table, bind, 100);
                for (name, weight) in members {
                    assert_eq!(shares[*name], *weight as usize, "{members:?}");
                }
            }
        }
    }
}

#[test]
fn a_small_share_is_spread_over_the_turn() {
    let (bind, config) = config(&[("a", 90), ("b", 10)]);
    let table = RouteTable::compile(&config, None, |_| ());
    let order: Vec<_> =
        (0..100).map(|_| table.lookup(bind).unwrap().mapping.name.to_string() == "b").collect();
    let gaps = order.iter().rev().take_while(|b| !**b).count() + order.iter().take_while(|b| !**b).count();
    assert!(gaps <= 10, "b comes every tenth time: {order:?}");
    assert!(!order.windows(2).any(|w| w[0] && w[1]), "never twice in a row: {order:?}");
}

#[test]
fn weight_zero_takes_no_connection() {
    let (bind, some) = config(&[("a", 100), ("b", 0)]);
    let table = RouteTable::compile(&some, None, |_| ());
    assert_eq!(shares(&table, bind, 250), HashMap::from([("a".to_owned(), 250)]));

    let (bind, none) = config(&[("a", 0)]);
    let table = RouteTable::compile(&none, None, |_| ());
    assert_eq!(table.lookup(bind).unwrap_err(), NoTarget::NoWeight);
}

#[test]
fn an_unknown_listener_has_no_route() {
    let (_, config) = config(&[("a", 100)]);
    let table = RouteTable::compile(&config, None, |_| ());
    assert_eq!(table.lookup("127.0.0.1:1".parse().unwrap()).unwrap_err(), NoTarget::NoRoute);
}

#[test]
fn a_reload_keeps_the_turn_of_an_unchanged_route_and_the_state_of_a_known_mapping() {
    let (bind, config) = config(&[("a", 50), ("b", 50)]);
    let mut made = 0;
    let mut count = |_: &Mapping| {
        made += 1;
    };
    let first = RouteTable::compile(&config, None, &mut count);
    let before = first.lookup(bind).unwrap().mapping.name.clone();
    let second = RouteTable::compile(&config, Some(&first), &mut count);
    let after = second.lookup(bind).unwrap().mapping.name.clone();
    assert_ne!(before, after, "the turn goes on where it was");
    assert_eq!(made, 2, "state is made once per mapping");
}
