//! To upstreams.

use std::io::{Read, Write};
use std::net::Shutdown;

use super::{BINARY, LINE, extensions, line, listener, start, told};
use crate::harness::client::{connect, read_all};
use crate::harness::tls::echoed;
use crate::tls::Site;

#[test]
fn an_upstream_is_told_whose_connection_it_is() {
    for version in ["v1", "v2", "v2-crc32c"] {
        let site = Site::new();
        let (_backend, told) = told(&site.at(7001));
        let service = site.at(7001);
        let site = site.annotated("a", &format!("sluice.dev/proxy-protocol: {version}"), &service, "");
        let mut sluice = site.start();
        let mut client = connect(&site.front());
        let header = told.recv().unwrap();
        assert_eq!(echoed(&mut client, b"hello"), b"hello");
        let (own, front) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        if version == "v1" {
            assert_eq!(header, line(own, front));
        } else {
            assert_eq!(header[12..14], [0x21, 0x11]);
            assert_eq!(header[24..26], own.port().to_be_bytes());
            assert_eq!(header[26..28], front.port().to_be_bytes());
            let kinds: Vec<_> = extensions(&header).into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(kinds, if version == "v2" { vec![] } else { vec![3] });
        }
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut client), b"");
        let record = sluice.closed();
        assert_eq!((&record["sent"], &record["reason"]), (&5.into(), &"finished".into()), "{record}");
    }
}

#[test]
fn a_header_goes_on_as_it_came() {
    let site = Site::new();
    let (_backend, told) = told(&site.at(7001));
    let service = site.at(7001);
    let site = listener(site, "", "[PROXY, TCP]");
    let site = site.annotated("a", "sluice.dev/proxy-protocol: v1", &service, "");
    let mut sluice = start(&site, &[]);
    let mut speak = |header: &[u8]| {
        let mut client = connect(&site.front());
        client.write_all(&[header, b"hello"].concat()).unwrap();
        let mut back = [0; 5];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
        let ends = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut client), b"");
        assert_eq!(sluice.closed()["reason"], "finished");
        (told.recv().unwrap(), ends)
    };
    assert_eq!(speak(BINARY).0, LINE);
    let six = b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n";
    assert_eq!(speak(six).0, six);
    // Taken for IPv4, and of one family again.
    let mixed = b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n";
    assert_eq!(speak(mixed).0, mixed);
    let (header, (own, front)) = speak(b"PROXY UNKNOWN\r\n");
    assert_eq!(header, line(own, front));
}
