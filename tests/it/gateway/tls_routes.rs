//! `TLSRoute`.

use super::*;
use crate::harness::tls::Ca;

const PASS: &str = "{name: l, port: 7000, protocol: TLS, tls: {mode: Passthrough}}";
const END: &str =
    "{name: l, port: 7000, protocol: TLS, tls: {mode: Terminate, certificateRefs: [{name: cert}]}}";

fn trusting(ca: &Ca) -> Arc<ClientConfig> {
    Arc::new(ca.client(None))
}

/// TLSRouteSimpleSameNamespace.
#[test]
fn a_client_speaks_with_the_upstream_itself() {
    let ca = Ca::new();
    let world = World::new().gateway(&[PASS]).service("b1", 8001).tls_route(
        "r",
        EDGE,
        "abc.example.com",
        "{name: b1, port: 80}",
    );
    let _backend = tls::backend(&world.at(8001), "b1", ca.leaf(&["abc.example.com"]).server());
    let mut sluice = world.start();
    let said = dialled(&world.at(7000), "abc.example.com", &trusting(&ca)).unwrap();
    assert_eq!(said, "b1 abc.example.com unknown");
    assert_eq!(sluice.closed()["mapping"], "TLSRoute default/r backend b1:80");
}

/// TLSRouteTerminateSimpleSameNamespace.
#[test]
fn a_listener_that_terminates_hands_on_what_was_in_the_tls() {
    let ca = Ca::new();
    let world = World::new()
        .gateway(&[END])
        .secret("cert", &ca.leaf(&["abc.example.com"]))
        .service("b1", 8001)
        .tls_route("r", EDGE, "abc.example.com", "{name: b1, port: 80}");
    let _backend = Backend::echo(&world.at(8001));
    let _sluice = world.start();
    let mut client = tls::hello(&world.at(7000), "abc.example.com", &trusting(&ca)).unwrap();
    assert_eq!(tls::echoed(&mut client, b"in the clear"), b"in the clear");
    assert!(
        dialled(&world.at(7000), "other.example.com", &trusting(&ca)).is_err(),
        "a name that no route takes"
    );
    assert!(heard(&world.at(7000)).is_err(), "no TLS at all");
}

/// TLSRouteMixedTerminationSameNamespace.
#[test]
fn a_port_may_end_some_names_and_pass_others_through() {
    let (own, theirs) = (Ca::new(), Ca::new());
    let listeners = [
        "{name: tls, port: 8883, protocol: TLS, hostname: tls.example.com, tls: {mode: Terminate, certificateRefs: [{name: cert}]}}",
        "{name: abc, port: 8883, protocol: TLS, hostname: abc.example.com, tls: {mode: Passthrough}}",
    ];
    let world = World::new()
        .gateway(&listeners)
        .secret("cert", &own.leaf(&["tls.example.com"]))
        .service("b1", 8001)
        .service("b2", 8002)
        .tls_route("ended", "{name: edge, sectionName: tls}", "tls.example.com", "{name: b1, port: 80}")
        .tls_route("passed", "{name: edge, sectionName: abc}", "abc.example.com", "{name: b2, port: 80}");
    let _plain = world.backend(8001, "b1");
    let _secure = tls::backend(&world.at(8002), "b2", theirs.leaf(&["abc.example.com"]).server());
    let _sluice = world.start();
    assert_eq!(dialled(&world.at(8883), "tls.example.com", &trusting(&own)).unwrap(), "b1");
    assert_eq!(
        dialled(&world.at(8883), "abc.example.com", &trusting(&theirs)).unwrap(),
        "b2 abc.example.com unknown"
    );
    assert!(
        dialled(&world.at(8883), "abc.example.com", &trusting(&own)).is_err(),
        "its certificate is the upstream's"
    );
}

/// TLSRouteHostnameIntersection, as the reference tabulates it.
#[test]
fn a_route_takes_the_names_that_its_listener_has_too() {
    let (b1, b2) = (Some("b1"), Some("b2"));
    let abc = "abc.example.com";
    type Row = (&'static str, [&'static str; 2], [(&'static str, Option<&'static str>); 3]);
    let rows: [Row; 4] = [
        (
            abc,
            ["*.example.com", "*.example.org"],
            [(abc, b1), ("other.example.com", None), ("non.matching.com", None)],
        ),
        ("*.example.com", [abc, "*.com"], [(abc, b1), ("other.example.com", b2), ("non.matching.com", None)]),
        ("*.com", [abc, "*.example.com"], [(abc, b1), ("other.example.com", b2), ("non.matching.com", None)]),
        ("", [abc, "*.com"], [(abc, b1), ("other.example.com", b2), ("non.matching.org", None)]),
    ];
    for (listener, hostnames, results) in rows {
        let ca = Ca::new();
        let own = if listener.is_empty() { String::new() } else { format!("hostname: \"{listener}\", ") };
        let world = World::new()
            .gateway(&[&PASS.replace("protocol", &format!("{own}protocol"))])
            .service("b1", 8001)
            .service("b2", 8002)
            .tls_route("one", EDGE, hostnames[0], "{name: b1, port: 80}")
            .tls_route("two", EDGE, hostnames[1], "{name: b2, port: 80}");
        let names = [abc, "other.example.com", "non.matching.com", "non.matching.org"];
        let _backends = [(8001, "b1"), (8002, "b2")]
            .map(|(port, name)| tls::backend(&world.at(port), name, ca.leaf(&names).server()));
        let _sluice = world.start();
        for (name, expected) in results {
            let said = dialled(&world.at(7000), name, &trusting(&ca)).ok();
            let said = said.as_deref().and_then(|said| said.split(' ').next());
            assert_eq!(said, expected, "{listener} {name}");
        }
    }
}

/// TLSRouteInvalidBackendRefNonexistent, TLSRouteInvalidBackendRefUnknownKind, TLSRouteInvalidReferenceGrant.
#[test]
fn a_backend_that_cannot_be_used_refuses_the_dial() {
    let ca = Ca::new();
    let backends = [
        "{name: nobody, port: 80}",
        "{kind: Bucket, group: x.y, name: b1}",
        "{name: b1, namespace: web, port: 80}",
    ];
    for (listener, backends) in
        [PASS, END].iter().flat_map(|listener| backends.map(|backends| (listener, backends)))
    {
        let world = World::new()
            .gateway(&[listener])
            .secret("cert", &ca.leaf(&["abc.example.com"]))
            .service("web/b1", 8001)
            .tls_route("r", EDGE, "abc.example.com", backends);
        let backend = world.backend(8001, "b1");
        let _sluice = world.start();
        assert!(
            dialled(&world.at(7000), "abc.example.com", &trusting(&ca)).is_err(),
            "{listener} {backends}"
        );
        assert_eq!(backend.accepted(), 0);
    }
}

/// Of several certificates the one with the longest name for a client's is shown, and else the first.
#[test]
fn the_certificate_with_the_longest_name_is_shown() {
    let (first, wide, exact) = (Ca::new(), Ca::new(), Ca::new());
    let references = "certificateRefs: [{name: first}, {name: wide}, {name: exact}]";
    let world = World::new()
        .gateway(&[&END.replace("certificateRefs: [{name: cert}]", references)])
        .secret("first", &first.leaf(&["abc.example.org", "else.example.net"]))
        .secret("wide", &wide.leaf(&["*.example.com"]))
        .secret("exact", &exact.leaf(&["abc.example.com"]))
        .service("b1", 8001)
        .tls_route("com", EDGE, "*.example.com", "{name: b1, port: 80}")
        .tls_route("net", EDGE, "*.example.net", "{name: b1, port: 80}");
    let _backend = world.backend(8001, "b1");
    let _sluice = world.start();
    for (name, ca) in
        [("abc.example.com", &exact), ("other.example.com", &wide), ("else.example.net", &first)]
    {
        assert_eq!(dialled(&world.at(7000), name, &trusting(ca)).unwrap(), "b1", "{name}");
    }
}

/// What one listener has is not another's, whether a route takes it or not.
#[test]
fn a_connection_is_its_narrowest_listeners() {
    let ca = Ca::new();
    let listeners = [
        "{name: wide, port: 7000, protocol: TLS, hostname: \"*.example.com\", tls: {mode: Passthrough}}",
        "{name: one, port: 7000, protocol: TLS, hostname: a.example.com, tls: {mode: Terminate, certificateRefs: [{name: nobody}]}}",
    ];
    let world = World::new().gateway(&listeners).service("b1", 8001).tls_route(
        "wide",
        "{name: edge, sectionName: wide}",
        "*.example.com",
        "{name: b1, port: 80}",
    );
    let _backend = tls::backend(&world.at(8001), "b1", ca.leaf(&["a.example.com", "b.example.com"]).server());
    let _sluice = world.start();
    assert!(dialled(&world.at(7000), "b.example.com", &trusting(&ca)).is_ok());
    assert!(
        dialled(&world.at(7000), "a.example.com", &trusting(&ca)).is_err(),
        "its listener has no certificate"
    );
}
