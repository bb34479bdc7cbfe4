//! IPv4, IPv6 and both in one connection.

use std::net::Shutdown;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::payload::Payload;
use crate::harness::sluice::Builder;
use crate::relay::{Relay, on_every_relay};

on_every_relay!(every_pair_of_families);

fn every_pair_of_families(relay: Relay) {
    Backend::echo("127.0.0.1:7001");
    Backend::echo("[::1]:7001");
    let yaml = relay.named("a", 7000, "127.0.0.1:7001", "")
        + &relay.named("b", 7000, "[::1]:7001", "").replace("address: 127.0.0.1", "address: \"::1\"")
        + &relay.named("c", 7002, "[::1]:7001", "")
        + &relay.named("d", 7002, "127.0.0.1:7001", "").replace("address: 127.0.0.1", "address: \"::1\"");
    let mut sluice = Builder::new(&yaml).start();
    for front in ["127.0.0.1:7000", "[::1]:7000", "127.0.0.1:7002", "[::1]:7002"] {
        let mut stream = connect(front);
        let payload = Payload { seed: 1, len: 50_000 };
        payload.send(&mut stream).unwrap();
        payload.expect(&mut stream);
        stream.shutdown(Shutdown::Write).unwrap();
        Payload { seed: 0, len: 0 }.expect_to_end(&mut stream);
        relay.carried(&sluice.closed());
    }
}
