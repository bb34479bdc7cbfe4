//! With TLS behind the header, and before it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use super::{BINARY, CLIENT, LINE, extensions, header, listener, start, told};
use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::tls::{Client, Server, backend, echoed, finish, greeting, over, tls12};
use crate::tls::{Site, material};

/// A client that sends a header, and its hello in the same segment where it is in haste.
fn behind(site: &Site, header: &[u8], haste: bool, config: &Arc<rustls::ClientConfig>) -> Client {
    let mut client = over(connect(&site.front()), "pay.example.com", config);
    let mut bytes = header.to_vec();
    if haste {
        client.conn.write_tls(&mut bytes).unwrap();
    }
    client.sock.write_all(&bytes).unwrap();
    client.conn.complete_io(&mut client.sock).unwrap();
    client
}

fn end(mut client: Client) {
    finish(&mut client);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

/// A TLS server that says five bytes back, and ends.
fn say_back(stream: TcpStream, config: &Arc<rustls::ServerConfig>) {
    let mut server = Server::new(rustls::ServerConnection::new(Arc::clone(config)).unwrap(), stream);
    let mut words = [0; 5];
    server.read_exact(&mut words).unwrap();
    server.write_all(&words).unwrap();
    server.conn.send_close_notify();
    server.flush().unwrap();
    // Closing over unread bytes would reset.
    let _ = server.read(&mut [0]);
}

#[test]
fn tls_ends_behind_a_header() {
    let (ca, leaf) = material();
    // Whichever order the stack has.
    for stack in ["[PROXY, TLS, TCP]", "[TLS, PROXY, TCP]"] {
        let site = listener(Site::new(), "", stack).certificate("pay", &["pay.example.com"], &leaf, "");
        let _backend = Backend::echo(&site.at(7001));
        let service = site.at(7001);
        let site = site.mapping("a", &service, "  host: pay.example.com\n");
        let mut sluice = start(&site, &[]);
        let config = Arc::new(ca.client(None));
        for (header, haste) in [(LINE, false), (LINE, true), (BINARY, true)] {
            let mut client = behind(&site, header, haste, &config);
            assert_eq!(echoed(&mut client, b"hello"), b"hello");
            end(client);
            let record = sluice.closed();
            assert_eq!(
                (&record["peer"], &record["tls_version"]),
                (&CLIENT.into(), &"TLSv1.3".into()),
                "{record}"
            );
            assert_eq!(record["reason"], "finished");
        }
    }
}

#[test]
fn tls_goes_through_behind_a_header_with_and_without_another() {
    let (ca, leaf) = material();
    for send in [false, true] {
        let site = listener(Site::new(), "", "[PROXY, TLS, TCP]");
        let config = Arc::new(leaf.server());
        let _backend = Backend::serve(&site.at(7001), move |mut stream| {
            if send {
                let header = header(&mut stream);
                assert_eq!(header[16..28], BINARY[16..]);
                assert_eq!(extensions(&header), [(2, b"pay.example.com".to_vec())]);
            }
            say_back(stream, &config);
        });
        let send = if send { "sluice.dev/proxy-protocol: v2," } else { "" };
        let service = site.at(7001);
        let annotations = format!("{send} sluice.dev/tls-mode: passthrough");
        let site = site.annotated("a", &annotations, &service, "  host: pay.example.com\n");
        let mut sluice = start(&site, &[]);
        let config = Arc::new(ca.client(None));
        for haste in [false, true] {
            let mut client = behind(&site, LINE, haste, &config);
            assert_eq!(echoed(&mut client, b"hello"), b"hello");
            end(client);
            let record = sluice.closed();
            assert_eq!(
                (&record["peer"], &record["sni"]),
                (&CLIENT.into(), &"pay.example.com".into()),
                "{record}"
            );
            assert_eq!(record["reason"], "finished");
        }
    }
}

#[test]
fn an_upstream_is_told_of_the_clients_tls() {
    let (ca, leaf) = material();
    let alice = ca.leaf(&["alice"]);
    let context = "  alpn_protocols: h2,http/1.1\n  ca_secret: ca\n";
    let site = Site::new().with(&crate::harness::tls::secret("ca", &[("ca.crt", &ca.pem)])).certificate(
        "pay",
        &["pay.example.com"],
        &leaf,
        context,
    );
    let (_backend, told) = told(&site.at(7001));
    let service = site.at(7001);
    let site = site.annotated("a", "sluice.dev/proxy-protocol: v2", &service, "  host: pay.example.com\n");
    let mut sluice = site.start();
    let with = |mut config: rustls::ClientConfig, alpn: &[u8]| {
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    };
    let suite13 = b"TLS_AES_256_GCM_SHA384";
    for (config, alpn, about) in [
        (ca.client(None), &b"h2"[..], [b"\x01\0\0\0\x01\x21\0\x07TLSv1.3\x23\0\x16", &suite13[..]].concat()),
        (
            ca.client(Some(&alice)),
            b"http/1.1",
            [b"\x07\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x05alice\x23\0\x16", &suite13[..]].concat(),
        ),
        (
            tls12(&ca),
            b"h2",
            [&b"\x01\0\0\0\x01\x21\0\x07TLSv1.2\x23\0\x1d"[..], b"ECDHE-ECDSA-AES256-GCM-SHA384"].concat(),
        ),
    ] {
        let mut client = behind(&site, b"", false, &with(config, alpn));
        let header = told.recv().unwrap();
        let expected = [(1, alpn.to_vec()), (2, b"pay.example.com".to_vec()), (0x20, about)];
        assert_eq!(extensions(&header), expected, "{}", String::from_utf8_lossy(&header));
        assert_eq!(echoed(&mut client, b"hello"), b"hello");
        end(client);
        assert_eq!(sluice.closed()["reason"], "finished");
    }
}

#[test]
fn a_header_goes_before_the_tls_that_begins_here() {
    let (_, leaf) = material();
    let site = listener(Site::new(), "", "[PROXY, TCP]");
    let inner = backend(&site.at(7002), "tls", leaf.server());
    // Takes the header off, and passes the rest on as it is.
    let behind = inner.address.to_string();
    let (tell, told) = std::sync::mpsc::channel();
    let _backend = Backend::serve(&site.at(7001), move |mut stream| {
        tell.send(header(&mut stream)).unwrap();
        let (mut back, mut front) = (connect(&behind), stream.try_clone().unwrap());
        let mut upstream = back.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut back, &mut front));
        let _ = std::io::copy(&mut stream, &mut upstream);
        let _ = upstream.shutdown(std::net::Shutdown::Write);
    });
    let service = format!("https://{}", site.at(7001));
    let site = site.annotated("a", "sluice.dev/proxy-protocol: v1", &service, "");
    let mut sluice = start(&site, &[]);
    let mut client = connect(&site.front());
    client.write_all(BINARY).unwrap();
    assert_eq!(greeting(&mut client), "tls - unknown");
    assert_eq!(told.recv().unwrap(), LINE);
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    drop(client);
    let record = sluice.closed();
    assert_eq!(
        (&record["peer"], &record["upstream_tls_version"]),
        (&CLIENT.into(), &"TLSv1.3".into()),
        "{record}"
    );
}

#[test]
fn postgresqls_prelude_comes_behind_the_header_on_both_sides() {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    let (ca, leaf) = material();
    let site = listener(Site::new(), "", "[PROXY, TLS, TCP]");
    let config = Arc::new(leaf.server());
    let _backend = Backend::serve(&site.at(7001), move |mut stream| {
        assert_eq!(header(&mut stream), LINE);
        let mut request = [0; 8];
        stream.read_exact(&mut request).unwrap();
        assert_eq!(request, SSL_REQUEST);
        stream.write_all(b"S").unwrap();
        say_back(stream, &config);
    });
    let service = site.at(7001);
    let annotations =
        "sluice.dev/proxy-protocol: v1, sluice.dev/starttls: postgres, sluice.dev/tls-mode: passthrough";
    let site = site.annotated("a", annotations, &service, "  host: pay.example.com\n");
    let mut sluice = start(&site, &[]);
    let config = Arc::new(ca.client(None));
    // In one segment, and in two.
    for together in [true, false] {
        let mut stream = connect(&site.front());
        if together {
            stream.write_all(&[LINE, &SSL_REQUEST].concat()).unwrap();
        } else {
            stream.write_all(LINE).unwrap();
            stream.write_all(&SSL_REQUEST).unwrap();
        }
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"S");
        let mut client = over(stream, "pay.example.com", &config);
        assert_eq!(echoed(&mut client, b"hello"), b"hello");
        end(client);
        let record = sluice.closed();
        assert_eq!((&record["peer"], &record["reason"]), (&CLIENT.into(), &"finished".into()), "{record}");
    }
}
