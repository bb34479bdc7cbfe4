use rustls::{CipherSuite, NamedGroup};

use super::*;
use crate::config::model::fixtures::{origination, termination, vouched};
use crate::config::model::{Parameters, Verification, Versions};
use crate::tls::facts;

fn with(client: Parameters, server: Parameters) -> Result<Wire, Refusal> {
    let termination = termination(Authority::new().identity(Wish::default()));
    shake(
        Origination { parameters: client, ..origination(Verification::None) },
        Termination { parameters: server, ..termination },
    )
}

#[test]
fn versions_are_those_that_are_on() {
    let only = |tls12, tls13| Parameters { versions: Versions { tls12, tls13 }, ..Parameters::default() };
    for (client, server, agreed) in [
        (only(true, true), only(true, true), Some("TLSv1.3")),
        (only(true, false), only(true, true), Some("TLSv1.2")),
        (only(true, true), only(true, false), Some("TLSv1.2")),
        (only(false, true), only(true, true), Some("TLSv1.3")),
        (only(true, false), only(false, true), None),
        (only(false, true), only(true, false), None),
    ] {
        let version = with(client, server).map(|wire| facts(&wire.server.session).version);
        assert_eq!(version.ok(), agreed);
    }
}

#[test]
fn suites_of_tls_12_are_those_allowed_by_the_servers_preference() {
    use CipherSuite as C;
    let suites = |suites: &[C]| Parameters {
        versions: Versions { tls12: true, tls13: false },
        ciphers: Some(suites.to_vec()),
        ..Parameters::default()
    };
    let (a, b) =
        (C::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, C::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
    for (client, server, agreed) in [
        (suites(&[a, b]), suites(&[b, a]), Some("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256")),
        (suites(&[b, a]), suites(&[a, b]), Some("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")),
        (suites(&[b]), suites(&[a]), None),
    ] {
        let cipher = with(client, server).map(|wire| facts(&wire.server.session).cipher);
        assert_eq!(cipher.ok().as_deref(), agreed);
    }
}

#[test]
fn suites_of_tls_13_are_always_on() {
    let server = Parameters {
        ciphers: Some(vec![CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]),
        ..Parameters::default()
    };
    let wire = with(Parameters::default(), server).unwrap();
    assert!(facts(&wire.client.session).cipher.starts_with("TLS_AES_"));
}

#[test]
fn groups_are_those_allowed() {
    let groups =
        |groups: &[NamedGroup]| Parameters { groups: Some(groups.to_vec()), ..Parameters::default() };
    let wire = with(Parameters::default(), groups(&[NamedGroup::secp384r1])).unwrap();
    let group = wire.server.session.common().negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::secp384r1);
    assert!(with(groups(&[NamedGroup::X25519]), groups(&[NamedGroup::secp256r1])).is_err());
}

#[test]
fn protocols_are_agreed_on_in_the_servers_order_or_the_handshake_fails() {
    let alpn = |names: &[&str]| Parameters {
        alpn: names.iter().map(|name| name.as_bytes().into()).collect(),
        ..Parameters::default()
    };
    for (client, server, agreed) in [
        (&["http/1.1", "h2"][..], &["h2", "http/1.1"][..], Some(Some("h2"))),
        (&["postgresql"], &[], Some(None)),
        (&[], &["h2"], Some(None)),
        (&["postgresql"], &["h2"], None),
    ] {
        let protocol = with(alpn(client), alpn(server)).map(|wire| facts(&wire.client.session).alpn);
        assert_eq!(protocol.ok(), agreed.map(|name| name.map(str::to_owned)), "{client:?} {server:?}");
    }
}

#[test]
fn of_several_certificates_the_client_gets_one_that_it_can_verify() {
    let ca = Authority::new();
    let of = |algorithm| ca.identity(Wish { algorithm, ..Wish::default() });
    let (rsa, ecdsa, ed25519) =
        (of(&rcgen::PKCS_RSA_SHA256), of(&rcgen::PKCS_ECDSA_P384_SHA384), of(&rcgen::PKCS_ED25519));
    let suite = |suite| Parameters {
        versions: Versions { tls12: true, tls13: false },
        ciphers: Some(vec![suite]),
        ..Parameters::default()
    };
    let all = vec![ecdsa.clone(), rsa.clone(), ed25519.clone()];
    for (certificates, parameters, expected) in [
        (all.clone(), suite(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256), &rsa),
        (all.clone(), suite(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256), &ecdsa),
        (all, Parameters::default(), &ecdsa),
        (vec![ed25519.clone()], Parameters::default(), &ed25519),
    ] {
        let origination = Origination { parameters, ..origination(vouched(ca.trust())) };
        let wire = shake(origination, Termination { certificates, ..termination(rsa.clone()) }).unwrap();
        assert_eq!(wire.client.session.peer_certificate(), Some(&expected.key.cert[0]));
    }
}
