//! `TCPRoute`.

use std::thread;

use super::*;

const TCP: &str = "{name: tcp, port: 7000, protocol: TCP}";

/// TCPRouteMultipleRoutesAttachment.
#[test]
fn of_several_routes_the_oldest_takes_all() {
    let world = World::new()
        .gateway(&[TCP])
        .service("b1", 8001)
        .service("b2", 8002)
        .tcp_route("z, creationTimestamp: \"2024-01-01T00:00:00Z\"", EDGE, "{name: b2, port: 80}")
        .tcp_route("a, creationTimestamp: \"2025-01-01T00:00:00Z\"", EDGE, "{name: b1, port: 80}");
    let (young, old) = (world.backend(8001, "young"), world.backend(8002, "old"));
    let _sluice = world.start();
    for _ in 0..100 {
        assert_eq!(heard(&world.at(7000)).unwrap(), "old");
    }
    assert_eq!((young.accepted(), old.accepted()), (0, 100));
}

/// TCPRouteParentRefAttachAll, TCPRouteParentRefPortAndSectionName.
#[test]
fn a_route_is_at_the_listeners_that_it_names() {
    let ports = [7001, 7002, 7003, 7004];
    let cases: [(&str, &[u16]); 4] = [
        (EDGE, &ports),
        ("{name: edge, port: 7002}", &[7002]),
        ("{name: edge, sectionName: l7003}", &[7003]),
        ("{name: edge, sectionName: l7004, port: 7004}", &[7004]),
    ];
    for (parent, served) in cases {
        let listeners = ports.map(|port| format!("{{name: l{port}, port: {port}, protocol: TCP}}"));
        let world = World::new()
            .gateway(&listeners.each_ref().map(String::as_str))
            .service("b1", 8001)
            .tcp_route("r", parent, "{name: b1, port: 80}");
        let _backend = world.backend(8001, "b1");
        let _sluice = world.start();
        for port in ports {
            let there = heard(&world.at(port));
            assert_eq!(there.ok().as_deref(), served.contains(&port).then_some("b1"), "{parent} {port}");
        }
    }
}

/// TCPRouteWeightedRouting: within five percent there, exactly here.
#[test]
fn weights_share_connections_exactly() {
    let backends =
        "{name: b1, port: 80, weight: 70}, {name: b2, port: 80, weight: 30}, {name: b3, port: 80, weight: 0}";
    let world = World::new()
        .gateway(&[TCP])
        .service("b1", 8001)
        .service("b2", 8002)
        .service("b3", 8003)
        .tcp_route("r", EDGE, backends);
    let upstreams = [(8001, "b1"), (8002, "b2"), (8003, "b3")].map(|(port, name)| world.backend(port, name));
    let _sluice = world.start();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| (0..50).for_each(|_| drop(heard(&world.at(7000)).unwrap())));
        }
    });
    assert_eq!(upstreams.map(|upstream| upstream.accepted()), [350, 150, 0]);
}

/// The share of a backend that is not there is refused, never given to the others.
#[test]
fn a_share_that_nobody_takes_is_refused() {
    let backends = "{name: nobody, port: 80, weight: 80}, {name: b1, port: 80, weight: 20}";
    let world = World::new().gateway(&[TCP]).service("b1", 8001).tcp_route("r", EDGE, backends);
    let backend = world.backend(8001, "b1");
    let _sluice = world.start();
    let served = (0..100).filter(|_| heard(&world.at(7000)).is_ok()).count();
    assert_eq!((served, backend.accepted()), (20, 20));
}

/// TCPRouteInvalidBackendRefNonexistent; and a route of which no backend has a share.
#[test]
fn a_route_without_a_backend_refuses_all() {
    for backends in [
        "{name: nobody, port: 80}",
        "{name: b1, port: 80, weight: 0}",
        "{kind: Bucket, group: x.y, name: b1}",
    ] {
        let world = World::new().gateway(&[TCP]).service("b1", 8001).tcp_route("r", EDGE, backends);
        let backend = world.backend(8001, "b1");
        let _sluice = world.start();
        assert!((0..10).all(|_| heard(&world.at(7000)).is_err()), "{backends}");
        assert_eq!(backend.accepted(), 0, "{backends}");
    }
}

/// TCPRouteInvalidCrossNamespaceBackendRef, TCPRouteReferenceGrant.
#[test]
fn a_backend_in_another_namespace_is_reached_as_long_as_it_is_granted() {
    let grant = "---\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: g, namespace: web}\n\
                 spec: {from: [{group: gateway.networking.k8s.io, kind: TCPRoute, namespace: default}], to: [{group: '', kind: Service}]}\n";
    let world = World::new()
        .gateway(&[TCP])
        .service("web/b1", 8001)
        .tcp_route("r", EDGE, "{name: b1, namespace: web, port: 80}")
        .with(grant);
    let _backend = world.backend(8001, "b1");
    let mut sluice = world.start();
    assert_eq!(heard(&world.at(7000)).unwrap(), "b1");
    sluice.reload(&world.replaced(grant, ""));
    assert!(heard(&world.at(7000)).is_err());
    sluice.reload(&world.documents);
    assert_eq!(heard(&world.at(7000)).unwrap(), "b1");
}

#[test]
fn who_a_connection_was_for_is_told_in_the_dialects_words() {
    let world =
        World::new().gateway(&[TCP]).service("b1", 8001).tcp_route("pay", EDGE, "{name: b1, port: 80}");
    let _backend = world.backend(8001, "b1");
    let mut sluice = world.start();
    assert_eq!(heard(&world.at(7000)).unwrap(), "b1");
    assert_eq!(sluice.closed()["mapping"], "TCPRoute default/pay backend b1:80");
}
