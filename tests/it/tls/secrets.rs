//! Secrets as they are kept, out of date, and never told.

use std::sync::Arc;

use data_encoding::BASE64;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::{Site, context, material};
use crate::harness::backend::Backend;
use crate::harness::client::try_connect;
use crate::harness::eventually;
use crate::harness::program::run;
use crate::harness::sluice::Builder;
use crate::harness::tls::{Ca, echoed, greeting, hello, secret};

fn typed(kind: &str, entries: &str) -> String {
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: pay}}\ntype: {kind}\n{entries}")
}

#[test]
fn every_type_serves() {
    let (ca, leaf) = material();
    let (chain, key) = (BASE64.encode(leaf.chain.as_bytes()), BASE64.encode(leaf.key.as_bytes()));
    let mesh = [("cert-chain.pem", &*leaf.chain), ("key.pem", &leaf.key), ("root-cert.pem", &ca.pem)];
    for document in [
        typed("kubernetes.io/tls", &format!("data: {{tls.crt: {chain}, tls.key: {key}}}\n")),
        typed("Opaque", &format!("data: {{tls.crt: {chain}, tls.key: {key}}}\n")),
        leaf.secret("pay"),
        secret("pay", &mesh).replace("type: Opaque", "type: istio.io/key-and-cert"),
    ] {
        let site = Site::new();
        let echo = Backend::echo(&site.at(7001));
        let site = site
            .with(&document)
            .with(&context("pay", "  hosts: [pay.example.com]\n  secret: pay\n"))
            .mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
        let mut sluice = site.start();
        let config = Arc::new(ca.client(Some(&ca.leaf(&["alice"]))));
        let mut client = hello(&site.front(), "pay.example.com", &config).unwrap();
        assert_eq!(echoed(&mut client, b"hello"), b"hello");
        drop(client);
        // An authority that comes with a mesh's certificate has clients asked.
        let asked = document.contains("istio.io");
        assert_eq!(sluice.closed()["client_subject"].is_string(), asked, "{document}");
    }
}

#[test]
fn one_that_is_out_of_date_is_warned_about_or_not_used() {
    let ca = Ca::new();
    let (old, new) = (ca.leaf_until(&["old.example.com"], 2000), ca.leaf(&["new.example.com"]));
    for force in [false, true] {
        let site = Site::new();
        let _upstream = Backend::named(&site.at(7001), "here\n");
        let service = site.at(7001);
        let site = site
            .certificate("old", &["old.example.com"], &old, "")
            .certificate("new", &["new.example.com"], &new, "")
            .mapping("old", &service, "  host: old.example.com\n")
            .mapping("new", &service, "  host: new.example.com\n");
        let admin = site.at(7009);
        let flags = ["--kernel-relay", "false", "--admin", &admin];
        let forced: &[&str] = if force { &["--force-secret-validation"] } else { &[] };
        let mut sluice = Builder::new(&site.documents).flags(&flags).flags(forced).spawn();
        sluice.expect_log(if force { "spec.secret" } else { "Secret default/old has expired" });
        sluice.expect_log("serving");

        let front = site.front();
        let said = run("openssl", &["s_client", "-connect", &front, "-servername", "old.example.com"], b"");
        assert_eq!(said.contains("certificate has expired"), !force, "{said}");
        assert_eq!(said.contains("unrecognized name"), force, "{said}");
        let mut client = hello(&front, "new.example.com", &Arc::new(ca.client(None))).unwrap();
        assert_eq!(greeting(&mut client), "here", "the others go on");

        let metrics = run("curl", &["-sS", &format!("http://{admin}/metrics")], b"");
        let told = |source: &str, at: &str| {
            metrics.lines().any(|line| {
                line.starts_with("sluice_certificate_expiry_timestamp_seconds{")
                    && line.contains(&format!("Secret default/{source}\""))
                    && line.ends_with(at)
            })
        };
        // 2100-01-01 and 2000-01-01.
        assert!(told("new", " 4102444800"), "{metrics}");
        assert_eq!(told("old", " 946684800"), !force, "{metrics}");
    }
}

/// What a key would look like in text: its lines, and its bytes as `{:?}` and hex have them.
fn shapes(key: &str) -> Vec<String> {
    let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    // Behind the header that all keys of a kind share.
    let inside = &der.secret_der()[40..52];
    let mut shapes: Vec<String> =
        key.lines().filter(|line| !line.starts_with("--")).map(str::to_owned).collect();
    shapes.push(format!("{inside:?}").trim_matches(['[', ']']).to_owned());
    shapes.push(inside.iter().map(|byte| format!("{byte:02x}")).collect());
    shapes.push(BASE64.encode(key.as_bytes())[100..140].to_owned());
    shapes
}

#[test]
fn no_key_is_ever_told() {
    let ca = Ca::new();
    let (good, other, lost) = (ca.leaf(&["pay.example.com"]), ca.leaf(&["x"]), ca.leaf(&["y"]));
    let folded = lost.key.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let site = Site::new().certificate("pay", &["pay.example.com"], &good, "");
    let echo = Backend::echo(&site.at(7001));
    let site = site
        // A pair that is none, a key for a name, a key for a chain.
        .with(&secret("mixed", &[("tls.crt", &good.chain), ("tls.key", &other.key)]))
        .with(&context("mixed", "  hosts: [mixed.example.com]\n  secret: mixed\n"))
        .with(&context("named", &format!("  hosts: [named.example.com]\n  secret: |\n{folded}")))
        .with(&secret("swapped", &[("tls.crt", &lost.key), ("tls.key", &lost.chain)]))
        .with(&context("swapped", "  hosts: [swapped.example.com]\n  secret: swapped\n"))
        .mapping("a", &echo.address.to_string(), "  host: pay.example.com\n")
        .mapping("b", &echo.address.to_string(), "  host: mixed.example.com\n")
        .mapping("c", &echo.address.to_string(), "  host: named.example.com\n")
        .mapping("d", &echo.address.to_string(), "  host: swapped.example.com\n");
    let admin = site.at(7009);
    let flags = ["--kernel-relay", "false", "--admin", &admin, "--log-filter", "trace"];
    let sluice = Builder::new(&site.documents).flags(&flags).spawn();
    eventually("a listener", || try_connect(&site.front()).ok());
    let mut client = hello(&site.front(), "pay.example.com", &Arc::new(ca.client(None))).unwrap();
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    let config = run("curl", &["-sS", &format!("http://{admin}/config")], b"");
    assert!(config.contains("Secret default/pay"), "{config}");
    drop(client);
    let said = sluice.last_words() + &config;
    assert!(said.contains("mixed") && said.contains("swapped") && said.contains("named"), "{said}");
    for shape in [good, other, lost].iter().flat_map(|leaf| shapes(&leaf.key)) {
        assert!(!said.contains(&shape), "a key was told: {shape}");
    }
}
