use std::net::SocketAddr;

use super::{Card, openssl_name};
use crate::config::model::ProxyVersion;
use crate::telemetry::TlsFacts;

const V2: ProxyVersion = ProxyVersion::V2 { checksum: false };

fn ends(source: &str, destination: &str) -> Option<(SocketAddr, SocketAddr)> {
    Some((source.parse().unwrap(), destination.parse().unwrap()))
}

fn bare(source: &str, destination: &str) -> Card<'static> {
    Card { ends: ends(source, destination), authority: None, tls: None }
}

#[test]
fn version_1_is_a_line_of_one_family() {
    for (source, destination, line) in [
        ("192.0.2.1:4711", "198.51.100.1:443", "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n"),
        ("[2001:db8::1]:4711", "[2001:db8::2]:443", "PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n"),
        ("192.0.2.1:4711", "[2001:db8::2]:443", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 4711 443\r\n"),
        ("[2001:db8::1]:1", "192.0.2.1:65535", "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 65535\r\n"),
        ("[::ffff:192.0.2.1]:1", "192.0.2.2:2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    ] {
        let header = bare(source, destination).header(ProxyVersion::V1);
        assert_eq!(String::from_utf8(header).unwrap(), line);
    }
    let unknown = Card { ends: None, authority: Some("a"), tls: None };
    assert_eq!(unknown.header(ProxyVersion::V1), b"PROXY UNKNOWN\r\n");
}

#[test]
fn version_2_is_binary() {
    let four = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x01\xbb";
    assert_eq!(bare("192.0.2.1:4711", "198.51.100.1:443").header(V2), four);
    let mixed = bare("192.0.2.1:4711", "[2001:db8::2]:443").header(V2);
    let six = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\
        \0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x12\x67\x01\xbb";
    assert_eq!(mixed, six);
    let unknown = Card { ends: None, authority: Some("a"), tls: None };
    assert_eq!(unknown.header(V2), b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0");
}

#[test]
fn a_checksum_is_that_of_the_header_with_zeros_in_its_place() {
    let header = bare("192.0.2.1:4711", "198.51.100.1:443").header(ProxyVersion::V2 { checksum: true });
    let (front, sum) = header.split_at(header.len() - 4);
    assert_eq!(front[14..16], [0, 12 + 7]);
    assert_eq!(front[28..], [3, 0, 4]);
    // RFC 3720, B.4 has this CRC; computed bit by bit here, apart from the library.
    let mut crc = u32::MAX;
    for byte in front.iter().chain(&[0; 4]) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    assert_eq!(sum, (!crc).to_be_bytes());
}

#[test]
fn version_2_tells_of_the_clients_tls() {
    let tls = TlsFacts {
        version: "TLSv1.2",
        cipher: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".into(),
        alpn: Some("h2".to_owned()),
        subject: None,
        common_name: None,
        resumed: false,
    };
    let told = |tls: &TlsFacts| {
        let card =
            Card { ends: ends("192.0.2.1:1", "192.0.2.2:2"), authority: Some("a.example"), tls: Some(tls) };
        card.header(V2)[28..].to_vec()
    };
    let cipher = b"\x23\0\x1bECDHE-RSA-AES128-GCM-SHA256";
    let ssl = |head: &[u8], cn: &[u8]| {
        let value = [head, b"\x21\0\x07TLSv1.2", cn, cipher].concat();
        [b"\x01\0\x02h2\x02\0\x09a.example\x20\0".to_vec(), vec![u8::try_from(value.len()).unwrap()], value]
            .concat()
    };
    assert_eq!(told(&tls), ssl(&[1, 0, 0, 0, 1], b""));
    let shown =
        TlsFacts { subject: Some("CN=alice".to_owned()), common_name: Some("alice".to_owned()), ..tls };
    assert_eq!(told(&shown), ssl(&[7, 0, 0, 0, 0], b"\x22\0\x05alice"));
    let resumed = TlsFacts { resumed: true, ..shown };
    assert_eq!(told(&resumed), ssl(&[5, 0, 0, 0, 0], b"\x22\0\x05alice"));
    let long = TlsFacts { common_name: Some("x".repeat(70_000)), ..resumed };
    assert_eq!(told(&long), ssl(&[5, 0, 0, 0, 0], b""), "what has no room is left out");
}

#[test]
fn suites_have_openssl_names() {
    for (iana, openssl) in [
        ("TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("unknown", "unknown"),
    ] {
        assert_eq!(openssl_name(iana), openssl);
    }
}
