use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::config::model::{
    Balancing, Downstream, Families, Host, Limits, Listener, NamePattern, RelayChoice, Route, Service,
    Timeouts, Weight,
};

/// Of a client and the address that it connected to.
const ENDS: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000),
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7000),
];

fn mapping(name: &str, weight: u32) -> Mapping {
    Mapping {
        name: MappingName(name.into()),
        stats_name: name.into(),
        weight: Weight(weight),
        service: Service { host: Host::Name("svc".into()), port: 80 },
        originate: None,
        proxy_protocol: None,
        prelude: None,
        families: Families { ipv4: true, ipv6: true },
        balancing: Balancing::default(),
        resolution: model::Resolution::Dns,
        relay: RelayChoice::Auto,
        timeouts: Timeouts { connect: Duration::from_secs(3), idle: None, half_closed: None, max_age: None },
        limits: Limits::default(),
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
                proxy_protocol: None,
                prelude: None,
                socket: model::SocketOptions::default(),
                routes: vec![Route::new(Matcher::Any, Downstream::Raw, mappings)],
            }],
        },
    )
}

fn compile<S>(
    config: &Config,
    previous: Option<&RouteTable<S>>,
    state: impl FnMut(&Mapping) -> S,
) -> RouteTable<S> {
    let (contexts, errors) = Contexts::prepare(config, previous.map(RouteTable::contexts));
    assert!(errors.is_empty(), "{errors:?}");
    RouteTable::compile(config, contexts, previous, state)
}

fn turn<S>(table: &RouteTable<S>, bind: SocketAddr) -> Arc<Target<S>> {
    table.listener(bind).unwrap().route(None, ENDS).unwrap().turn().unwrap()
}

fn shares<S>(table: &RouteTable<S>, bind: SocketAddr, turns: usize) -> HashMap<String, usize> {
    let mut shares = HashMap::new();
    for _ in 0..turns {
        *shares.entry(turn(table, bind).mapping.name.to_string()).or_default() += 1;
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
            let table = compile(&config, None, |_| ());
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
    let table = compile(&config, None, |_| ());
    let order: Vec<_> = (0..100).map(|_| turn(&table, bind).mapping.name.to_string() == "b").collect();
    let gaps = order.iter().rev().take_while(|b| !**b).count() + order.iter().take_while(|b| !**b).count();
    assert!(gaps <= 10, "b comes every tenth time: {order:?}");
    assert!(!order.windows(2).any(|w| w[0] && w[1]), "never twice in a row: {order:?}");
}

#[test]
fn weight_zero_takes_no_connection() {
    let (bind, some) = config(&[("a", 100), ("b", 0)]);
    let table = compile(&some, None, |_| ());
    assert_eq!(shares(&table, bind, 250), HashMap::from([("a".to_owned(), 250)]));

    let (bind, none) = config(&[("a", 0)]);
    let table = compile(&none, None, |_| ());
    assert!(table.listener(bind).unwrap().route(None, ENDS).unwrap().turn().is_none());
}

#[test]
fn an_unknown_listener_has_no_route() {
    let (_, config) = config(&[("a", 100)]);
    let table = compile(&config, None, |_| ());
    assert!(table.listener("127.0.0.1:1".parse().unwrap()).is_none());
}

#[test]
fn a_reload_keeps_the_turn_of_an_unchanged_route_and_the_state_of_a_known_mapping() {
    let (bind, config) = config(&[("a", 50), ("b", 50)]);
    let mut made = 0;
    let mut count = |_: &Mapping| {
        made += 1;
    };
    let first = compile(&config, None, &mut count);
    let before = turn(&first, bind).mapping.name.clone();
    let second = compile(&config, Some(&first), &mut count);
    let after = turn(&second, bind).mapping.name.clone();
    assert_ne!(before, after, "the turn goes on where it was");
    assert_eq!(made, 2, "state is made once per mapping");
}

/// A listener of routes by name, each with a mapping that is called as it is matched.
fn by_name(routes: &[(NamePattern, &[&str])]) -> (SocketAddr, Config) {
    let (bind, mut config) = config(&[("a", 1)]);
    let route = |(name, alpn): &(NamePattern, &[&str])| {
        let called = match name {
            NamePattern::Exact(name) | NamePattern::Suffix(name) | NamePattern::Prefix(name) => name,
            NamePattern::Everything => "*",
        };
        let called = alpn.iter().fold(called.to_owned(), |called, protocol| format!("{called} {protocol}"));
        let alpn = alpn.iter().map(|protocol| protocol.as_bytes().into()).collect();
        Route::new(Matcher::Tls { name: name.clone(), alpn }, Downstream::Raw, vec![mapping(&called, 1)])
    };
    config.listeners[0].routes = routes.iter().map(route).collect();
    config.listeners[0].routes.sort_by_key(|route| route.matcher.rank());
    (bind, config)
}

#[test]
fn a_name_is_matched_exactly_then_by_its_longest_suffix_then_by_everything() {
    use NamePattern::{Everything, Exact, Suffix};
    let (bind, config) = by_name(&[
        (Everything, &[]),
        (Suffix(".com".into()), &[]),
        (Suffix(".a.com".into()), &[]),
        (Exact("b.a.com".into()), &[]),
        (Suffix(".b.a.com".into()), &["h2"]),
        (Exact("b.a.com".into()), &["h2"]),
        (Exact("b.a.com".into()), &["x", "y"]),
    ]);
    let table = compile(&config, None, |_| ());
    let listener = table.listener(bind).unwrap();
    for (name, offered, expected) in [
        (Some("b.a.com"), &[][..], "b.a.com"),
        (Some("b.a.com"), &["h2", "y"], "b.a.com h2"),
        (Some("b.a.com"), &["z", "y"], "b.a.com x y"),
        (Some("b.a.com"), &["z"], "b.a.com"),
        (Some("c.b.a.com"), &["h2"], ".b.a.com h2"),
        (Some("c.b.a.com"), &["z"], ".a.com"),
        (Some("d.c.a.com"), &[], ".a.com"),
        (Some("a.com"), &[], ".com"),
        (Some("com"), &[], "*"),
        (Some("a.org"), &["h2"], "*"),
        (None, &[], "*"),
    ] {
        let offered: Vec<Vec<u8>> = offered.iter().map(|p| p.as_bytes().to_vec()).collect();
        let found = listener
            .route(Some(Hello { server_name: name, alpn: &offered }), ENDS)
            .and_then(|group| group.turn());
        assert_eq!(&*found.unwrap().mapping.name.0, expected, "{name:?} {offered:?}");
    }
    assert!(listener.looks() && !listener.takes_cleartext());
    assert!(listener.route(None, ENDS).is_none());
}

#[test]
fn a_name_that_no_route_has_finds_none() {
    let (bind, config) = by_name(&[
        (NamePattern::Exact("a.com".into()), &[]),
        (NamePattern::Suffix(".b.com".into()), &["h2"]),
    ]);
    let table = compile(&config, None, |_| ());
    let listener = table.listener(bind).unwrap();
    for name in [None, Some("b.com"), Some("x.b.com"), Some("xa.com"), Some("a.com.org"), Some("")] {
        assert!(listener.route(Some(Hello { server_name: name, alpn: &[] }), ENDS).is_none(), "{name:?}");
    }
}

#[test]
fn a_reload_keeps_turns_by_what_routes_match_wherever_they_stand() {
    let (bind, mut config) =
        by_name(&[(NamePattern::Exact("a".into()), &[]), (NamePattern::Everything, &[])]);
    config.listeners[0].routes[0].mappings = vec![mapping("x", 50), mapping("y", 50)];
    let first = compile(&config, None, |_| ());
    let next = |table: &RouteTable<()>| {
        let group = table
            .listener(bind)
            .unwrap()
            .route(Some(Hello { server_name: Some("a"), alpn: &[] }), ENDS)
            .unwrap()
            .turn()
            .unwrap();
        group.mapping.name.clone()
    };
    let before = next(&first);
    config.listeners[0].routes.reverse();
    let second = compile(&config, Some(&first), |_| ());
    assert_ne!(before, next(&second), "the turn goes on where it was");
}

#[test]
fn state_outlives_its_mapping_while_a_connection_has_it() {
    let (bind, with) = config(&[("a", 100)]);
    let (_, without) = config(&[("b", 100)]);
    let mut made = 0;
    let mut next = |_: &Mapping| {
        made += 1;
        made
    };
    let first = compile(&with, None, &mut next);
    let live = turn(&first, bind);
    let second = compile(&without, Some(&first), &mut next);
    drop(first);
    let third = compile(&with, Some(&second), &mut next);
    assert!(Arc::ptr_eq(&live.state, &turn(&third, bind).state), "a broken edit forgets no live connection");
    drop((live, third));
    let fourth = compile(&with, Some(&second), &mut next);
    assert_eq!(*turn(&fourth, bind).state, 3, "nobody had it any more");
}

/// A listener of routes in this order, each with a mapping that is called by its place.
fn in_order(routes: Vec<(Matcher, Between)>) -> (SocketAddr, Config) {
    let (bind, mut config) = config(&[("a", 1)]);
    let route = |(place, (matcher, between)): (usize, (Matcher, Between))| {
        let route = Route::new(matcher, Downstream::Raw, vec![mapping(&place.to_string(), 1)]);
        Route { between, ..route }
    };
    config.listeners[0].routes = routes.into_iter().enumerate().map(route).collect();
    (bind, config)
}

fn tls(name: NamePattern) -> Matcher {
    Matcher::Tls { name, alpn: Vec::new() }
}

fn from(network: &str) -> Between {
    let network = Some(network.parse().unwrap());
    Between { sources: vec![model::Ends { network, port: None }], destinations: Vec::new() }
}

fn found(
    table: &RouteTable<()>,
    bind: SocketAddr,
    hello: Option<Option<&str>>,
    source: &str,
) -> Option<String> {
    let hello = hello.map(|server_name| Hello { server_name, alpn: &[] });
    let ends = [SocketAddr::new(source.parse().unwrap(), 1), ENDS[1]];
    let group = table.listener(bind).unwrap().route(hello, ends)?;
    Some(group.turn().unwrap().mapping.name.to_string())
}

#[test]
fn the_first_route_that_takes_a_connection_has_it() {
    use NamePattern::{Everything, Exact, Prefix, Suffix};
    let everyone = Between::default;
    let (bind, config) = in_order(vec![
        (tls(Suffix(".a.com".into())), from("10.0.0.0/8")),
        (Matcher::Any, from("192.0.2.0/24")),
        (tls(Exact("b.a.com".into())), everyone()),
        (tls(Prefix("b.".into())), everyone()),
        (Matcher::Cleartext, everyone()),
        (tls(Everything), from("2001:db8::/32")),
        (Matcher::Any, from("198.51.100.0/24")),
    ]);
    let table = compile(&config, None, |_| ());
    for (hello, source, expected) in [
        (Some(Some("b.a.com")), "10.0.0.1", Some("0")),
        (Some(Some("b.a.com")), "192.0.2.1", Some("1")),
        (Some(Some("b.a.com")), "203.0.113.1", Some("2")),
        (Some(Some("b.a.org")), "203.0.113.1", Some("3")),
        (Some(Some("b.")), "203.0.113.1", None),
        (Some(Some("b")), "203.0.113.1", None),
        (Some(None), "2001:db8::1", Some("5")),
        (Some(None), "198.51.100.1", Some("6")),
        (Some(Some("x.com")), "203.0.113.1", None),
        (None, "10.0.0.1", Some("4")),
        (None, "192.0.2.1", Some("1")),
        (None, "198.51.100.1", Some("4")),
    ] {
        assert_eq!(found(&table, bind, hello, source).as_deref(), expected, "{hello:?} from {source}");
    }
    let listener = table.listener(bind).unwrap();
    assert!(listener.looks() && listener.takes_cleartext());
}

#[test]
fn nobody_looks_where_ends_alone_decide() {
    let (bind, config) =
        in_order(vec![(Matcher::Any, from("10.0.0.0/8")), (Matcher::Any, Between::default())]);
    let table = compile(&config, None, |_| ());
    assert!(!table.listener(bind).unwrap().looks());
    assert_eq!(found(&table, bind, None, "10.0.0.1").as_deref(), Some("0"));
    assert_eq!(found(&table, bind, None, "11.0.0.1").as_deref(), Some("1"));

    let (bind, config) = in_order(vec![(Matcher::Cleartext, Between::default())]);
    let table = compile(&config, None, |_| ());
    assert!(table.listener(bind).unwrap().looks());
    assert_eq!(found(&table, bind, Some(None), "10.0.0.1"), None, "TLS is no cleartext");
}

#[test]
fn a_share_that_is_refused_is_nobodys() {
    let (bind, mut config) = config(&[("a", 70), ("b", 0)]);
    config.listeners[0].routes[0].refused = Weight(30);
    let table = compile(&config, None, |_| ());
    let group = table.listener(bind).unwrap().route(None, ENDS).unwrap();
    for _ in 0..3 {
        let taken = (0..100).filter_map(|_| group.turn()).map(|target| target.mapping.name.to_string());
        assert_eq!(taken.collect::<Vec<_>>(), vec!["a"; 70]);
    }
    let mut none = config.clone();
    none.listeners[0].routes[0].mappings.clear();
    let table = compile(&none, Some(&table), |_| ());
    let group = table.listener(bind).unwrap().route(None, ENDS).unwrap();
    assert!((0..100).all(|_| group.turn().is_none()), "without a mapping all are refused");
}

#[test]
fn a_reload_keeps_turns_of_routes_that_differ_in_their_ends_alone() {
    let (bind, mut config) =
        in_order(vec![(Matcher::Any, from("10.0.0.0/8")), (Matcher::Any, Between::default())]);
    for (route, names) in config.listeners[0].routes.iter_mut().zip([["x", "y"], ["z", "w"]]) {
        route.mappings = names.map(|name| mapping(name, 50)).to_vec();
    }
    let first = compile(&config, None, |_| ());
    let before = ["10.0.0.1", "11.0.0.1"].map(|source| found(&first, bind, None, source));
    let second = compile(&config, Some(&first), |_| ());
    let after = ["10.0.0.1", "11.0.0.1"].map(|source| found(&second, bind, None, source));
    assert!(before[0] != after[0] && before[1] != after[1], "{before:?} {after:?}");
}
