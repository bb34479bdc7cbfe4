//! What operators change while sluice runs.

use std::io::{Read, Write};

use super::{ADMIN, answers, change, endpoint, hosts, mapping, shares, start, up};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset};
use crate::harness::eventually;
use crate::relay::{FRONT, ready};

#[test]
fn operators_drain_disable_and_reweight() {
    if !ready("operators_drain_disable_and_reweight") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    Backend::named("127.0.0.2:7001", "a");
    // Echoes: a connection can live through what is changed.
    Backend::echo("127.0.0.3:7001");
    let mut sluice = start("");
    let mut live = eventually("a connection to the echo", || {
        let mut stream = connect(FRONT);
        stream.write_all(b"?").unwrap();
        let mut byte = [0; 1];
        stream.read_exact(&mut byte).unwrap();
        (byte == *b"?").then_some(stream)
    });
    change("127.0.0.3:7001&state=drained");
    assert!(sluice.expect_log("endpoint changed").contains("drained"));
    assert_eq!(answers(10), shares([("a", 10)]));
    let drained = endpoint("127.0.0.3:7001").unwrap();
    assert_eq!((&drained["state"], &drained["active"]), (&"drained".into(), &1.into()));
    live.write_all(b"!").unwrap();
    live.read_exact(&mut [0; 1]).unwrap();

    // A reload that changes the mapping keeps an operator's word, and what is open is still counted.
    sluice.reload(&mapping("sluice.dev/connect-attempts: 2,"));
    let drained = endpoint("127.0.0.3:7001").unwrap();
    assert_eq!((&drained["state"], &drained["active"]), (&"drained".into(), &1.into()));
    drop(live);

    change("127.0.0.2:7001&state=disabled");
    expect_reset(&mut connect(FRONT));
    let refused = eventually("the one that found nobody", || {
        let record = sluice.closed();
        (record["reason"] == "no_upstream").then_some(record)
    });
    assert_eq!(refused["attempts"], 0);
    assert_eq!((up("127.0.0.2:7001"), up("127.0.0.3:7001")), (0.0, 0.0));

    change("127.0.0.2:7001&state=enabled");
    Backend::named("127.0.0.4:7001", "never");
    change("127.0.0.3:7001&state=enabled&weight=0");
    assert_eq!(answers(10), shares([("a", 10)]));
    assert_eq!(endpoint("127.0.0.3:7001").unwrap()["weight"], 0);
    change("127.0.0.3:7001&weight=own");
    assert_eq!(endpoint("127.0.0.3:7001").unwrap()["weight"], 1);

    let cases = [
        (
            "mapping=nobody&endpoint=127.0.0.2:7001&state=drained",
            404,
            "no mapping in service is called \"nobody\"",
        ),
        (
            "mapping=TCPMapping+default/echo&endpoint=127.0.0.8:1&weight=1",
            404,
            "it has 127.0.0.2:7001, 127.0.0.3:7001",
        ),
        ("mapping=x&endpoint=svc:7001&weight=1", 400, "endpoint `svc:7001` is no address and port"),
        ("mapping=x&endpoint=127.0.0.2:7001", 400, "nothing to change: give state or weight"),
        (
            "mapping=x&endpoint=127.0.0.2:7001&state=off",
            400,
            "state `off` is none of enabled, drained, disabled",
        ),
        (
            "mapping=x&endpoint=127.0.0.2:7001&weight=-1",
            400,
            "weight `-1` is neither an integer from 0 on nor `own`",
        ),
        ("endpoint=127.0.0.2:7001&weight=1", 400, "mapping is missing; GET /endpoints has it"),
    ];
    for (query, status, message) in cases {
        let answer = ADMIN.call("POST", &format!("/endpoint?{query}"));
        assert!(answer.0 == status && answer.1.contains(message), "{query}: {answer:?}");
    }
}

#[test]
fn an_endpoint_that_is_let_in_again_starts_slowly() {
    if !ready("an_endpoint_that_is_let_in_again_starts_slowly") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    Backend::named("127.0.0.2:7001", "a");
    Backend::named("127.0.0.3:7001", "b");
    // A day of it: what is seen is its beginning.
    let _sluice = start("sluice.dev/slow-start-ms: 86400000,");
    assert_eq!(answers(10), shares([("a", 5), ("b", 5)]));
    change("127.0.0.3:7001&state=drained");
    change("127.0.0.3:7001&state=enabled");
    assert_eq!(endpoint("127.0.0.3:7001").unwrap()["grown_percent"], 10);
    // A tenth of the other's: what was saved before makes a difference of one.
    let slow = answers(110)["b"];
    assert!((9..=11).contains(&slow), "{slow} of 110 instead of 10");
}
