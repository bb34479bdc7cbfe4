//! Readers of what operators write, for `cargo xtask fuzz`: PEM texts, Secrets, whole documents.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::dialect;
use super::material::{self, Files, MaterialError, Piece};
use super::model::{Config, Trust};
use super::settings::Settings;

/// A certificate whose key nobody has.
const CHAIN: &[u8] = include_bytes!("../../../tests/fuzz/corpus/authorities/ecdsa.pem");

/// Uses all of the Secret `s`.
const AROUND: &str = "
---
apiVersion: getambassador.io/v3alpha1
kind: TLSContext
metadata: {name: c}
spec: {hosts: [x], secret: s, ca_secret: s, crl_secret: s, cert_required: true}
---
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata: {name: m}
spec: {port: 7000, host: x, service: 'https://127.0.0.1:1', tls: c}
";

/// A Gateway with listeners of every kind, and what routes to them may refer to.
const GATEWAY: &str = "
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: c}
spec: {controllerName: sluice.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec:
  gatewayClassName: c
  listeners:
  - {name: tcp, port: 7000, protocol: TCP}
  - {name: all, port: 7001, protocol: TLS, tls: {mode: Passthrough}}
  - {name: wide, port: 7001, protocol: TLS, hostname: '*.b', tls: {mode: Passthrough}}
  - {name: one, port: 7001, protocol: TLS, hostname: a.b, tls: {mode: Passthrough}}
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {ports: [{name: p, port: 1}]}
";

/// A chain and its key in one text.
pub(crate) fn identity(bytes: &[u8]) {
    if let Some(identity) = kept(material::identity("fuzz".into(), &piece(bytes), &piece(bytes)), bytes) {
        material::out_of_date(&identity);
    }
}

/// A key, which belongs to nothing.
pub(crate) fn private_key(bytes: &[u8]) {
    kept(material::identity("fuzz".into(), &piece(CHAIN), &piece(bytes)), bytes);
}

/// Authorities.
pub(crate) fn authorities(bytes: &[u8]) {
    if let Some(roots) = kept(material::roots(&piece(bytes)), bytes) {
        let trust = Trust { source: "fuzz".into(), roots, revoked: Vec::new() };
        assert!(material::prove(&trust).is_ok(), "each was taken as an anchor");
    }
}

/// Revocation lists, and what rustls makes of them.
pub(crate) fn revocation_lists(bytes: &[u8]) {
    if let Some(revoked) = kept(material::revocation_lists(&piece(bytes)), bytes) {
        material::overdue(&revoked);
        let roots = material::roots(&piece(CHAIN)).unwrap_or_default();
        // Refused or not: what rustls cannot use becomes a diagnostic.
        let _ = material::prove(&Trust { source: "fuzz".into(), roots, revoked });
    }
}

/// A document that may be the Secret `s`, whose every entry is in use.
pub(crate) fn secret(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        lower(&format!("{text}{AROUND}"));
    }
}

/// Documents of any kind.
pub(crate) fn documents(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        lower(text);
    }
}

/// Documents that may belong to a Gateway: whatever they say, an address has one listener, and a listener no two
/// routes for the same connections.
pub(crate) fn gateway(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    for listener in lower(&format!("{text}{GATEWAY}")).listeners {
        assert!(!listener.routes.is_empty(), "{}", listener.bind);
        let mut seen = HashSet::new();
        for route in &listener.routes {
            assert!(seen.insert(route.key()), "{} has {:?} twice", listener.bind, route.key());
        }
    }
}

/// Kong's files, where listeners of both kinds are there for their routes.
pub(crate) fn kong(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    for flavor in ["traditional_compatible", "traditional"] {
        let mut settings = Settings::default();
        settings.kong.stream_listen = "0.0.0.0:9000, [::]:9000, 127.0.0.1:8443 ssl".to_owned();
        settings.kong.router_flavor = flavor.to_owned();
        lower_with(text, &settings);
    }
}

fn lower(text: &str) -> Config {
    lower_with(text, &Settings::default())
}

fn lower_with(text: &str, settings: &Settings) -> Config {
    let (documents, _) = dialect::parse(&Arc::from(Path::new("fuzz.yaml")), text);
    // Their limit is nothing: no file is read, whatever a document names.
    let files = RefCell::new(Files::default());
    let lowered = dialect::lower(documents.iter(), &files, settings);
    for diagnostic in lowered.diagnostics {
        // Written out, as whoever reads it would have it.
        let _ = diagnostic.to_string();
    }
    for status in lowered.statuses {
        // As `sluice check` writes it.
        assert!(serde_json::to_string(&status).is_ok());
    }
    for to in [dialect::Language::Ambassador, dialect::Language::Kong, dialect::Language::Gateway] {
        // Whatever was read can be written.
        let _ = dialect::write(&lowered.config, settings, to, true);
    }
    lowered.config
}

fn piece(bytes: &[u8]) -> Piece {
    Piece { name: "text".to_owned(), bytes: bytes.to_vec() }
}

/// What was read. An error must not repeat what may have been a key.
fn kept<T>(read: Result<T, MaterialError>, bytes: &[u8]) -> Option<T> {
    read.inspect_err(|error| {
        let message = error.to_string();
        let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        for word in bytes.split(|byte| !base64(byte)).filter(|word| word.len() >= 32) {
            // No message of ours has a word that long.
            assert!(!str::from_utf8(word).is_ok_and(|word| message.contains(word)), "{message}");
        }
    })
    .ok()
}
