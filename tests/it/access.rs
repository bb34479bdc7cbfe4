//! Clients that a route takes, and those that it does not.

use std::io::Write;
use std::net::Shutdown;

use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset, read_all};
use crate::harness::tls::echoed;
use crate::tls::Site;

/// What a proxy in front says; the client is behind the first address.
fn header(client: &str) -> String {
    format!("PROXY TCP4 {client} 198.51.100.1 4711 443\r\n")
}

/// A mapping whose clients are told apart by what their PROXY headers say.
fn site(annotations: &str) -> (Site, Backend) {
    let site = Site::new();
    let backend = Backend::echo(&site.at(7001));
    let service = site.at(7001);
    let listener = "---\napiVersion: getambassador.io/v3alpha1\nkind: Listener\nmetadata: {name: l}\n\
                    spec: {port: 7000, protocolStack: [PROXY, TCP]}\n";
    (site.with(listener).annotated("pay", annotations, &service, ""), backend)
}

#[test]
fn denied_clients_are_reset_logged_and_counted() {
    let allow = "sluice.dev/allow-from: '192.0.2.0/24, 2001:db8::/32', sluice.dev/deny-from: 192.0.2.66";
    let (site, backend) = site(allow);
    let admin = site.at(7009);
    let mut sluice = site.start_with(&["--bind-address", &site.host, "--admin", &admin]);
    for (client, admitted) in [("192.0.2.1", true), ("198.51.100.9", false), ("192.0.2.66", false)] {
        let mut stream = connect(&site.front());
        stream.write_all(header(client).as_bytes()).unwrap();
        if admitted {
            assert_eq!(echoed(&mut stream, b"hello"), b"hello");
            stream.shutdown(Shutdown::Write).unwrap();
            read_all(&mut stream);
        } else {
            expect_reset(&mut stream);
        }
        let record = sluice.closed();
        let reason = if admitted { "finished" } else { "denied" };
        assert_eq!(record["reason"], reason, "{record}");
        assert_eq!(record["mapping"].is_null(), !admitted, "{record}");
    }
    assert_eq!(backend.accepted(), 1, "nobody else was connected");
    let mut stream = connect(&admin);
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let metrics = String::from_utf8(read_all(&mut stream)).unwrap();
    let denied = metrics.lines().find(|line| line.contains("reason=\"denied\"") && !line.contains("pay"));
    assert_eq!(denied.and_then(|line| line.rsplit_once(' ')).map(|(_, n)| n), Some("2"), "{metrics}");
}

#[test]
fn a_reload_changes_who_is_admitted() {
    let (before, _backend) = site("sluice.dev/deny-from: 192.0.2.0/24");
    let mut sluice = before.start_with(&["--bind-address", &before.host]);
    let mut stream = connect(&before.front());
    stream.write_all(header("192.0.2.1").as_bytes()).unwrap();
    expect_reset(&mut stream);
    sluice.reload(&before.documents.replace("deny-from", "allow-from"));
    let mut stream = connect(&before.front());
    stream.write_all(header("192.0.2.1").as_bytes()).unwrap();
    assert_eq!(echoed(&mut stream, b"hello"), b"hello");
}
