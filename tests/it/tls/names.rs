//! The name that a client asks for chooses certificate and upstream.

use std::sync::Arc;

use super::{Site, material};
use crate::harness::backend::Backend;
use crate::harness::client::read_all;
use crate::harness::tls::{backend, begin, echoed, finish, greeting, hello, tls12};
use std::io::Read;

#[test]
fn names_of_one_port_each_go_their_own_way() {
    let (ca, _) = material();
    let names = ["pay.example.com", "*.example.com", "*"];
    let leaf = ca.leaf(&["pay.example.com", "*.example.com", "other.org"]);
    let site = Site::new().certificate("all", &names, &leaf, "");
    let _backends = [
        Backend::named(&site.at(7001), "exact"),
        Backend::named(&site.at(7002), "wildcard"),
        Backend::named(&site.at(7003), "everything"),
    ];
    let services = [site.at(7001), site.at(7002), site.at(7003)];
    let site = site
        .mapping("a", &services[0], "  host: pay.example.com\n")
        .mapping("b", &services[1], "  host: \"*.example.com\"\n")
        .mapping("c", &services[2], "  host: \"*\"\n");
    let mut sluice = site.start();
    let config = Arc::new(ca.client(None));
    for (name, expected) in [
        ("pay.example.com", "exact"),
        ("PAY.example.com", "exact"),
        ("x.example.com", "wildcard"),
        ("other.org", "everything"),
    ] {
        let mut client = hello(&site.front(), name, &config).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, expected);
        finish(&mut client);
        let record = sluice.closed();
        assert_eq!(record["reason"], "finished", "{record}");
        assert_eq!((&record["sni"], &record["relay"]), (&name.to_lowercase().into(), &"tls".into()));
    }
}

#[test]
fn the_access_log_tells_what_was_agreed() {
    let (ca, leaf) = material();
    let spec = "  alpn_protocols: h2,http/1.1\n";
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, spec);
    let echo = Backend::echo(&site.at(7001));
    let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start();
    let mut tls13 = ca.client(None);
    tls13.alpn_protocols = vec![b"http/1.1".to_vec()];
    for (config, version, alpn, resumed) in [
        (Arc::new(tls12(&ca)), "TLSv1.2", None, false),
        (Arc::new(tls13), "TLSv1.3", Some("http/1.1"), false),
    ]
    .into_iter()
    .flat_map(|(config, version, alpn, _)| {
        [(Arc::clone(&config), version, alpn, false), (config, version, alpn, true)]
    }) {
        let mut client = hello(&site.front(), "pay.example.com", &config).unwrap();
        assert_eq!(echoed(&mut client, b"hello"), b"hello");
        finish(&mut client);
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "close_notify, not a bare FIN");
        let record = sluice.closed();
        assert_eq!(record["reason"], "finished", "{record}");
        assert_eq!((&record["received"], &record["sent"]), (&5.into(), &5.into()), "cleartext is counted");
        assert_eq!(record["tls_version"], version);
        assert_eq!(record["alpn"].as_str(), alpn);
        assert_eq!(record["tls_resumed"], resumed, "{record}");
        assert!(record["tls_cipher"].as_str().unwrap().starts_with("TLS_"), "{record}");
        assert!(record["client_subject"].is_null() && record["upstream_tls_version"].is_null());
    }
}

#[test]
fn passthrough_by_name_leaves_every_byte_to_the_upstream() {
    let (ca, leaf) = material();
    let site = Site::new();
    let _backend = backend(&site.at(7001), "first", leaf.server());
    let other = ca.leaf(&["other.example.com"]);
    let _other = backend(&site.at(7002), "second", other.server());
    let services = [site.at(7001), site.at(7002)];
    let passthrough = "sluice.dev/tls-mode: passthrough";
    let site = site.annotated("a", passthrough, &services[0], "  host: pay.example.com\n").annotated(
        "b",
        passthrough,
        &services[1],
        "  host: other.example.com\n",
    );
    let mut sluice = site.start();
    let config = Arc::new(ca.client(None));
    for (name, expected) in [("pay.example.com", "first"), ("other.example.com", "second")] {
        let mut client = hello(&site.front(), name, &config).unwrap();
        assert_eq!(greeting(&mut client), format!("{expected} {name} unknown"));
        assert_eq!(echoed(&mut client, b"hello"), b"hello");
        finish(&mut client);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        let record = sluice.closed();
        assert_eq!((&record["reason"], &record["relay"]), (&"finished".into(), &"splice".into()), "{record}");
        assert_eq!(record["sni"], name);
        assert!(record["tls_version"].is_null(), "it does not end here");
    }
}

#[test]
fn an_unknown_name_is_told_so_and_the_word_arrives() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let echo = Backend::echo(&site.at(7001));
    let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start();
    let mut without = ca.client(None);
    without.enable_sni = false;
    for config in [ca.client(None), without].map(Arc::new) {
        let mut client = begin(&site.front(), "other.example.com", &config);
        while client.conn.wants_write() {
            client.conn.write_tls(&mut client.sock).unwrap();
        }
        // The alert, and an end in order: no reset has overtaken it.
        let said = read_all(&mut client.sock);
        assert_eq!(said, [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70]);
        drop(client);
        let record = sluice.closed();
        assert_eq!((&record["reason"], &record["side"]), (&"unknown_name".into(), &"downstream".into()));
    }
    assert_eq!(echo.accepted(), 0, "a stranger costs no upstream connection");
}
