//! `openssl s_server` as an upstream.

use std::net::Shutdown;

use serde_json::Value;

use super::{Site, context};
use crate::harness::client::{connect, read_all};
use crate::harness::program::{Daemon, file};
use crate::harness::tls::{Ca, Leaf, secret};

/// An upstream of one connection, which says every line backwards and at its end what it has seen.
struct Upstream {
    server: Daemon,
    ca: Ca,
    site: Site,
}

impl Upstream {
    fn start(words: &[&str]) -> Self {
        let (ca, site) = (Ca::new(), Site::new());
        let leaf = ca.leaf(&["inner.example.com"]);
        let (at, chain, key) = (site.at(7001), file("chain", &leaf.chain), file("key", &leaf.key));
        let authority = file("ca", &ca.pem);
        let common = ["s_server", "-rev", "-naccept", "1", "-accept", &at, "-cert", &chain, "-key", &key];
        // With a second certificate it tells which name it was asked for.
        let second =
            ["-servername", "inner.example.com", "-cert2", &chain, "-key2", &key, "-CAfile", &authority];
        let server = Daemon::start("openssl", &[&common[..], &second, words].concat(), "ACCEPT");
        Self { server, ca, site }
    }

    /// What a client in the clear came to, whose mapping has a context with these fields.
    fn meet(&mut self, spec: &str) -> (String, Value) {
        let identity = self.ca.leaf(&["sluice"]);
        self.meet_with(spec, &identity)
    }

    fn meet_with(&mut self, spec: &str, identity: &Leaf) -> (String, Value) {
        let mut site = Site::new();
        site.host.clone_from(&self.site.host);
        let service = format!("https://{}", site.at(7001));
        let tls = if spec.is_empty() { "" } else { "  tls: up\n" };
        let site = site
            .with(&secret("ca", &[("ca.crt", &self.ca.pem)]))
            .with(&secret("stranger", &[("ca.crt", &Ca::new().pem)]))
            .with(&identity.secret("identity"))
            .with(&context("up", if spec.is_empty() { "  sni: unused.example.com\n" } else { spec }))
            .mapping("a", &service, tls);
        let mut sluice = site.start();
        let mut client = connect(&site.front());
        let said = exchange(&mut client);
        (said, sluice.closed())
    }

    /// Expects the word backwards.
    fn serve(&mut self, spec: &str) -> Value {
        let (said, record) = self.meet(spec);
        assert_eq!(said, "olleh\n", "{record}");
        assert_eq!((&record["reason"], &record["relay"]), (&"finished".into(), &"tls".into()), "{record}");
        record
    }

    /// Expects a close for this reason, and nothing before it.
    fn refuse(&mut self, spec: &str, reason: &str) {
        let (said, record) = self.meet(spec);
        assert_eq!(said, "", "{record}");
        assert_eq!((&record["reason"], &record["side"]), (&reason.into(), &"upstream".into()), "{record}");
    }
}

/// A line each way, and the end; nothing, where the connection is reset.
fn exchange(client: &mut std::net::TcpStream) -> String {
    use std::io::{BufRead, BufReader, Write};
    let mut line = String::new();
    if client.write_all(b"hello\n").is_err() || BufReader::new(&mut *client).read_line(&mut line).is_err() {
        return String::new();
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(client), b"");
    line
}

#[test]
fn versions_are_those_that_both_sides_have() {
    for (server, spec, expected) in [
        (&[][..], "", "TLSv1.3"),
        (&["-tls1_2"], "", "TLSv1.2"),
        (&["-tls1_3"], "", "TLSv1.3"),
        (&[], "  max_tls_version: v1.2\n", "TLSv1.2"),
        (&["-tls1_2"], "  min_tls_version: v1.2\n", "TLSv1.2"),
        (&["-tls1_3"], "  min_tls_version: v1.3\n", "TLSv1.3"),
    ] {
        let mut upstream = Upstream::start(server);
        let record = upstream.serve(spec);
        assert_eq!(record["upstream_tls_version"], expected, "{server:?} {spec}");
        upstream.server.expect(&format!("Protocol version: {expected}"));
    }
    for (server, spec) in [("-tls1_2", "  min_tls_version: v1.3\n"), ("-tls1_3", "  max_tls_version: v1.2\n")]
    {
        Upstream::start(&[server]).refuse(spec, "upstream_handshake_failed");
    }
}

#[test]
fn the_certificate_it_asks_for_is_shown() {
    for version in ["-tls1_2", "-tls1_3"] {
        let mut upstream = Upstream::start(&[version, "-Verify", "1", "-verify_return_error"]);
        upstream.serve("  secret: identity\n  ca_secret: ca\n");
        upstream.server.expect("Peer certificate: CN = sluice");

        let mut upstream = Upstream::start(&[version, "-Verify", "1", "-verify_return_error"]);
        let (said, record) = upstream.meet_with("  secret: identity\n", &Ca::new().leaf(&["sluice"]));
        assert_eq!((&*said, &record["side"]), ("", &"upstream".into()), "{record}");

        // In TLS 1.3 our handshake is done before the upstream has looked at what we showed.
        let reason = if version == "-tls1_2" { "upstream_handshake_failed" } else { "upstream_tls" };
        Upstream::start(&[version, "-Verify", "1"]).refuse("  ca_secret: ca\n", reason);

        let mut upstream = Upstream::start(&[version]);
        upstream.serve("  secret: identity\n");
        upstream.server.expect("No peer certificate");
    }
}

#[test]
fn its_chain_is_verified_by_the_authority_declared() {
    for version in ["-tls1_2", "-tls1_3"] {
        Upstream::start(&[version]).serve("  ca_secret: ca\n");
        Upstream::start(&[version]).refuse("  ca_secret: stranger\n", "upstream_certificate");
    }
}

#[test]
fn the_name_declared_is_asked_for() {
    let mut upstream = Upstream::start(&["-servername_fatal"]);
    upstream.serve("  sni: inner.example.com\n");
    upstream.server.expect("Hostname in TLS extension: \"inner.example.com\"");
    Upstream::start(&["-servername_fatal"]).refuse("  sni: other.example.com\n", "upstream_handshake_failed");
}

#[test]
fn protocols_are_offered_and_one_is_agreed_on() {
    let mut upstream = Upstream::start(&["-alpn", "postgresql"]);
    upstream.serve("  alpn_protocols: h2,postgresql\n");
    upstream.server.expect("ALPN protocols advertised by the client: h2, postgresql");
    upstream.server.expect("ALPN protocols selected: postgresql");
    Upstream::start(&["-alpn", "imap"]).refuse("  alpn_protocols: h2\n", "upstream_handshake_failed");
}
