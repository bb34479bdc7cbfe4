//! What clients that take their time cost the others.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Site, material};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset};
use crate::harness::tls::{begin, echoed, hello};

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
    assert!(among < alone * 3 + Duration::from_millis(20), "{alone:?} alone, {among:?} among slow clients");
    let _ = sluice.pid();
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
