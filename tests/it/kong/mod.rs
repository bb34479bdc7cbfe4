//! Kong's declarative files through the real binary: Kong's own integration tests of streams (K20 to K54 of the
//! reference) in our words, and where sluice differs.

mod balancing;
mod examples;
mod listens;
mod plugins;
mod tls;
mod upstream_tls;

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::client::{connect, read_all};
use crate::harness::sluice::{Builder, Sluice};
use crate::harness::tls::{Client, Leaf};
use crate::tls::Site;

/// A file of Kong's: JSON, which YAML is too.
fn document(version: &str, mut entities: Value) -> String {
    entities["_format_version"] = version.into();
    entities.to_string()
}

/// A service and its routes.
fn service(name: &str, url: &str, routes: Value) -> Value {
    json!({"name": name, "url": url, "routes": routes})
}

/// Listens where this says, with more flags.
fn start(document: &str, listen: &str, flags: &[&str]) -> Sluice {
    let own = ["--kernel-relay", "false", "--kong-stream-listen", listen];
    Builder::new(document).flags(&own).flags(flags).start()
}

/// What an upstream says that ends at once.
fn answer(address: &str) -> String {
    String::from_utf8(read_all(&mut connect(address))).unwrap()
}

/// A connection that nobody takes: it ends before a byte, in whatever way.
fn expect_nothing(address: &str) {
    let mut stream = connect(address);
    let mut bytes = Vec::new();
    // Kong's clients see an end or a reset, too.
    let _ = std::io::Read::read_to_end(&mut stream, &mut bytes);
    assert_eq!(bytes, b"");
}

fn tcp(address: SocketAddr) -> String {
    format!("tcp://{address}")
}

/// Whether a client was shown this certificate.
fn is_shown(client: &Client, leaf: &Leaf) -> bool {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let expected = CertificateDer::from_pem_slice(leaf.chain.as_bytes()).unwrap();
    client.conn.peer_certificates().unwrap()[0] == expected
}

/// A certificate and its names, as an entity.
fn certificate(id: &str, leaf: &Leaf, names: &[&str]) -> Value {
    let snis: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    json!({"id": id, "cert": leaf.chain, "key": leaf.key, "snis": snis})
}
