//! How TLS and the PROXY protocol are shown.

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, NamedGroup};
use serde_json::json;

use super::{listener, tls};
use crate::config::model::{
    Authorities, CertificateName, ClientCertificates, Downstream, Identity, Listener, NameSent, NamesChecked,
    Origination, Parameters, PrivateKey, ProxySources, SanPattern, SocketOptions, Termination, Trust,
    Verification, Versions,
};
use crate::crypto;

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let private_key = PrivateKey::new(key.clone_key());
    let key = CertifiedKey::from_der(vec![made.cert.der().clone()], key, crypto::provider()).unwrap();
    Identity { source: "Secret default/s".into(), key: Arc::new(key), private_key, expires: 1_767_225_600 }
}

#[test]
fn termination_shows_who_declared_it_and_until_when_it_works() {
    let own = identity();
    let trust = Trust { source: "/ca.pem".into(), roots: vec![own.key.cert[0].clone()], revoked: vec![] };
    let termination = Termination {
        name: "TLSContext default/pay".into(),
        certificates: vec![own],
        named: vec![(CertificateName::Before(".x".into()), vec![identity()])],
        clients: ClientCertificates::Required(trust),
        parameters: Parameters {
            versions: Versions { tls12: false, tls13: true },
            ciphers: Some(vec![CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]),
            groups: Some(vec![NamedGroup::X25519]),
            alpn: vec![b"h2".as_slice().into()],
        },
    };
    let expected = json!({ "terminate": {
        "name": "TLSContext default/pay",
        "certificates": [{ "source": "Secret default/s", "expires": "2026-01-01T00:00:00Z" }],
        "named": [{ "server_name": "*.x", "certificates": [{ "source": "Secret default/s", "expires": "2026-01-01T00:00:00Z" }] }],
        "client_certificates": "required",
        "authorities": { "source": "/ca.pem", "certificates": 1, "revocation_lists": 0 },
        "parameters": {
            "versions": ["1.3"],
            "cipher_suites": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
            "groups": ["X25519"],
            "alpn": ["h2"],
        },
    }});
    assert_eq!(tls::downstream(&Downstream::Terminate(Arc::new(termination))), expected);
    assert_eq!(tls::downstream(&Downstream::Raw), json!("raw"));
}

#[test]
fn origination_shows_what_it_shows_and_what_it_asks() {
    let mut origination = Origination {
        name: "TLSContext default/up".into(),
        identity: Some(Identity { expires: i64::MAX, ..identity() }),
        server_name: NameSent::Fixed("up.example.com".into()),
        verification: Verification::Chain {
            authorities: Authorities::System,
            names: NamesChecked::Sent,
            depth: Some(1),
        },
        parameters: Parameters::default(),
    };
    let shown = tls::originate(&origination);
    assert_eq!(shown["verification"], json!({ "authorities": "system", "names": "sent", "depth": 1 }));
    // Later than RFC 3339 can write.
    assert_eq!(shown["certificate"], json!({ "source": "Secret default/s", "expires": null }));
    assert_eq!(
        (&shown["server_name"], &shown["parameters"]["groups"]),
        (&json!("up.example.com"), &json!(null))
    );

    let trust = Trust { source: "Secret default/ca".into(), roots: vec![], revoked: vec![] };
    let names = vec![
        SanPattern::Dns("a".into()),
        SanPattern::Uri("spiffe://a/b".into()),
        SanPattern::Ip([10, 0, 0, 1].into()),
    ];
    let authorities = Authorities::Given(trust);
    origination.verification =
        Verification::Chain { authorities, names: NamesChecked::OneOf(names), depth: None };
    let shown = tls::originate(&origination);
    assert_eq!(shown["verification"]["names"], json!(["dns:a", "uri:spiffe://a/b", "ip:10.0.0.1"]));
}

#[test]
fn a_listener_shows_whose_headers_it_takes() {
    let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap());
    for (sources, expected) in [
        (None, json!(null)),
        (Some(ProxySources::Everyone), json!({ "from": "everyone" })),
        (Some(ProxySources::Networks(networks.to_vec())), json!({ "from": ["10.0.0.0/8", "2001:db8::/32"] })),
    ] {
        let bind = "127.0.0.1:1".parse().unwrap();
        let shown = listener(&Listener {
            bind,
            proxy_protocol: sources,
            prelude: None,
            socket: SocketOptions::default(),
            routes: Vec::new(),
        });
        assert_eq!(shown["proxy_protocol"], expected);
    }
}
