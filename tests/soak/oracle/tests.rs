//! Each rule on a connection that breaks it and on one that does not.

use std::io::ErrorKind;
use std::time::Duration;

use super::{Case, judge};
use crate::ledger::{Front, Hits, Record};
use crate::plan::{Ending, Pace, Part, Shape};
use crate::play::{End, Saw};
use crate::route::Route;

const CALM: Hits = Hits { killed: false, down: false, starved: false };
const KILLED: Hits = Hits { killed: true, ..CALM };
const DOWN: Hits = Hits { down: true, ..CALM };
const STARVED: Hits = Hits { starved: true, ..CALM };

/// 100 bytes up, 200 down.
fn shape(ending: Ending) -> Shape {
    let pace = Pace { chunk: 1000, every: 1000, pause: Duration::ZERO };
    let part = |says| Part { says, writes: pace, reads: pace };
    let (client, server) = (part(100), part(200));
    Shape { route: Route::Kernel, ending, client, server, waits: false, hold: Duration::ZERO }
}

fn saw(said: usize, ended: bool, heard: usize, end: End) -> Saw {
    Saw { said, ended, failed: false, heard, end }
}

const RESET: End = End::Broken(ErrorKind::ConnectionReset);

fn record(reason: &str, received: usize, sent: usize) -> Vec<Record> {
    let mapping = "TCPMapping default/kernel".to_owned();
    vec![Record { reason: reason.to_owned(), mapping, relay: "kernel".to_owned(), received, sent }]
}

fn faults(shape: &Shape, client: Saw, servers: &[Saw], records: &[Record], hits: Hits) -> String {
    let front = Front::Played(client);
    judge(&Case { shape, front: Some(&front), servers, records, hits }).join("; ")
}

const CLIENT: Saw = Saw { said: 100, ended: true, failed: false, heard: 200, end: End::Eof };
const SERVER: Saw = Saw { said: 200, ended: true, failed: false, heard: 100, end: End::Eof };

/// A connection that both ends finish, with something wrong about it, is found out, whatever else was done.
#[test]
fn a_complete_connection() {
    let finished = record("finished", 116, 200);
    let together = shape(Ending::Together);
    let all = |client, server, records: &[Record]| faults(&together, client, &[server], records, CALM);
    assert_eq!(all(CLIENT, SERVER, &finished), "");
    for (client, server, records, fault) in [
        (
            Saw { heard: 7, end: End::Wrong(7), ..CLIENT },
            SERVER,
            &finished,
            "the client heard a wrong byte 7",
        ),
        (CLIENT, Saw { end: End::Surplus, ..SERVER }, &finished, "the server heard more than was said"),
        (Saw { heard: 199, ..CLIENT }, SERVER, &finished, "a clean end after 199 bytes of 200"),
        (CLIENT, Saw { heard: 0, ..SERVER }, &finished, "a clean end after 0 bytes of 100"),
        (Saw { end: RESET, ..CLIENT }, SERVER, &finished, "it was not complete"),
        (Saw { end: End::Late, ..CLIENT }, SERVER, &finished, "the client waits for ever"),
        (CLIENT, SERVER, &record("downstream_reset", 116, 200), "it is logged as downstream_reset"),
        (CLIENT, SERVER, &record("integrity", 116, 200), "it is logged as integrity"),
        (CLIENT, SERVER, &record("finished", 115, 200), "115 bytes are logged as received"),
        (CLIENT, SERVER, &record("finished", 116, 201), "201 bytes are logged as sent"),
        (CLIENT, SERVER, &Vec::new(), "it is not in the access log"),
        (CLIENT, SERVER, &[finished.clone(), finished.clone()].concat(), "2 lines in the access log"),
    ] {
        let found = all(client, server, records);
        assert!(found.contains(fault), "{found:?} lacks {fault:?}");
    }
    assert!(faults(&together, CLIENT, &[SERVER, SERVER], &finished, CALM).contains("2 servers had it"));
    assert!(faults(&together, CLIENT, &[], &finished, CALM).contains("it came to no server"));
}

/// What SIGKILL leaves behind: a part of the bytes and an error, never a part and an end.
#[test]
fn a_connection_of_a_sluice_that_was_killed() {
    let together = shape(Ending::Together);
    let half = saw(100, true, 50, RESET);
    assert_eq!(faults(&together, half, &[saw(80, false, 60, RESET)], &[], KILLED), "");
    assert_eq!(faults(&together, half, &[], &[], KILLED), "");
    let ended = saw(100, true, 50, End::Eof);
    let found = faults(&together, ended, &[saw(80, false, 60, RESET)], &[], KILLED);
    assert!(found.contains("a clean end after 50 bytes of 80, which nobody had ended"), "{found}");
    // The error was told to who wrote.
    let told = Saw { failed: true, ..ended };
    assert_eq!(faults(&together, told, &[saw(80, false, 60, RESET)], &[], KILLED), "");
    let refused = Front::Refused("refused".to_owned());
    let case = Case { shape: &together, front: Some(&refused), servers: &[], records: &[], hits: KILLED };
    assert_eq!(judge(&case), Vec::<String>::new());
    assert!(judge(&Case { hits: CALM, ..case }).join(" ").contains("came no further than: refused"));
}

#[test]
fn a_reset_is_passed_on_as_one() {
    let (by_client, by_server) = (shape(Ending::ClientResets), shape(Ending::ServerResets));
    let (broke, heard) = (saw(100, false, 20, End::Open), saw(200, true, 40, RESET));
    assert_eq!(faults(&by_client, broke, &[heard], &record("downstream_reset", 116, 30), CALM), "");
    let found = faults(&by_client, broke, &[Saw { end: End::Eof, ..heard }], &[], KILLED);
    assert!(found.contains("which nobody had ended"), "{found}");
    let found = faults(&by_client, broke, &[heard], &record("upstream_reset", 116, 30), CALM);
    assert!(found.contains("it is logged as upstream_reset"), "{found}");
    let (client, server) = (saw(100, true, 40, RESET), saw(200, false, 100, End::Open));
    assert_eq!(faults(&by_server, client, &[server], &record("upstream_reset", 116, 200), CALM), "");
    let deaf = faults(&by_server, Saw { end: End::Open, ..client }, &[server], &[], CALM);
    assert!(deaf.contains("the client has heard of no reset"), "{deaf}");
}

/// Only a server that TLS is passed through to can miss a close_notify.
#[test]
fn who_leaves_is_missed_by_tls_alone() {
    let (client, server) = (saw(100, true, 200, End::Open), saw(200, false, 100, RESET));
    let logged = |route: Route| {
        let leaves = Shape { route, ..shape(Ending::ClientLeaves) };
        let mut record = record("upstream_reset", 116, 200);
        record[0].mapping = format!("TCPMapping default/{}", format!("{route:?}").to_lowercase());
        faults(&leaves, client, &[server], &record, CALM)
    };
    assert_eq!(logged(Route::Passthrough), "");
    assert!(logged(Route::Kernel).contains("it is logged as upstream_reset"));
}

/// A reset may overtake the greeting that a client waits for.
#[test]
fn a_greeting_may_be_lost_to_a_reset() {
    let front = Front::Unfinished("reset".to_owned());
    let (servers, records) = ([saw(0, false, 0, End::Open)], record("upstream_reset", 116, 200));
    let found = |waits, ending| {
        let shape = Shape { waits, ..shape(ending) };
        let case =
            Case { shape: &shape, front: Some(&front), servers: &servers, records: &records, hits: CALM };
        judge(&case).join("; ")
    };
    assert_eq!(found(true, Ending::ServerResets), "");
    assert!(found(false, Ending::ServerResets).contains("came no further"));
    assert!(found(true, Ending::Together).contains("came no further"));
}

/// What was done accounts for its own reasons alone.
#[test]
fn reasons_have_causes() {
    let together = shape(Ending::Together);
    let (client, server) = (saw(100, true, 50, RESET), saw(80, false, 100, End::Open));
    let logged = |reason: &str, hits| faults(&together, client, &[server], &record(reason, 116, 60), hits);
    for reason in ["connect_failed", "upstream_reset"] {
        assert_eq!(logged(reason, DOWN), "");
        assert!(!logged(reason, STARVED).is_empty() && !logged(reason, KILLED).is_empty());
    }
    let unlogged = |hits| faults(&together, client, &[server], &[], hits);
    assert_eq!(unlogged(KILLED) + &unlogged(STARVED), "");
    assert_eq!(unlogged(DOWN), "it is not in the access log");
    assert_eq!(logged("overflow", STARVED), "");
    assert!(!logged("overflow", DOWN).is_empty());
    for reason in ["integrity", "internal", "downstream_timeout", "max_age"] {
        for hits in [CALM, KILLED, DOWN, STARVED] {
            assert!(logged(reason, hits).contains("it is logged as"), "{reason}");
        }
    }
}

#[test]
fn silence_ends_where_it_is_meant_to() {
    let idle = shape(Ending::Idle);
    let (client, server) = (saw(100, false, 200, RESET), saw(200, false, 100, RESET));
    let mut logged = record("idle_timeout", 116, 200);
    assert!(faults(&idle, client, &[server], &logged, CALM).is_empty());
    // It came before the client had heard of its connection.
    let front = Front::Refused("reset".to_owned());
    let early = Case { shape: &idle, front: Some(&front), servers: &[], records: &logged, hits: CALM };
    assert_eq!(judge(&early), Vec::<String>::new());
    logged[0].reason = "finished".to_owned();
    assert!(faults(&idle, client, &[server], &logged, CALM).contains("it is logged as finished"));
}
