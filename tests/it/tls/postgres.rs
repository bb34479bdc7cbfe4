//! PostgreSQL's way to TLS, on both sides.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use super::{Site, material};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, read_all};
use crate::harness::tls::{Client, Server, echoed, finish, greeting, over, secret};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
const STARTTLS: &str = "sluice.dev/starttls: postgres";

fn asked(stream: &mut TcpStream, question: &[u8]) -> u8 {
    stream.write_all(question).unwrap();
    let mut answer = [0];
    stream.read_exact(&mut answer).unwrap();
    answer[0]
}

/// A server that wants to be asked first, and answers with this.
fn postgres(address: &str, answer: &'static [u8], config: rustls::ServerConfig) -> Backend {
    let config = Arc::new(config);
    Backend::serve(address, move |mut stream| {
        let mut question = [0; 8];
        if stream.read_exact(&mut question).is_err() || question != SSL_REQUEST {
            return;
        }
        stream.write_all(answer).unwrap();
        if answer != b"S" {
            return;
        }
        let mut server = Server::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        if server.conn.complete_io(&mut server.sock).is_err() {
            return;
        }
        server.write_all(b"postgres\n").unwrap();
        let mut chunk = [0; 1024];
        while let Ok(n @ 1..) = server.read(&mut chunk) {
            server.write_all(&chunk[..n]).unwrap();
        }
        server.conn.send_close_notify();
        let _ = server.flush();
    })
}

fn served(mut client: Client) {
    client.conn.complete_io(&mut client.sock).unwrap();
    assert_eq!(greeting(&mut client), "postgres");
    assert_eq!(echoed(&mut client, b"select 1"), b"select 1");
    finish(&mut client);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn clients_that_ask_are_served_whether_tls_ends_here_or_passes() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let archive = ca.leaf(&["archive.example.com"]);
    let _backends =
        [postgres(&site.at(7001), b"S", leaf.server()), postgres(&site.at(7002), b"S", archive.server())];
    let services = [site.at(7001), site.at(7002)];
    let passthrough = format!("{STARTTLS}, sluice.dev/tls-mode: passthrough");
    let site = site
        .with(&secret("ca", &[("ca.crt", &ca.pem)]))
        .with("---\napiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {name: up}\nspec: {ca_secret: ca}\n")
        .annotated("a", STARTTLS, &services[0], "  host: pay.example.com\n  tls: up\n")
        .annotated("b", &passthrough, &services[1], "  host: archive.example.com\n");
    let mut sluice = site.start();
    let config = Arc::new(ca.client(None));
    for (name, relay) in [("pay.example.com", "tls"), ("archive.example.com", "splice")] {
        for questions in [&[(&SSL_REQUEST, b'S')][..], &[(&GSS_REQUEST, b'N'), (&SSL_REQUEST, b'S')], &[]] {
            let mut stream = connect(&site.front());
            for (question, answer) in questions {
                assert_eq!(asked(&mut stream, *question), *answer);
            }
            served(over(stream, name, &config));
            let record = sluice.closed();
            assert_eq!(
                (&record["reason"], &record["relay"]),
                (&"finished".into(), &relay.into()),
                "{record}"
            );
            assert_eq!(record["sni"], name);
        }
    }
}

#[test]
fn clients_without_tls_are_told_in_their_own_words() {
    let (_, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let echo = Backend::echo(&site.at(7001));
    let site = site.annotated("a", STARTTLS, &echo.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start();
    let mut client = connect(&site.front());
    client.write_all(&[&[0, 0, 0, 17, 0, 3, 0, 0][..], b"user\0me\0\0"].concat()).unwrap();
    let said = String::from_utf8(read_all(&mut client)).unwrap();
    assert!(said.starts_with('E') && said.contains("FATAL\0") && said.contains("C28000\0"), "{said:?}");
    assert!(said.contains("sslmode=require"), "{said:?}");
    drop(client);
    assert_eq!(sluice.closed()["reason"], "not_tls");

    let mut client = connect(&site.front());
    client.write_all(&[0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2]).unwrap();
    let _ = client.read(&mut [0]);
    assert_eq!(sluice.closed()["reason"], "cancel_in_clear");
    assert_eq!(echo.accepted(), 0);
}

#[test]
fn an_upstream_without_tls_is_not_trusted_with_cleartext() {
    let (_, leaf) = material();
    for answer in [&b"N"[..], b"E\0\0\0\x0cwhat is this", b""] {
        let site = Site::new();
        let backend = postgres(&site.at(7001), answer, leaf.server());
        let service = format!("https://{}", backend.address);
        let site = site.annotated("a", STARTTLS, &service, "");
        let mut sluice = site.start();
        let mut client = connect(&site.front());
        client.write_all(b"secret").unwrap();
        let _ = client.read(&mut [0]);
        let record = sluice.closed();
        assert_eq!(
            (&record["reason"], &record["side"]),
            (&"upstream_refused_tls".into(), &"upstream".into())
        );
    }
}
