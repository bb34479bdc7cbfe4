//! Endpoints that are left alone, as connections and checks find them, and come back.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{
    ADMIN, MAPPING, answers, attempts, await_state, blackhole, ejections, endpoint, hosts, mapping, shares,
    start, up,
};
use crate::harness::backend::Backend;
use crate::harness::eventually;
use crate::harness::sluice::Builder;
use crate::relay::{Relay, ready};

#[test]
fn a_refusing_endpoint_costs_an_attempt_until_it_is_ejected_and_is_tried_again_then() {
    if !ready("a_refusing_endpoint_costs_an_attempt_until_it_is_ejected_and_is_tried_again_then") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    Backend::named("127.0.0.2:7001", "a");
    let mut sluice = start("sluice.dev/eject-after: 3, sluice.dev/eject-ms: 700,");
    // Every other connection is for the one that refuses: all are served.
    assert_eq!(answers(20), shares([("a", 20)]));
    let tries: Vec<u64> = (0..20).map(|_| sluice.closed()["attempts"].as_u64().unwrap()).collect();
    assert_eq!(tries.iter().filter(|tries| **tries == 2).count(), 3, "{tries:?}");
    assert_eq!((attempts("refused"), attempts("connected"), ejections()), (3.0, 20.0, 1.0));
    assert!(sluice.expect_log("endpoint ejected").contains("127.0.0.3:7001"));
    assert_eq!((up("127.0.0.3:7001"), up("127.0.0.2:7001")), (0.0, 1.0));

    // It is back before its time is over, and gets its turns again after.
    Backend::named("127.0.0.3:7001", "b");
    await_state("127.0.0.3:7001", "up");
    sluice.expect_log("tried again");
    assert_eq!(answers(10), shares([("a", 5), ("b", 5)]));
    assert_eq!((ejections(), sluice.logged("endpoint")), (1.0, 0));
}

#[test]
fn an_endpoint_that_flaps_is_left_alone_for_longer_each_time() {
    if !ready("an_endpoint_that_flaps_is_left_alone_for_longer_each_time") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    Backend::named("127.0.0.2:7001", "a");
    let mut sluice =
        start("sluice.dev/eject-after: 1, sluice.dev/eject-ms: 100, sluice.dev/eject-max-ms: 400,");
    for span in ["100ms", "200ms", "400ms", "400ms"] {
        // Until its turn comes.
        eventually("an ejection", || {
            assert_eq!(answers(1), shares([("a", 1)]));
            endpoint("127.0.0.3:7001").filter(|e| e["state"] == "ejected")
        });
        assert!(sluice.expect_log("endpoint ejected").contains(span), "{span}");
        await_state("127.0.0.3:7001", "up");
    }
}

#[test]
fn checks_take_an_endpoint_out_and_back_and_end_with_their_mapping() {
    if !ready("checks_take_an_endpoint_out_and_back_and_end_with_their_mapping") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    Backend::named("127.0.0.2:7001", "PONG a");
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let sick = Backend::serve("127.0.0.3:7001", move |mut stream| {
        let _ = stream.read(&mut [0; 6]);
        let _ = stream.write_all(if is_well.load(Ordering::SeqCst) { b"+PONG\r\n" } else { b"-LOADING\r\n" });
    });
    let yaml = mapping(
        "sluice.dev/check-interval-ms: 50, sluice.dev/check-unhealthy: 2, sluice.dev/check-healthy: 2, \
         sluice.dev/check-send: 'PING\\r\\n', sluice.dev/check-expect: PONG,",
    );
    let mut sluice = Builder::new(&yaml).admin(ADMIN).start();
    assert!(sluice.expect_log("endpoint is down").contains("127.0.0.3:7001"));
    assert_eq!(up("127.0.0.3:7001"), 0.0);
    assert_eq!(answers(6), shares([("PONG a", 6)]));
    well.store(true, Ordering::SeqCst);
    assert!(sluice.expect_log("endpoint is up").contains("127.0.0.3:7001"));
    assert_eq!(up("127.0.0.3:7001"), 1.0);
    let checks = |result| {
        ADMIN.metric(&format!("sluice_endpoint_checks_total{{mapping=\"{MAPPING}\",result=\"{result}\"}}"))
    };
    assert!(checks("failure") >= 2.0 && checks("success") >= 4.0);
    assert_eq!(sluice.logged("endpoint is"), 0, "each change was told once");

    sluice.reload(&Relay::Kernel.annotated("other", "", 7002, "127.0.0.9:7001", ""));
    // One may have been under way.
    let before = sick.accepted() + 1;
    std::thread::sleep(Duration::from_millis(300)); // tidy: six intervals in which nothing may come
    assert!(sick.accepted() <= before, "checks go on without their mapping");
}

#[test]
fn a_check_that_cannot_connect_takes_an_endpoint_out_before_any_connection() {
    if !ready("a_check_that_cannot_connect_takes_an_endpoint_out_before_any_connection") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    blackhole("127.0.0.3");
    Backend::named("127.0.0.2:7001", "a");
    let mut sluice = start(
        "sluice.dev/check-interval-ms: 100, sluice.dev/check-timeout-ms: 50, sluice.dev/check-unhealthy: 2,",
    );
    sluice.expect_log("endpoint is down");
    assert_eq!(answers(4), shares([("a", 4)]));
    assert_eq!(sluice.closed()["attempts"], 1);
}

#[test]
fn with_no_endpoint_healthy_all_are_used_and_that_is_told_once() {
    if !ready("with_no_endpoint_healthy_all_are_used_and_that_is_told_once") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    // They serve, and fail their checks: these expect something else.
    Backend::named("127.0.0.2:7001", "a");
    Backend::named("127.0.0.3:7001", "b");
    let mut sluice =
        start("sluice.dev/check-interval-ms: 50, sluice.dev/check-unhealthy: 1, sluice.dev/check-expect: z,");
    await_state("127.0.0.2:7001", "down");
    await_state("127.0.0.3:7001", "down");
    assert_eq!(answers(10), shares([("a", 5), ("b", 5)]));
    assert!(sluice.expect_log("no endpoint is healthy").contains(MAPPING));
    assert_eq!(sluice.logged("no endpoint is healthy"), 0);
}

#[test]
fn a_backup_is_used_while_no_other_is_healthy() {
    if !ready("a_backup_is_used_while_no_other_is_healthy") {
        return;
    }
    hosts(&["127.0.0.2"]);
    Backend::named("127.0.0.9:7001", "backup");
    let sluice = start(
        "sluice.dev/backup-service: '127.0.0.9:7001', sluice.dev/eject-after: 2, sluice.dev/eject-ms: 500,",
    );
    assert_eq!(answers(6), shares([("backup", 6)]));
    assert_eq!((attempts("refused"), ejections()), (2.0, 1.0));
    assert_eq!(endpoint("127.0.0.9:7001").unwrap()["backup"], true);
    Backend::named("127.0.0.2:7001", "own");
    await_state("127.0.0.2:7001", "up");
    assert_eq!(answers(6), shares([("own", 6)]));
    drop(sluice);
}
