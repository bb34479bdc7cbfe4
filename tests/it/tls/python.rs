//! Python's ssl module as a client.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::{Site, material};
use crate::harness::backend::Backend;
use crate::harness::program::{file, run};
use crate::harness::sluice::Sluice;
use crate::harness::tls::{Ca, Leaf, secret};

const CLIENT: &str = include_str!("client.py");

/// A client of this site as it usually is, for tests to change.
fn wish(site: &Site, ca: &Ca) -> Value {
    json!({
        "address": site.host,
        "port": 7000,
        "name": "pay.example.com",
        "ca": file("ca", &ca.pem),
        "version": "TLSv1_3",
        "alpn": [],
        "identity": null,
        "end": "unwrap",
        "rounds": 1,
    })
}

/// What it met, a round each.
fn rounds(wish: &Value) -> Vec<Value> {
    let said = run("python3", &["-c", CLIENT, &wish.to_string()], b"");
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"))
}

/// Expects one round, ended by this alert.
fn alerted(met: &[Value], alert: &str) {
    let [met] = met else { panic!("{met:?}") };
    assert!(met["error"].as_str().is_some_and(|error| error.contains(alert)), "{met} and not {alert}");
}

fn with(mut wish: Value, changes: &[(&str, Value)]) -> Value {
    for (name, value) in changes {
        wish[*name] = value.clone();
    }
    wish
}

#[test]
fn either_version_names_protocols_and_resumes() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "  alpn_protocols: h2,http/1.1\n");
    let echo = Backend::echo(&site.at(7001));
    let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start();
    for (version, word) in [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")] {
        for (offered, agreed) in
            [(json!([]), Value::Null), (json!(["spdy/1", "http/1.1"]), json!("http/1.1"))]
        {
            let changes = [("version", json!(version)), ("alpn", offered), ("rounds", json!(2))];
            for (round, met) in rounds(&with(wish(&site, &ca), &changes)).iter().enumerate() {
                let expected =
                    json!({"version": word, "alpn": agreed, "heard": "hello", "resumed": round > 0});
                assert_eq!(met, &expected);
                let record = sluice.closed();
                assert_eq!((&record["reason"], &record["alpn"]), (&json!("finished"), &agreed), "{record}");
                assert_eq!(
                    (&record["tls_version"], &record["tls_resumed"]),
                    (&json!(word), &json!(round > 0)),
                    "{record}"
                );
                assert_eq!(record["sni"], "pay.example.com");
            }
        }
        let changes = [("version", json!(version)), ("alpn", json!(["spdy/1"]))];
        let met = rounds(&with(wish(&site, &ca), &changes));
        alerted(&met, "no application protocol");
        assert_eq!(sluice.closed()["reason"], "handshake_failed");
    }
}

#[test]
fn the_name_chooses_the_certificate() {
    let ca = Ca::new();
    let mut site = Site::new();
    for (name, port) in [("one.example.com", 7001), ("two.example.com", 7002)] {
        let backend = Backend::echo(&site.at(port));
        let context = name.split('.').next().unwrap();
        site = site.certificate(context, &[name], &ca.leaf(&[name]), "").mapping(
            context,
            &backend.address.to_string(),
            &format!("  host: {name}\n"),
        );
    }
    let mut sluice = site.start();
    // Python compares the certificate with the name.
    for name in ["one.example.com", "two.example.com"] {
        let met = rounds(&with(wish(&site, &ca), &[("name", json!(name))]));
        assert_eq!(met[0]["heard"], "hello", "{met:?}");
        let record = sluice.closed();
        assert_eq!((&record["reason"], &record["sni"]), (&json!("finished"), &json!(name)), "{record}");
    }
    for name in [json!("three.example.com"), Value::Null] {
        let met = rounds(&with(wish(&site, &ca), &[("name", name)]));
        alerted(&met, "unrecognized name");
        assert_eq!(sluice.closed()["reason"], "unknown_name");
    }
}

#[test]
fn a_certificate_is_asked_for_in_either_version() {
    let (ca, leaf) = material();
    let site = Site::new().with(&secret("ca", &[("ca.crt", &ca.pem)])).certificate(
        "pay",
        &["pay.example.com"],
        &leaf,
        "  ca_secret: ca\n  cert_required: true\n",
    );
    let echo = Backend::echo(&site.at(7001));
    let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start();
    let (alice, stranger) = (ca.leaf(&["alice"]), Ca::new().leaf(&["mallory"]));
    let pair = |leaf: &Leaf| json!([file("chain", &leaf.chain), file("key", &leaf.key)]);
    for version in ["TLSv1_2", "TLSv1_3"] {
        let wish = with(wish(&site, &ca), &[("version", json!(version))]);
        let met = rounds(&with(wish.clone(), &[("identity", pair(&alice)), ("rounds", json!(2))]));
        for round in [0, 1] {
            assert_eq!((&met[round]["heard"], &met[round]["resumed"]), (&json!("hello"), &json!(round > 0)));
            let record = sluice.closed();
            assert_eq!(
                (&record["reason"], &record["client_subject"], &record["tls_resumed"]),
                (&json!("finished"), &json!("CN=alice"), &json!(round > 0)),
                "{record}"
            );
        }
        for (identity, alert) in [(Value::Null, "certificate required"), (pair(&stranger), "unknown ca")] {
            alerted(&rounds(&with(wish.clone(), &[("identity", identity)])), alert);
            assert_eq!(sluice.closed()["reason"], "client_certificate");
        }
    }
    assert_eq!(echo.accepted(), 4, "who is refused costs no upstream connection");
}

/// Says what it heard, and ends.
fn answering(site: &Site) -> Backend {
    Backend::serve(&site.at(7001), |mut stream| {
        let mut words = [0; 64];
        let n = stream.read(&mut words).unwrap();
        stream.write_all(&words[..n]).unwrap();
    })
}

fn closed(sluice: &mut Sluice) -> Value {
    let record = sluice.closed();
    assert_eq!((&record["received"], &record["sent"]), (&json!(5), &json!(5)), "{record}");
    record["reason"].clone()
}

#[test]
fn who_ends_without_close_notify_is_cut_short_only_where_it_could_have_said_more() {
    let (ca, hosts) = (Ca::new(), ["pay.example.com", "open.example.com"]);
    let site = Site::new().certificate("pay", &hosts, &ca.leaf(&hosts), "");
    let (ends, stays) = (answering(&site), Backend::echo(&site.at(7002)));
    let site = site.mapping("ends", &ends.address.to_string(), "  host: pay.example.com\n").mapping(
        "stays",
        &stays.address.to_string(),
        "  host: open.example.com\n",
    );
    let mut sluice = site.start();
    for version in ["TLSv1_2", "TLSv1_3"] {
        for (name, end, expected) in [
            // Its upstream has ended, and it has heard so.
            ("pay.example.com", "hear", "finished"),
            ("pay.example.com", "unwrap", "finished"),
            ("open.example.com", "unwrap", "finished"),
            // Its upstream waits for more.
            ("open.example.com", "close", "downstream_truncated"),
        ] {
            let changes = [("version", json!(version)), ("name", json!(name)), ("end", json!(end))];
            let met = rounds(&with(wish(&site, &ca), &changes));
            assert_eq!((&met[0]["heard"], &met[0]["error"]), (&json!("hello"), &Value::Null), "{met:?}");
            assert_eq!(closed(&mut sluice), expected, "{version} {name} {end}");
        }
    }
}
