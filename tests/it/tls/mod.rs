//! TLS through the real binary, with rustls, OpenSSL, curl and Python as peers.

mod cases;
mod certificates;
mod limits;
mod mutual;
mod names;
mod offered;
mod openssl;
mod postgres;
mod python;
mod refused;
mod reload;
mod secrets;
mod tools;
mod upstream;

use std::sync::atomic::{AtomicU8, Ordering};

use crate::harness::sluice::{Builder, Sluice};
use crate::harness::tls::{Ca, Leaf};

/// A loopback address of this test's own: every port of it is free, whatever else runs.
struct Site {
    host: String,
    documents: String,
}

impl Site {
    fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [_, a, b, c] = std::process::id().to_be_bytes();
        // 127.0.0.0/16 is where everybody else is; within a process addresses differ by their place.
        let a = (a ^ NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(16)).max(1);
        Self { host: format!("127.{a}.{b}.{c}"), documents: String::new() }
    }

    fn at(&self, port: u16) -> String {
        format!("{}:{port}", self.host)
    }

    /// With more documents.
    fn with(mut self, documents: &str) -> Self {
        self.documents.push_str(documents);
        self
    }

    /// With a certificate for hosts.
    fn certificate(self, name: &str, hosts: &[&str], leaf: &Leaf, spec: &str) -> Self {
        let hosts = hosts.join("\", \"");
        let context = format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {{name: {name}}}\n\
             spec:\n  hosts: [\"{hosts}\"]\n  secret: {name}\n{spec}"
        );
        self.with(&leaf.secret(name)).with(&context)
    }

    /// With a mapping of port 7000; `spec` has lines of two spaces.
    fn mapping(self, name: &str, service: &str, spec: &str) -> Self {
        self.annotated(name, "", service, spec)
    }

    /// The same with annotations.
    fn annotated(self, name: &str, annotations: &str, service: &str, spec: &str) -> Self {
        let address = self.host.clone();
        self.with(&format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\n\
             metadata: {{name: {name}, annotations: {{{annotations}}}}}\n\
             spec:\n  address: {address}\n  port: 7000\n  service: \"{service}\"\n{spec}"
        ))
    }

    fn start(&self) -> Sluice {
        self.start_with(&[])
    }

    fn start_with(&self, flags: &[&str]) -> Sluice {
        Builder::new(&self.documents).flags(&["--kernel-relay", "false"]).flags(flags).start()
    }

    fn front(&self) -> String {
        self.at(7000)
    }
}

/// An authority, and a certificate of it for the name that most tests ask for.
fn material() -> (Ca, Leaf) {
    let ca = Ca::new();
    let leaf = ca.leaf(&["pay.example.com"]);
    (ca, leaf)
}

/// A TLSContext; `spec` has lines of two spaces.
fn context(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {{name: {name}}}\nspec:\n{spec}"
    )
}
