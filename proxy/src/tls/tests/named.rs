//! Which certificate is shown for which name, and that no session is taken up under another.

use std::sync::Mutex;

use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, NamedGroup};

use super::*;
use crate::config::model::CertificateName::{Before, Behind, Exact};
use crate::config::model::fixtures::{origination, termination, vouched};
use crate::config::model::{CertificateName, Identity, NameSent, Verification};
use crate::tls::facts;
use crate::tls::verifier::UpstreamVerifier;

/// A server with a certificate for each of these names, and one for the rest.
struct Shop {
    ca: Authority,
    terminator: Terminator,
    rest: Identity,
    named: Vec<(CertificateName, Identity)>,
}

impl Shop {
    fn new(names: Vec<CertificateName>) -> Self {
        let ca = Authority::new();
        let rest = ca.identity(Wish::default());
        let named: Vec<_> = names.into_iter().map(|name| (name, ca.identity(Wish::default()))).collect();
        let mut termination = termination(rest.clone());
        termination.named =
            named.iter().map(|(name, identity)| (name.clone(), vec![identity.clone()])).collect();
        Self { ca, terminator: terminator(termination), rest, named }
    }

    /// For which name the certificate is that a client of this name is shown; `-` is the rest.
    fn shows(&self, sent: NameSent) -> String {
        let origination = Origination { server_name: sent, ..origination(vouched(self.ca.trust())) };
        let mut wire = Wire::new(&originator(origination), &self.terminator);
        wire.settle(usize::MAX).unwrap();
        let shown = wire.client.session.peer_certificate().unwrap();
        let is = |identity: &Identity| identity.key.cert[0] == *shown;
        match self.named.iter().find(|(_, identity)| is(identity)) {
            Some((name, _)) => name.to_string(),
            None => is(&self.rest).then(|| "-".to_owned()).unwrap(),
        }
    }
}

#[test]
fn the_exact_name_comes_first_then_wildcards_of_one_label_then_the_rest() {
    let shop = Shop::new(vec![
        Behind("example.".into()),
        Before(".example.com".into()),
        Exact("pay.example.com".into()),
        Before(".b.example.com".into()),
        Behind("pay.example.".into()),
        Exact("org".into()),
    ]);
    for (name, expected) in [
        ("pay.example.com", "pay.example.com"),
        ("PAY.Example.com", "pay.example.com"),
        ("other.example.com", "*.example.com"),
        ("a.other.example.com", "-"),
        ("a.b.example.com", "*.b.example.com"),
        ("b.example.com", "*.example.com"),
        ("pay.example.org", "pay.example.*"),
        ("example.com", "example.*"),
        ("example.co.uk", "-"),
        ("example", "-"),
        ("org", "org"),
        ("net", "-"),
    ] {
        assert_eq!(shop.shows(NameSent::Fixed(name.into())), expected, "{name}");
    }
    assert_eq!(shop.shows(NameSent::Nothing), "-");
}

/// Gives a client any session that it remembers, whatever the name it asks for.
#[derive(Debug, Default)]
struct Forgetful {
    tls12: Mutex<Option<Tls12ClientSessionValue>>,
    tls13: Mutex<Vec<Tls13ClientSessionValue>>,
}

impl ClientSessionStore for Forgetful {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        *self.tls12.lock().unwrap() = Some(session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.tls12.lock().unwrap().clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.tls13.lock().unwrap().push(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.tls13.lock().unwrap().pop()
    }
}

#[test]
fn a_session_of_one_name_is_not_taken_up_under_another() {
    let shop = Shop::new(vec![Exact("a.example.com".into()), Exact("b.example.com".into())]);
    for version in [&TLS12, &TLS13] {
        for (first, second, resumed) in [
            ("a.example.com", "a.example.com", true),
            ("a.example.com", "b.example.com", false),
            ("a.example.com", "other.example.com", false),
            ("x.example.com", "y.example.com", false),
            ("a.example.com", "10.0.0.1", false),
        ] {
            let provider = Arc::clone(crate::crypto::provider());
            let algorithms = provider.signature_verification_algorithms;
            let verifier = UpstreamVerifier::new(&Verification::None, algorithms, &Default::default());
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[version])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier.unwrap_or_else(|why| panic!("{why}"))))
                .with_no_client_auth();
            config.resumption = Resumption::store(Arc::new(Forgetful::default()));
            let config = Arc::new(config);
            let shake = |name: &'static str| {
                let client = Session::client(Arc::clone(&config), name.try_into().unwrap()).unwrap();
                let server = End::new(shop.terminator.session().unwrap());
                let mut wire = Wire { client: End::new(client), server };
                wire.settle(usize::MAX).unwrap();
                facts(&wire.server.session).resumed
            };
            assert!(!shake(first));
            assert_eq!(shake(second), resumed, "{first}, then {second}, {version:?}");
        }
    }
}

#[test]
fn an_upstreams_sessions_are_remembered_by_the_name_sent() {
    let ca = Authority::new();
    let originator =
        originator(Origination { server_name: NameSent::Client, ..origination(vouched(ca.trust())) });
    let terminator = terminator(termination(ca.identity(Wish::default())));
    let host = Host::Name("svc.example.com".into());
    for (client, resumed) in
        [(Some("a.org"), false), (Some("b.org"), false), (Some("a.org"), true), (None, false), (None, true)]
    {
        let mut wire = Wire::new(&originator, &terminator);
        wire.client = End::new(originator.session(&host, client).unwrap());
        wire.settle(usize::MAX).unwrap();
        assert_eq!(facts(&wire.server.session).resumed, resumed, "{client:?}");
    }
}
