//! Beginnings and ends that are not as they should be.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use super::{Site, material};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset};
use crate::harness::tls::{echoed, hello, over, tls12};

#[test]
fn what_is_no_hello_has_a_reason_each() {
    let (_, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let echo = Backend::echo(&site.at(7001));
    let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start_with(&["--client-hello-timeout", "300ms"]);
    for (bytes, close, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], false, "not_tls"),
        (&[22, 3, 1, 0, 100, 1, 0, 0], true, "hello_incomplete"),
        (&[22, 3, 1, 0, 100, 1, 0, 0], false, "hello_timeout"),
        (&[], false, "hello_timeout"),
        (&[], true, "hello_incomplete"),
        (&[22, 3, 1, 0, 4, 2, 0, 0, 0], false, "hello_malformed"),
        (&[22, 3, 1, 0, 4, 1, 255, 0, 0], false, "hello_too_long"),
    ] {
        let mut client = connect(&site.front());
        client.write_all(bytes).unwrap();
        if close {
            client.shutdown(Shutdown::Write).unwrap();
        }
        expect_reset(&mut client);
        assert_eq!(sluice.closed()["reason"], expected);
    }
    assert_eq!(echo.accepted(), 0);
}

#[test]
fn a_handshake_in_vain_is_told_and_counted() {
    let (ca, leaf) = material();
    let spec = "  min_tls_version: v1.3\n";
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, spec);
    let echo = Backend::echo(&site.at(7001));
    let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start();
    let told = hello(&site.front(), "pay.example.com", &Arc::new(tls12(&ca))).unwrap_err().to_string();
    assert!(told.contains("ProtocolVersion"), "{told}");
    let record = sluice.closed();
    assert_eq!(
        (&record["reason"], &record["mapping"]),
        (&"handshake_failed".into(), &"TCPMapping default/a".into())
    );
}

#[test]
fn a_client_cut_short_is_no_end_for_its_upstream() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let (tell, told) = std::sync::mpsc::channel();
    let backend = Backend::serve(&site.at(7001), move |mut stream| {
        let mut heard = Vec::new();
        let end = stream.read_to_end(&mut heard).map_err(|e| e.kind());
        tell.send((heard, end)).unwrap();
    });
    let site = site.mapping("a", &backend.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start();
    let mut client = hello(&site.front(), "pay.example.com", &Arc::new(ca.client(None))).unwrap();
    client.write_all(b"half of it").unwrap();
    client.sock.shutdown(Shutdown::Write).unwrap();
    assert_eq!(sluice.closed()["reason"], "downstream_truncated");
    let (heard, end) = told.recv().unwrap();
    assert_eq!((&heard[..], end), (&b"half of it"[..], Err(std::io::ErrorKind::ConnectionReset)));
}

#[test]
fn a_hello_in_pieces_is_one() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let echo = Backend::echo(&site.at(7001));
    let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
    let _sluice = site.start();
    let mut client = over(connect(&site.front()), "pay.example.com", &Arc::new(ca.client(None)));
    let mut bytes = Vec::new();
    client.conn.write_tls(&mut bytes).unwrap();
    for byte in bytes {
        client.sock.write_all(&[byte]).unwrap();
    }
    client.conn.complete_io(&mut client.sock).unwrap();
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
}
