//! Connections that were looked into first: by the name in their ClientHello, and after PostgreSQL's prelude.

use std::io::{Read, Write};
use std::sync::Arc;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::payload::Payload;
use crate::harness::sluice::{Builder, Sluice};
use crate::harness::tls::{Ca, Client, Server, finish, over};
use crate::relay::{BACK, FRONT, Relay, on_every_relay};

on_every_relay!(by_name, after_a_prelude, after_a_prelude_in_haste);

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const UP: Payload = Payload { seed: 1, len: 300_000 };
const DOWN: Payload = Payload { seed: 2, len: 300_000 };

/// An upstream that speaks TLS, after a prelude where there is one.
fn backend(ca: &Ca, prelude: bool) {
    let config = Arc::new(ca.leaf(&["db.example.com"]).server());
    Backend::serve(BACK, move |mut stream| {
        if prelude {
            let mut request = [0; 8];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(request, SSL_REQUEST);
            stream.write_all(b"S").unwrap();
        }
        let mut server = Server::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        UP.expect_to_end(&mut server);
        DOWN.send(&mut server).unwrap();
        server.conn.send_close_notify();
        server.flush().unwrap();
    });
}

fn start(relay: Relay, annotations: &str) -> Sluice {
    let annotations = format!("sluice.dev/tls-mode: passthrough, {annotations}");
    Builder::new(&relay.annotated("db", &annotations, 7000, BACK, "  host: db.example.com\n")).start()
}

/// Everything goes through both ways, every byte counted by the relay that is meant to carry it.
fn exchange(mut client: Client, sluice: &mut Sluice, relay: Relay) {
    UP.send(&mut client).unwrap();
    finish(&mut client);
    DOWN.expect_to_end(&mut client);
    drop(client);
    let record = sluice.closed();
    relay.carried(&record);
    assert_eq!(
        (&record["reason"], &record["sni"]),
        (&"finished".into(), &"db.example.com".into()),
        "{record}"
    );
}

fn by_name(relay: Relay) {
    let ca = Ca::new();
    backend(&ca, false);
    let mut sluice = start(relay, "");
    let config = Arc::new(ca.client(None));
    for _ in 0..5 {
        exchange(over(connect(FRONT), "db.example.com", &config), &mut sluice, relay);
    }
}

fn after_a_prelude(relay: Relay) {
    let ca = Ca::new();
    backend(&ca, true);
    let mut sluice = start(relay, "sluice.dev/starttls: postgres,");
    let config = Arc::new(ca.client(None));
    for _ in 0..5 {
        let mut stream = connect(FRONT);
        stream.write_all(&SSL_REQUEST).unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"S");
        exchange(over(stream, "db.example.com", &config), &mut sluice, relay);
    }
}

/// The hello comes in the request's own segment, which the kernel would hand out whole: the agent reads the
/// rest of it before the sockets join.
fn after_a_prelude_in_haste(relay: Relay) {
    let ca = Ca::new();
    backend(&ca, true);
    let mut sluice = start(relay, "sluice.dev/starttls: postgres,");
    let mut client = over(connect(FRONT), "db.example.com", &Arc::new(ca.client(None)));
    let mut bytes = SSL_REQUEST.to_vec();
    client.conn.write_tls(&mut bytes).unwrap();
    client.sock.write_all(&bytes).unwrap();
    let mut answer = [0];
    client.sock.read_exact(&mut answer).unwrap();
    exchange(client, &mut sluice, relay);
}
