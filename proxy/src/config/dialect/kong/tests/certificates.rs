//! Certificates, their names, and authorities: PEM texts of the file.

use data_encoding::BASE64;

use super::{lower, lower_with};
use crate::config::material::fixtures::{Authority, Pair, pair, pair_in, pair_of};
use crate::config::model::{Authorities, Downstream, Termination, Verification};

/// A file with a `tls` route for everybody, and these entities, in JSON.
fn with(mut entities: serde_json::Value) -> String {
    entities["_format_version"] = "3.0".into();
    entities["services"] = serde_json::json!([{
        "name": "pay", "url": "tcp://10.0.0.1:1", "routes": [{"protocols": ["tls"], "sources": [{"ip": "0.0.0.0/0"}]}],
    }]);
    entities.to_string()
}

fn termination(text: &str) -> Termination {
    let outcome = lower(text, "0.0.0.0:8443 ssl");
    let Downstream::Terminate(termination) = &outcome.config.listeners[0].routes[0].downstream else {
        panic!("{:?}", outcome.all())
    };
    (**termination).clone()
}

fn certificate(pair: &Pair) -> serde_json::Value {
    serde_json::json!({"id": "c", "cert": pair.chain, "key": pair.key})
}

#[test]
fn names_stand_inside_certificates_and_beside_them() {
    let mut c = certificate(&pair("a"));
    c["snis"] = serde_json::json!([{"name": "a.test"}, {"name": "*.a.test"}]);
    let snis = serde_json::json!([{"name": "a.*", "certificate": {"id": "c"}}, {"name": "B.test.", "certificate": "c"}]);
    let termination = termination(&with(serde_json::json!({"certificates": [c], "snis": snis})));
    let names: Vec<_> = termination.named.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["a.test", "*.a.test", "a.*", "b.test"]);
    assert_eq!(&*termination.certificates[0].source, "made for localhost");
}

#[test]
fn the_name_of_all_is_the_default_and_kinds_of_keys_go_together() {
    let (rsa, ecdsa) = (pair_of("a", &rcgen::PKCS_RSA_SHA256), pair("a"));
    let mut c = certificate(&rsa);
    c["cert_alt"] = ecdsa.chain.clone().into();
    c["key_alt"] = ecdsa.key.clone().into();
    c["snis"] = serde_json::json!([{"name": "*"}]);
    let found = termination(&with(serde_json::json!({"certificates": [c]})));
    assert_eq!((found.certificates.len(), found.named.len()), (2, 0));
    assert_eq!(&*found.certificates[0].source, "certificate c");
}

#[test]
fn what_is_wrong_with_a_certificate_costs_it_and_its_names() {
    let (good, other) = (pair("a"), pair("b"));
    let mismatch = serde_json::json!({"cert": good.chain, "key": other.key});
    let same = serde_json::json!({"cert": good.chain, "key": good.key, "cert_alt": other.chain, "key_alt": other.key});
    let lonely = serde_json::json!({"cert": good.chain, "key": good.key, "cert_alt": other.chain});
    let vault = serde_json::json!({"cert": "{vault://env/cert}", "key": good.key});
    let cases = [
        (mismatch, "do not belong together"),
        (
            same,
            "certificates[0].cert_alt: certificate and alternative certificate need to have different type",
        ),
        (lonely, "certificates[0].key_alt: is missing; cert_alt needs it; give both or none"),
        (vault, "certificates[0].cert: is in a vault, and sluice opens none; write its PEM"),
        (serde_json::json!({"cert": good.chain}), "certificates[0].key: is missing; write its PEM"),
        (serde_json::json!({"cert": "x", "key": good.key}), "holds no certificate"),
        (serde_json::json!({"cert": good.chain, "key": 5}), "certificates[0].key: is not a string"),
        (
            serde_json::json!({"cert": good.chain, "key": good.key, "sni": []}),
            "unknown field \"sni\"; did you mean \"snis\"?",
        ),
    ];
    for (mut c, expected) in cases {
        c["snis"] = serde_json::json!([{"name": "a.test"}]);
        let outcome = lower(&with(serde_json::json!({"certificates": [c]})), "0.0.0.0:8443 ssl");
        let faults = outcome.faults();
        assert!(faults[0].contains(expected), "{faults:?}");
        let said = "snis[0].certificate: certificate certificates[0] is in error; clients get the default certificate";
        assert!(faults[1].contains(said), "{faults:?}");
        assert!(!faults.concat().contains("PRIVATE KEY"), "{faults:?}");
        assert_eq!(outcome.served(), ["0.0.0.0:8443: tls * from 0.0.0.0/0 ends, service pay 10.0.0.1:1"]);
    }
}

#[test]
fn names_that_nobody_can_ask_for_are_refused() {
    for (name, expected) in [
        ("1.2.3.4", "must not be an IP"),
        ("a.test:1", "must not have a port"),
        ("*.a.*", "only one wildcard must be specified"),
        ("a.*.test", "the wildcard must be the leftmost or the rightmost label"),
        ("-", "is no DNS name"),
    ] {
        let mut c = certificate(&pair("a"));
        c["snis"] = serde_json::json!([{"name": name}]);
        let faults = lower(&with(serde_json::json!({"certificates": [c]})), "0.0.0.0:8443 ssl").faults();
        assert!(faults.len() == 1 && faults[0].contains(expected), "{faults:?}");
    }
}

#[test]
fn authorities_are_authorities_one_each_and_in_date() {
    let ca = Authority::new("ca");
    let of = |cert: &str| {
        let text = format!(
            "{{\"_format_version\": \"3.0\", \"ca_certificates\": [{{\"id\": \"d\", \"cert\": {}}}], \"services\": [{{\"name\": \"pay\", \
             \"url\": \"tls://a\", \"tls_verify\": true, \"ca_certificates\": [\"d\"], \"routes\": [{{\"protocols\": [\"tcp\"], \
             \"sources\": [{{\"port\": 1}}]}}]}}]}}",
            serde_json::Value::from(cert)
        );
        lower(&text, "0.0.0.0:9000")
    };
    let outcome = of(&ca.pem);
    assert_eq!(outcome.all(), Vec::<String>::new());
    let verification = &outcome.only().originate.as_ref().unwrap().verification;
    let Verification::Chain { authorities: Authorities::Given(trust), depth, .. } = verification else {
        panic!()
    };
    assert_eq!((&*trust.source, trust.roots.len(), *depth), ("ca_certificate d", 1, Some(1)));
    let cases = [
        (pair("a").chain, "is no authority's"),
        (format!("{}{}", ca.pem, ca.pem), "please submit only one certificate at a time: there are 2"),
        ("x".to_owned(), "holds no certificate"),
    ];
    for (cert, expected) in cases {
        let outcome = of(&cert);
        let faults = outcome.faults();
        assert!(
            faults.iter().any(|fault| fault.contains("ca_certificate d") && fault.contains(expected)),
            "{faults:?}"
        );
        assert!(
            faults.iter().any(|fault| fault.contains("service pay") && fault.contains("is in error")),
            "{faults:?}"
        );
        assert_eq!(outcome.served(), ["0.0.0.0:9000: any goes on, refused"]);
    }
}

#[test]
fn a_certificate_out_of_date_is_used_with_a_warning() {
    let c = certificate(&pair_in("a", (2000, 2001)));
    let faults = lower(&with(serde_json::json!({"certificates": [c]})), "0.0.0.0:8443 ssl").faults();
    assert!(faults.len() == 1 && faults[0].contains("it is used all the same: renew it"), "{faults:?}");
}

/// Kong takes the PEM itself for a file's name, plain or in base64.
#[test]
fn a_default_certificate_may_be_given_as_it_is() {
    let (rsa, ecdsa) = (pair_of("a", &rcgen::PKCS_RSA_SHA256), pair("a"));
    let with_pair = |cert: &str, key: &str| {
        lower_with(&with(serde_json::json!({})), |kong| {
            kong.stream_listen = "0.0.0.0:8443 ssl".to_owned();
            (kong.ssl_cert, kong.ssl_cert_key) = (cert.to_owned(), key.to_owned());
        })
    };
    let both = |plain: &str, other: &str| format!("{plain},{}", BASE64.encode(other.as_bytes()));
    let outcome = with_pair(&both(&rsa.chain, &ecdsa.chain), &both(&rsa.key, &ecdsa.key));
    assert_eq!(outcome.faults(), Vec::<String>::new());
    let Downstream::Terminate(found) = &outcome.config.listeners[0].routes[0].downstream else { panic!() };
    assert_eq!(found.certificates.len(), 2);

    let cut = ecdsa.key.replace("-----BEGIN PRIVATE", "PRIVATE");
    let cases = [
        (&ecdsa.chain, "/nowhere/key.pem", "is a file and the other a PEM text; give both in one way"),
        (&rsa.chain, &ecdsa.key, "ssl_cert and ssl_cert_key do not belong together"),
        (&ecdsa.chain, &cut, "ssl_cert_key is no well-formed PEM"),
    ];
    for (cert, key, expected) in cases {
        let faults = with_pair(cert, key).faults();
        assert!(faults[0].starts_with("ssl_cert: ") && faults[0].contains(expected), "{faults:?}");
        assert!(key.lines().skip(1).all(|line| !faults[0].contains(line)), "{faults:?}");
    }
}

/// A list, as Kong has it.
#[test]
fn authorities_of_settings_are_files_texts_and_the_system() {
    let (file, text) = (Authority::new("file"), Authority::new("text"));
    let path = std::env::temp_dir().join(format!("sluice-kong-ca-{}.pem", std::process::id()));
    std::fs::write(&path, &file.pem).unwrap();
    let service = "_format_version: '3.0'\nservices: [{name: pay, url: 'tls://a', tls_verify: true, routes: [{protocols: [tcp], \
                   sources: [{port: 1}]}]}]";
    let of = |trusted: &str| {
        let outcome = lower_with(service, |kong| {
            kong.stream_listen = "0.0.0.0:9000".to_owned();
            kong.trusted_certificate = trusted.to_owned();
        });
        assert_eq!(outcome.all(), Vec::<String>::new());
        match &outcome.only().originate.as_ref().unwrap().verification {
            Verification::Chain { authorities: Authorities::Given(trust), .. } => {
                Some((trust.source.to_string(), trust.roots.len()))
            }
            _ => None,
        }
    };
    let name = path.display();
    assert_eq!(of("system, system"), None);
    let both = Some((format!("{name}, lua_ssl_trusted_certificate"), 2));
    assert_eq!(of(&format!("{name}, {}", BASE64.encode(text.pem.as_bytes()))), both);
    let (source, count) = of(&format!("system,{name}")).unwrap();
    assert!(source == format!("system, {name}") && count > 1, "{source} {count}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_default_certificate_that_cannot_be_read_is_not_replaced() {
    let outcome = lower_with(&with(serde_json::json!({})), |kong| {
        kong.stream_listen = "0.0.0.0:8443 ssl".to_owned();
        kong.ssl_cert = "/nowhere/cert.pem".to_owned();
        kong.ssl_cert_key = "/nowhere/key.pem".to_owned();
    });
    assert!(
        outcome.faults()[0].starts_with("ssl_cert: /nowhere/cert.pem cannot be read"),
        "{:?}",
        outcome.faults()
    );
    assert_eq!(outcome.served(), ["0.0.0.0:8443: any goes on, refused"]);
}
