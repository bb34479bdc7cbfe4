//! TLS that begins here.

use std::io::Read;
use std::net::Shutdown;
use std::sync::Arc;

use super::{Site, context, material};
use crate::harness::client::connect;
use crate::harness::program::file;
use crate::harness::tls::{Ca, Leaf, backend, echoed, finish, greeting, hello, secret};

#[test]
fn cleartext_becomes_tls() {
    let (_, leaf) = material();
    let site = Site::new();
    let _backend = backend(&site.at(7001), "tls", leaf.server());
    let service = format!("https://{}", site.at(7001));
    let site = site.mapping("a", &service, "");
    let mut sluice = site.start();
    let mut client = connect(&site.front());
    assert_eq!(greeting(&mut client), "tls - unknown");
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    let record = sluice.closed();
    assert_eq!((&record["reason"], &record["relay"]), (&"finished".into(), &"tls".into()), "{record}");
    assert_eq!(record["upstream_tls_version"], "TLSv1.3");
    assert!(record["tls_version"].is_null() && record["sni"].is_null());
}

#[test]
fn tls_may_end_and_begin_again() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let _backend = backend(&site.at(7001), "tls", ca.server_asking(&leaf));
    let service = site.at(7001);
    let site = site
        .with(&secret("ca", &[("ca.crt", &ca.pem)]))
        .with(&ca.leaf(&["client"]).secret("client"))
        .with(&context("up", "  secret: client\n  ca_secret: ca\n  sni: inner.example.com\n"))
        .mapping("a", &service, "  host: pay.example.com\n  tls: up\n");
    let mut sluice = site.start();
    let config = Arc::new(ca.client(None));
    for round in 0..2 {
        let mut client = hello(&site.front(), "pay.example.com", &config).unwrap();
        assert_eq!(greeting(&mut client), "tls inner.example.com known");
        let long = vec![round; 300_000];
        let (mut reader, writer) = (Vec::new(), long.clone());
        for chunk in writer.chunks(50_000) {
            reader.extend(echoed(&mut client, chunk));
        }
        assert!(reader == long);
        finish(&mut client);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        let record = sluice.closed();
        assert_eq!(record["reason"], "finished", "{record}");
        assert_eq!(
            (&record["tls_version"], &record["upstream_tls_version"]),
            (&"TLSv1.3".into(), &"TLSv1.3".into())
        );
    }
}

/// What becomes of a connection to an upstream with this certificate, verified so.
fn outcome(ca: &Ca, leaf: &Leaf, annotations: &str) -> String {
    let site = Site::new();
    let _backend = backend(&site.at(7001), "tls", leaf.server());
    let service = site.at(7001);
    let site = site
        .with(&secret("ca", &[("ca.crt", &ca.pem)]))
        .with(&context("up", "  ca_secret: ca\n"))
        .annotated("a", annotations, &service, "  tls: up\n");
    let mut sluice = site.start();
    let mut client = connect(&site.front());
    let mut heard = Vec::new();
    let _ = client.shutdown(Shutdown::Write);
    let _ = client.read_to_end(&mut heard);
    sluice.closed()["reason"].as_str().unwrap().to_owned()
}

#[test]
fn an_upstream_that_is_not_good_is_refused() {
    let (ca, stranger) = (Ca::new(), Ca::new());
    let spiffe = "spiffe://cluster.local/ns/a/sa/b";
    let wanted = |name: &str| format!("sluice.dev/upstream-sans: \"{name}\"");
    for (leaf, annotations, expected) in [
        (ca.leaf(&["any.example.com"]), String::new(), "finished"),
        (ca.leaf(&[spiffe]), String::new(), "finished"),
        (ca.leaf(&[spiffe]), wanted(spiffe), "finished"),
        (ca.leaf(&[spiffe]), wanted("dns:pay.example.com"), "upstream_certificate"),
        (stranger.leaf(&["any.example.com"]), String::new(), "upstream_certificate"),
        (ca.leaf_until(&["any.example.com"], 2000), String::new(), "upstream_certificate"),
    ] {
        assert_eq!(outcome(&ca, &leaf, &annotations), expected, "{annotations}");
    }
}

#[test]
fn a_chain_that_is_too_long_is_refused() {
    let root = Ca::new();
    let below = root.intermediate();
    let deepest = below.intermediate();
    for (authority, depth, expected) in [
        (&root, "0", "finished"),
        (&below, "0", "upstream_certificate"),
        (&below, "1", "finished"),
        (&deepest, "1", "upstream_certificate"),
        (&deepest, "2", "finished"),
    ] {
        let leaf = authority.leaf(&["any.example.com"]);
        let annotations = format!("sluice.dev/upstream-verify-depth: {depth}");
        assert_eq!(outcome(&root, &leaf, &annotations), expected, "{depth}");
    }
}

#[test]
fn the_name_sent_is_the_services_the_clients_none_or_another() {
    let (ca, leaf) = material();
    for (annotation, service, named, expected) in [
        ("", "svc.example.com", true, "svc.example.com"),
        ("host", "svc.example.com", true, "svc.example.com"),
        ("host", "", true, "-"),
        ("client", "svc.example.com", true, "pay.example.com"),
        ("client", "", true, "pay.example.com"),
        ("client", "svc.example.com", false, "svc.example.com"),
        ("client", "", false, "-"),
        ("none", "svc.example.com", true, "-"),
        ("other.example.com", "svc.example.com", true, "other.example.com"),
    ] {
        let site = Site::new().certificate("pay", &["*"], &leaf, "");
        let _backend = backend(&site.at(7001), "tls", ca.leaf(&["any"]).server());
        let hosts = file("hosts", &format!("{} svc.example.com\n", site.host));
        let service = if service.is_empty() { site.at(7001) } else { format!("{service}:7001") };
        let annotations = match annotation {
            "" => String::new(),
            name => format!("sluice.dev/upstream-sni: {name}"),
        };
        let service = format!("https://{service}");
        let site = site.annotated("a", &annotations, &service, "  host: \"*\"\n");
        let mut sluice = site.start_with(&["--hosts-file", &hosts]);
        let mut config = ca.client(None);
        config.enable_sni = named;
        let mut client = hello(&site.front(), "pay.example.com", &Arc::new(config)).unwrap();
        assert_eq!(greeting(&mut client), format!("tls {expected} unknown"), "{annotation} {service}");
        finish(&mut client);
        let _ = client.read_to_end(&mut Vec::new());
        sluice.closed();
    }
}
