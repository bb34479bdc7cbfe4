//! `circuit_breakers`: exact at the edge, however many come and go, and across reloads.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::admin::Admin;
use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset, reset};
use crate::harness::eventually;
use crate::harness::net;
use crate::harness::sluice::{Builder, Sluice};
use crate::relay::{BACK, FRONT, Relay, on_both_relays, ready};

const ADMIN: Admin = Admin("127.0.0.1:9915");
const ACTIVE: &str = "sluice_mapping_connections{mapping=\"TCPMapping default/echo\"}";

on_both_relays!(
    exact_among_a_thousand_at_once,
    exact_after_a_thousand_came_and_went,
    given_back_whatever_ends_a_connection,
    zero_lets_nothing_through,
    reloads_keep_the_count,
    connections_that_cannot_be_dialled_are_given_back,
);

fn limited(relay: Relay, most: usize) -> String {
    relay.mapping_with(&format!("  circuit_breakers: [{{max_connections: {most}}}]\n"))
}

/// Whether the connection is served, after asking; what is over the limit is reset.
fn is_served(stream: &mut TcpStream) -> bool {
    let asked = stream.write_all(b"?").and_then(|()| stream.read(&mut [0; 1]));
    match asked {
        Ok(1) => true,
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => false,
        other => panic!("neither served nor reset: {other:?}"),
    }
}

/// Connects so many at once; those that are served stay open.
fn all_at_once(clients: usize) -> Vec<TcpStream> {
    const THREADS: usize = 20;
    thread::scope(|scope| {
        let opens = (0..THREADS).map(|_| {
            scope.spawn(move || {
                // All are connected before the first is asked about.
                let mut streams: Vec<_> = (0..clients / THREADS).map(|_| connect(FRONT)).collect();
                streams.retain_mut(is_served);
                streams
            })
        });
        let opens: Vec<_> = opens.collect();
        opens.into_iter().flat_map(|open| open.join().unwrap()).collect()
    })
}

/// Checks that exactly `free` more are served, and that the one after them is told why not.
fn expect_free(sluice: &mut Sluice, free: usize) -> Vec<TcpStream> {
    let mut held: Vec<_> = (0..free).map(|_| connect(FRONT)).collect();
    assert!(held.iter_mut().all(is_served), "{free} are free");
    expect_reset(&mut connect(FRONT));
    let record = sluice.closed();
    assert_eq!(
        (&record["reason"], &record["side"]),
        (&"max_connections".into(), &"proxy".into()),
        "{record}"
    );
    assert_eq!(record["upstream"], Value::Null, "it was never dialled");
    held
}

fn exact_among_a_thousand_at_once(relay: Relay) {
    let backend = Backend::echo(BACK);
    let mut sluice = Builder::new(&limited(relay, 73)).admin(ADMIN).start();
    let held = all_at_once(1000);
    assert_eq!(held.len(), 73);
    assert_eq!(backend.accepted(), 73, "nobody else was dialled");
    assert_eq!(ADMIN.metric(ACTIVE), 73.0);
    let limit = "sluice_mapping_limit{limit=\"max_connections\",mapping=\"TCPMapping default/echo\"}";
    assert_eq!(ADMIN.metric(limit), 73.0);
    for _ in 0..1000 - 73 {
        assert_eq!(sluice.closed()["reason"], "max_connections");
    }
    drop(held);
    for _ in 0..73 {
        relay.carried(&sluice.closed());
    }
    drop(expect_free(&mut sluice, 73));
}

fn exact_after_a_thousand_came_and_went(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = Builder::new(&limited(relay, 11)).admin(ADMIN).start();
    let (served, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for worker in 0..40 {
            let (served, refused) = (&served, &refused);
            scope.spawn(move || {
                for round in 0..25 {
                    let mut stream = connect(FRONT);
                    let count = if is_served(&mut stream) { served } else { refused };
                    count.fetch_add(1, Ordering::SeqCst);
                    // In order and not.
                    if (worker + round) % 2 == 0 {
                        reset(stream);
                    }
                }
            });
        }
        for round in 0..6 {
            // What is counted meanwhile belongs to connections of seven configurations.
            sluice.reload(&format!("{}  idle_timeout_ms: {}\n", limited(relay, 11), 60_000 + round));
        }
    });
    let [served, refused] = [served, refused].map(AtomicUsize::into_inner);
    assert_eq!(served + refused, 1000);
    assert!(served > 11 && refused > 0, "{served} served, {refused} refused");
    for _ in 0..1000 {
        sluice.closed();
    }
    assert_eq!(ADMIN.metric(ACTIVE), 0.0, "every place was given back");
    drop(expect_free(&mut sluice, 11));
}

/// Each of the ways in which a connection can end gives its place back.
fn given_back_whatever_ends_a_connection(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        let mut word = [0; 1];
        while stream.read_exact(&mut word).is_ok() {
            match &word {
                b"r" => return reset(stream),
                b"f" => stream.shutdown(Shutdown::Write).unwrap(),
                _ => stream.write_all(&word).unwrap(),
            }
        }
    });
    let yaml = relay.annotated(
        "echo",
        "sluice.dev/max-connection-age-ms: \"1500\", sluice.dev/half-closed-timeout-ms: \"300\",",
        7000,
        BACK,
        "  idle_timeout_ms: 700\n  circuit_breakers: [{max_connections: 1}]\n",
    );
    let mut sluice = Builder::new(&yaml).start();
    type End = fn(TcpStream) -> Option<TcpStream>;
    let ends: [(&str, End); 6] = [
        ("finished", |stream| {
            drop(stream);
            None
        }),
        ("downstream_reset", |stream| {
            reset(stream);
            None
        }),
        ("upstream_reset", |mut stream| {
            stream.write_all(b"r").unwrap();
            Some(stream)
        }),
        ("half_closed_timeout", |mut stream| {
            stream.write_all(b"f").unwrap();
            Some(stream)
        }),
        ("idle_timeout", Some),
        ("max_age", |mut stream| {
            while stream.write_all(b"?").is_ok() && stream.read(&mut [0; 1]).is_ok_and(|n| n == 1) {
                thread::sleep(Duration::from_millis(50)); // tidy: the traffic's own pace, not a wait
            }
            None
        }),
    ];
    for (reason, end) in ends {
        let mut held = connect(FRONT);
        assert!(is_served(&mut held), "the place is free before {reason}");
        expect_reset(&mut connect(FRONT));
        assert_eq!(sluice.closed()["reason"], "max_connections", "and taken before {reason}");
        let _held = end(held);
        assert_eq!(sluice.closed()["reason"], reason);
    }
    drop(expect_free(&mut sluice, 1));
}

fn zero_lets_nothing_through(relay: Relay) {
    let backend = Backend::echo(BACK);
    let mut sluice = Builder::new(&limited(relay, 0)).start();
    drop(expect_free(&mut sluice, 0));
    assert_eq!(backend.accepted(), 0);
}

fn reloads_keep_the_count(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = Builder::new(&limited(relay, 3)).start();
    let held = expect_free(&mut sluice, 3);
    sluice.reload(&limited(relay, 5));
    let mut more = expect_free(&mut sluice, 2);
    // Fewer than there are: nobody is thrown out, and nobody let in until there is room.
    sluice.reload(&limited(relay, 4));
    drop(more.pop());
    sluice.closed();
    drop(expect_free(&mut sluice, 0));
    drop(more);
    sluice.closed();
    drop(expect_free(&mut sluice, 1));
    sluice.closed();
    // Left out by a broken edit, and back again: those that are open are still counted.
    sluice.reload(&relay.named("other", 7002, BACK, ""));
    sluice.reload(&limited(relay, 4));
    drop(expect_free(&mut sluice, 1));
    assert!(held.into_iter().all(|mut stream| is_served(&mut stream)), "and untouched");
}

fn connections_that_cannot_be_dialled_are_given_back(relay: Relay) {
    let yaml = limited(relay, 2);
    let mut sluice = Builder::new(&yaml).start();
    for _ in 0..5 {
        expect_reset(&mut connect(FRONT));
        assert_eq!(sluice.closed()["reason"], "connect_failed", "nobody listens");
    }
    Backend::echo(BACK);
    drop(expect_free(&mut sluice, 2));
}

/// The upstream is an address that answers nothing, so connections stay in the dialling.
#[test]
fn connections_being_dialled_have_a_bound_of_their_own() {
    if !ready("connections_being_dialled_have_a_bound_of_their_own") {
        return;
    }
    // A link at whose end nobody has the address that frames are for.
    net::ip(&["link", "add", "dark", "type", "veth", "peer", "name", "end"]);
    for device in ["dark", "end"] {
        net::ip(&["link", "set", device, "up"]);
    }
    net::ip(&["address", "add", "198.51.100.2/24", "dev", "dark"]);
    net::ip(&["neighbour", "add", "198.51.100.1", "lladdr", "02:00:00:00:00:01", "dev", "dark"]);
    let dark = |most: usize| {
        Relay::Kernel.annotated(
            "echo",
            "sluice.dev/connect-timeout-ms: \"1500\",",
            7000,
            "198.51.100.1:80",
            &format!("  circuit_breakers: [{{max_pending_requests: {most}}}]\n"),
        )
    };
    let mut sluice = Builder::new(&dark(2)).admin(ADMIN).start();
    let _held: Vec<_> = (0..2).map(|_| connect(FRONT)).collect();
    let pending = "sluice_mapping_pending_connections{mapping=\"TCPMapping default/echo\"}";
    eventually("two being dialled", || (ADMIN.metric(pending) == 2.0).then_some(()));
    expect_reset(&mut connect(FRONT));
    assert_eq!(sluice.closed()["reason"], "max_pending");
    for _ in 0..2 {
        assert_eq!(sluice.closed()["reason"], "connect_timeout");
    }
    assert_eq!((ADMIN.metric(pending), ADMIN.metric(ACTIVE)), (0.0, 0.0));
}

#[test]
fn the_modules_breakers_are_in_force_and_shown() {
    if !ready("the_modules_breakers_are_in_force_and_shown") {
        return;
    }
    Backend::echo(BACK);
    let module = "---\napiVersion: getambassador.io/v3alpha1\nkind: Module\nmetadata: {name: ambassador}\n\
                  spec: {config: {circuit_breakers: [{max_connections: 1}]}}\n";
    let yaml = Relay::Kernel.mapping()
        + module
        + &Relay::Kernel.named("free", 7002, BACK, "  circuit_breakers: []\n");
    let mut sluice = Builder::new(&yaml).admin(ADMIN).start();
    let _held = expect_free(&mut sluice, 1);
    let mut others: Vec<_> = (0..5).map(|_| connect("127.0.0.1:7002")).collect();
    assert!(others.iter_mut().all(is_served), "the empty list masks the Module's");
    let config = ADMIN.json("/config");
    let limits = |listener: usize| {
        config["listeners"][listener]["routes"][0]["mappings"][0]["limits"]["max_connections"].clone()
    };
    assert_eq!((limits(0), limits(1)), (1.into(), Value::Null));
}
