//! From those in front.

use std::io::{Read, Write};
use std::net::Shutdown;

use super::{BINARY, CLIENT, LINE, listener, start};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset, read_all};
use crate::harness::tls::echoed;
use crate::tls::Site;

const STACK: &str = "[PROXY, TCP]";

/// A site that echoes behind a listener.
fn site(annotation: &str) -> (Site, Backend) {
    let site = Site::new();
    let backend = Backend::echo(&site.at(7001));
    let service = site.at(7001);
    (listener(site, annotation, STACK).mapping("a", &service, ""), backend)
}

#[test]
fn a_header_says_whose_connection_it_is_however_it_comes() {
    let (site, _backend) = site("");
    let mut sluice = start(&site, &[]);
    for header in [LINE, BINARY] {
        let bytes = [header, b"hello"].concat();
        for step in [1, 5, bytes.len()] {
            let mut client = connect(&site.front());
            for part in bytes.chunks(step) {
                client.write_all(part).unwrap();
            }
            let mut back = [0; 5];
            client.read_exact(&mut back).unwrap();
            assert_eq!(&back, b"hello");
            let own = client.local_addr().unwrap().to_string();
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_all(&mut client), b"");
            let record = sluice.closed();
            assert_eq!((&record["peer"], &record["proxy"]), (&CLIENT.into(), &own.into()), "{record}");
            assert_eq!((&record["received"], &record["reason"]), (&5.into(), &"finished".into()), "{record}");
        }
    }
}

#[test]
fn a_proxy_that_speaks_for_itself_is_the_client() {
    let (site, _backend) = site("");
    let mut sluice = start(&site, &[]);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x01\xbb";
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN 1.2.3.4 5.6.7.8 1 2\r\n", local] {
        let mut client = connect(&site.front());
        client.write_all(header).unwrap();
        assert_eq!(echoed(&mut client, b"hello"), b"hello");
        let own = client.local_addr().unwrap().to_string();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut client), b"");
        let record = sluice.closed();
        assert_eq!(record["peer"], own);
        assert!(record["proxy"].is_null(), "{record}");
    }
}

#[test]
fn an_upstream_may_speak_first() {
    let site = Site::new();
    let _backend = Backend::named(&site.at(7001), "220 ready");
    let service = site.at(7001);
    let site = listener(site, "", STACK).mapping("a", &service, "");
    let mut sluice = start(&site, &[]);
    let mut client = connect(&site.front());
    client.write_all(LINE).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), b"220 ready");
    assert_eq!(sluice.closed()["reason"], "finished");
}

#[test]
fn what_is_no_header_is_reset_and_named() {
    let (site, backend) = site("");
    let mut sluice = start(&site, &["--client-hello-timeout", "300ms"]);
    let mut wrong = BINARY.to_vec();
    wrong[15] += 7;
    wrong.extend(b"\x03\0\x04\0\0\0\0");
    let endless = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff";
    for (bytes, closes, reason) in [
        (&b""[..], false, "proxy_header_timeout"),
        (&LINE[..20], false, "proxy_header_timeout"),
        (&BINARY[..27], false, "proxy_header_timeout"),
        (b"", true, "proxy_header_incomplete"),
        (&LINE[..20], true, "proxy_header_incomplete"),
        (b"GET / HTTP/1.1\r\n", false, "proxy_header_missing"),
        (b"\x16\x03\x01", false, "proxy_header_missing"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", false, "proxy_header_malformed"),
        (&wrong, false, "proxy_header_malformed"),
        (endless, false, "proxy_header_too_long"),
    ] {
        let mut client = connect(&site.front());
        client.write_all(bytes).unwrap();
        if closes {
            client.shutdown(Shutdown::Write).unwrap();
        }
        expect_reset(&mut client);
        let record = sluice.closed();
        assert_eq!((&record["reason"], &record["side"]), (&reason.into(), &"downstream".into()), "{bytes:?}");
    }
    assert_eq!(backend.accepted(), 0);
}

#[test]
fn only_those_who_are_named_are_asked() {
    for (from, named) in
        [("10.0.0.0/8", false), ("127.0.0.1/32", true), ("[2001:db8::/32, 127.0.0.0/8]", true)]
    {
        let (site, _backend) = site(&format!("sluice.dev/proxy-protocol-from: {from}"));
        let mut sluice = start(&site, &[]);
        let mut client = connect(&site.front());
        let own = client.local_addr().unwrap().to_string();
        client.write_all(LINE).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        // Somebody else's header is its own business, and goes on as it came.
        assert_eq!(read_all(&mut client), if named { b"" } else { LINE }, "{from}");
        let record = sluice.closed();
        let expected =
            if named { (CLIENT.into(), own.into()) } else { (own.into(), serde_json::Value::Null) };
        assert_eq!((record["peer"].clone(), record["proxy"].clone()), expected, "{from}");
    }
}

#[test]
fn a_reload_changes_who_is_asked() {
    let (plain, _backend) = site("sluice.dev/proxy-protocol-from: 10.0.0.0/8");
    let mut sluice = start(&plain, &[]);
    let mut client = connect(&plain.front());
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    sluice.reload(&plain.documents.replace("10.0.0.0/8", "127.0.0.0/8"));
    assert_eq!(echoed(&mut client, b"still"), b"still");
    let mut client = connect(&plain.front());
    client.write_all(b"hello").unwrap();
    expect_reset(&mut client);
    assert_eq!(sluice.closed()["reason"], "proxy_header_missing");
}
