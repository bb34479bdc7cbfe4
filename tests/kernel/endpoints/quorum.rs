//! Connections that are refused because too few endpoints are healthy.

use super::{answers, await_state, change, mapping, shares, start};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset};
use crate::harness::net;
use crate::relay::{FRONT, ready};

const CHECKED: &str = "sluice.dev/targets: '127.0.0.2:7001 weight 2, 127.0.0.3:7001 weight 1', \
     sluice.dev/check-interval-ms: 50, sluice.dev/check-healthy: 1, sluice.dev/check-unhealthy: 1,";

#[test]
fn connections_are_refused_unless_more_than_the_quorum_is_healthy() {
    if !ready("connections_are_refused_unless_more_than_the_quorum_is_healthy") {
        return;
    }
    net::hosts("127.0.0.1 localhost\n");
    let heavy = Backend::named("127.0.0.2:7001", "a");
    let light = Backend::named("127.0.0.3:7001", "b");
    let mut sluice = start(&format!("{CHECKED} sluice.dev/quorum: 66,"));
    assert_eq!(answers(3), shares([("a", 2), ("b", 1)]));
    for _ in 0..3 {
        sluice.closed();
    }
    light.stop();
    await_state("127.0.0.3:7001", "down");
    assert_eq!(answers(3), shares([("a", 3)]), "66.7 % are more than 66");
    for _ in 0..3 {
        sluice.closed();
    }
    sluice.reload(&mapping(&format!("{CHECKED} sluice.dev/quorum: 67,")));
    expect_reset(&mut connect(FRONT));
    let record = sluice.closed();
    assert_eq!((&record["reason"], &record["attempts"]), (&"no_upstream".into(), &0.into()));
    assert!(sluice.expect_log("too few endpoints are healthy").contains("67"));

    // 0 asks for anybody, and without a quorum all are used when nobody is left.
    sluice.reload(&mapping(&format!("{CHECKED} sluice.dev/quorum: 0,")));
    assert_eq!(answers(3), shares([("a", 3)]));
    for _ in 0..3 {
        sluice.closed();
    }
    heavy.stop();
    await_state("127.0.0.2:7001", "down");
    expect_reset(&mut connect(FRONT));
    assert_eq!(sluice.closed()["reason"], "no_upstream");
    sluice.reload(&mapping(CHECKED));
    expect_reset(&mut connect(FRONT));
    assert_eq!(sluice.closed()["reason"], "connect_failed");

    Backend::named("127.0.0.3:7001", "b");
    await_state("127.0.0.3:7001", "up");
    sluice.reload(&mapping(&format!("{CHECKED} sluice.dev/quorum: 33,")));
    assert_eq!(answers(3), shares([("b", 3)]), "33.3 % are more than 33");
}

#[test]
fn after_the_last_was_ejected_without_an_end_nobody_is_tried() {
    if !ready("after_the_last_was_ejected_without_an_end_nobody_is_tried") {
        return;
    }
    net::hosts("127.0.0.1 localhost\n");
    let mut sluice = start(
        "sluice.dev/targets: '127.0.0.2:7001, 127.0.0.3:7001', sluice.dev/eject-after: 1, sluice.dev/eject-ms: 0, \
         sluice.dev/eject-max-percent: 100, sluice.dev/quorum: 0,",
    );
    for (reason, attempts) in [("connect_failed", 2), ("no_upstream", 0), ("no_upstream", 0)] {
        expect_reset(&mut connect(FRONT));
        let record = sluice.closed();
        assert_eq!((&record["reason"], &record["attempts"]), (&reason.into(), &attempts.into()));
    }
    Backend::named("127.0.0.3:7001", "b");
    change("127.0.0.3:7001&state=enabled");
    assert_eq!(answers(3), shares([("b", 3)]));
}
