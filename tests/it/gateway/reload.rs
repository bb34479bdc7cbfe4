//! Changes are taken up, and nobody else notices.

use super::*;
use crate::harness::tls::Ca;

/// GatewayModifyListeners.
#[test]
fn listeners_come_and_go_and_the_others_stay() {
    let first = "  - {name: a, port: 7001, protocol: TCP}\n";
    let second = "  - {name: b, port: 7002, protocol: TCP}\n";
    let world = World::new()
        .gateway(&["{name: a, port: 7001, protocol: TCP}"])
        .service("b1", 8001)
        .tcp_route("r", EDGE, "{name: b1, port: 80}");
    let _backend = Backend::echo(&world.at(8001));
    let mut sluice = world.start();
    let mut lasting = crate::harness::client::connect(&world.at(7001));
    assert_eq!(tls::echoed(&mut lasting, b"one"), b"one");
    assert!(try_connect(&world.at(7002)).is_err());
    sluice.reload(&world.replaced(first, &format!("{first}{second}")));
    for port in [7001, 7002] {
        assert_eq!(tls::echoed(&mut try_connect(&world.at(port)).unwrap(), b"two"), b"two");
    }
    sluice.reload(&world.replaced(first, second));
    assert_eq!(tls::echoed(&mut try_connect(&world.at(7002)).unwrap(), b"three"), b"three");
    assert_eq!(tls::echoed(&mut lasting, b"four"), b"four", "a connection outlives its listener");
}

#[test]
fn a_secret_is_taken_up_as_it_changes() {
    let (old, new) = (Ca::new(), Ca::new());
    let listener =
        "{name: l, port: 7000, protocol: TLS, tls: {mode: Terminate, certificateRefs: [{name: cert}]}}";
    let bare = |secret: &Leaf| {
        World::new().gateway(&[listener]).secret("cert", secret).service("b1", 8001).tls_route(
            "r",
            EDGE,
            "a.example.com",
            "{name: b1, port: 80}",
        )
    };
    let (before, after) = (old.leaf(&["a.example.com"]), new.leaf(&["a.example.com"]));
    let world = bare(&before);
    let _backend = world.backend(8001, "b1");
    let mut sluice = world.start();
    let said = |ca: &Ca| dialled(&world.at(7000), "a.example.com", &Arc::new(ca.client(None)));
    assert_eq!((said(&old).is_ok(), said(&new).is_ok()), (true, false));
    sluice.reload(&world.replaced(&before.secret("cert"), &after.secret("cert")));
    assert_eq!((said(&old).is_ok(), said(&new).is_ok()), (false, true));
}
