//! Amazon's class, as far as it is not about its own kinds.

use super::*;
use crate::harness::tls::Ca;

/// A TCPRoute may attach to a listener of TLS, and the oldest has it.
#[test]
fn a_tcp_route_may_be_at_a_listener_of_tls() {
    let ca = Ca::new();
    let world = World::new()
        .gateway(&[
            "{name: l, port: 7000, protocol: TLS, hostname: db.example.com, tls: {mode: Passthrough}}",
        ])
        .service("b1", 8001)
        .service("b2", 8002)
        .tcp_route("r", EDGE, "{name: b1, port: 80}")
        .tcp_route("s", EDGE, "{name: b2, port: 80}");
    let _backends = [(8001, "b1"), (8002, "b2")]
        .map(|(port, name)| tls::backend(&world.at(port), name, ca.leaf(&["db.example.com"]).server()));
    let world = World { documents: world.replaced("sluice.dev/gateway", "gateway.k8s.aws/nlb"), ..world };
    let _sluice = world.start();
    for _ in 0..10 {
        let said = dialled(&world.at(7000), "db.example.com", &Arc::new(ca.client(None))).unwrap();
        assert_eq!(said, "b1 db.example.com unknown");
    }
}
