//! What clients that take their time cost the others.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Site, material};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset};
use crate::harness::system::Usage;
use crate::harness::tls::{backend, begin, echoed, greeting, hello};

#[test]
fn a_thousand_clients_that_say_nothing_do_not_slow_another() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let echo = Backend::echo(&site.at(7001));
    let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start_with(&["--client-hello-timeout", "30s", "--max-handshakes", "2"]);
    let config = Arc::new(ca.client(None));
    let fast = || {
        let begun = Instant::now();
        for _ in 0..20 {
            let mut client = hello(&site.front(), "pay.example.com", &config).unwrap();
            assert_eq!(echoed(&mut client, b"hello"), b"hello");
        }
        begun.elapsed() / 20
    };
    let alone = fast();
    let half = [22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
    let slow: Vec<_> = (0..1000)
        .map(|i| {
            let mut client = connect(&site.front());
            // Some of them say something.
            client.write_all(&half[..i % half.len()]).unwrap();
            client
        })
        .collect();
    let among = fast();
    println!("a handshake and an echo: {alone:?} alone, {among:?} among {} slow clients", slow.len());
    assert!(among < alone * 5 + Duration::from_millis(100), "{alone:?} alone, {among:?} among slow clients");
    for _ in 0..40 {
        assert_ne!(sluice.closed()["reason"], "handshake_overflow");
    }
}

#[test]
fn one_handshake_too_many_is_refused_and_a_slow_one_ends() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let echo = Backend::echo(&site.at(7001));
    let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start_with(&["--max-handshakes", "1", "--handshake-timeout", "1s"]);
    let config = Arc::new(ca.client(None));
    let mut slow = begin(&site.front(), "pay.example.com", &config);
    slow.conn.write_tls(&mut slow.sock).unwrap();
    // It has its place once it is answered.
    slow.sock.peek(&mut [0]).unwrap();
    let told = hello(&site.front(), "pay.example.com", &config).unwrap_err();
    assert_eq!(told.kind(), std::io::ErrorKind::ConnectionReset);
    let record = sluice.closed();
    assert_eq!((&record["reason"], &record["side"]), (&"handshake_overflow".into(), &"proxy".into()));
    assert_eq!(sluice.closed()["reason"], "handshake_timeout");
    // Its answer is still in our queue.
    let _ = std::io::Read::read(&mut slow.sock, &mut [0; 65536]);
    expect_reset(&mut slow.sock);
    let mut client = hello(&site.front(), "pay.example.com", &config).unwrap();
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
}

/// A full mapping spares its clients the handshake, and one that comes to nothing takes no place.
#[test]
fn a_mappings_places_are_for_connections_and_not_for_handshakes() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let echo = Backend::echo(&site.at(7001));
    let breaker = "  host: pay.example.com\n  circuit_breakers: [{max_connections: 1}]\n";
    let site = site.mapping("a", &echo.address.to_string(), breaker);
    let mut sluice = site.start_with(&["--handshake-timeout", "2s"]);
    let config = Arc::new(ca.client(None));
    // Half-way through its handshake for as long as it may.
    let mut slow = begin(&site.front(), "pay.example.com", &config);
    slow.conn.write_tls(&mut slow.sock).unwrap();
    slow.sock.peek(&mut [0]).unwrap();
    let mut held = hello(&site.front(), "pay.example.com", &config).unwrap();
    assert_eq!(echoed(&mut held, b"hello"), b"hello");
    let mut late = begin(&site.front(), "pay.example.com", &config);
    late.conn.write_tls(&mut late.sock).unwrap();
    expect_reset(&mut late.sock);
    let record = sluice.closed();
    assert_eq!(record["reason"], "max_connections");
    assert!(record["tls_version"].is_null(), "no handshake was spent on it: {record}");
    // Now the slow one finishes, and finds that the place has gone.
    slow.conn.complete_io(&mut slow.sock).unwrap();
    let _ = std::io::Read::read(&mut slow, &mut [0]);
    let record = sluice.closed();
    assert_eq!((&record["reason"], &record["tls_version"]), (&"max_connections".into(), &"TLSv1.3".into()));
    drop(held);
    // Its TCP ended without close_notify.
    assert_eq!(sluice.closed()["reason"], "downstream_truncated");
    let mut next = hello(&site.front(), "pay.example.com", &config).unwrap();
    assert_eq!(echoed(&mut next, b"hello"), b"hello");
}

#[test]
fn an_idle_connection_takes_little_memory() {
    const MANY: usize = 400;
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let _backend = backend(&site.at(7001), "tls", leaf.server());
    let service = format!("https://{}", site.at(7001));
    let site = site.mapping("a", &service, "  host: pay.example.com\n");
    let sluice = site.start();
    let config = Arc::new(ca.client(None));
    let idle = || {
        let mut client = hello(&site.front(), "pay.example.com", &config).unwrap();
        assert_eq!(greeting(&mut client), "tls - unknown");
        assert_eq!(echoed(&mut client, &[7; 30_000]), [7; 30_000]);
        client
    };
    // What is there once for all is there by now.
    let _first: Vec<_> = (0..50).map(|_| idle()).collect();
    let before = Usage::of(sluice.pid()).resident;
    let _others: Vec<_> = (0..MANY).map(|_| idle()).collect();
    let each = (Usage::of(sluice.pid()).resident - before) / MANY as u64;
    println!("{each} bytes for an idle connection with TLS on both sides");
    assert!(each < 40 << 10, "{each} bytes");
}
