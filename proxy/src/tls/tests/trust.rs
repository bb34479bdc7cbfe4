use rcgen::SanType;

use super::*;
use crate::config::model::fixtures::{dns, origination, self_signed, termination, vouched};
use crate::config::model::{
    Authorities, ClientCertificates, Identity, NameSent, NamesChecked, SanPattern, Trust, Verification,
};
use crate::tls::facts;

fn named(trust: Trust, names: NamesChecked) -> Verification {
    Verification::Chain { authorities: Authorities::Given(trust), names, depth: None }
}

/// What a client makes of a server's certificate: the error, if there is one.
fn verdict(identity: Identity, verification: Verification) -> Result<(), String> {
    match shake(origination(verification), termination(identity)) {
        Ok(_) => Ok(()),
        Err(Refusal::ByClient(error)) => Err(error.to_string()),
        Err(Refusal::ByServer(error)) => panic!("the server has nothing to refuse: {error}"),
    }
}

#[test]
fn an_upstream_is_verified_as_declared() {
    let (ca, other) = (Authority::new(), Authority::new());
    let good = || ca.identity(Wish::default());
    let invalid = |why: &str| Err(format!("invalid peer certificate: {why}"));
    for (identity, verification, expected) in [
        (self_signed((2000, 2001)), Verification::None, Ok(())),
        (good(), vouched(ca.trust()), Ok(())),
        (good(), vouched(other.trust()), invalid("UnknownIssuer")),
        (
            ca.identity(Wish { years: (2000, 2001), ..Wish::default() }),
            vouched(ca.trust()),
            invalid("Expired"),
        ),
        (
            ca.identity(Wish { years: (2090, 2100), ..Wish::default() }),
            vouched(ca.trust()),
            invalid("NotValidYet"),
        ),
        (
            ca.identity(Wish { serial: 7, ..Wish::default() }),
            vouched(ca.trust_without(7)),
            invalid("Revoked"),
        ),
        (ca.identity(Wish { serial: 8, ..Wish::default() }), vouched(ca.trust_without(7)), Ok(())),
    ] {
        assert_eq!(verdict(identity, verification), expected);
    }
}

#[test]
fn a_certificate_that_is_trusted_by_itself_is_good_while_it_lasts() {
    let trust = |identity: &Identity| Trust {
        source: "test".into(),
        roots: identity.key.cert.clone(),
        revoked: Vec::new(),
    };
    let (mine, theirs, old) =
        (self_signed((2020, 2100)), self_signed((2020, 2100)), self_signed((2000, 2001)));
    assert_eq!(verdict(mine.clone(), vouched(trust(&mine))), Ok(()));
    assert!(verdict(theirs, vouched(trust(&mine))).is_err());
    let expired = Err("invalid peer certificate: Expired".to_owned());
    assert_eq!(verdict(old.clone(), vouched(trust(&old))), expired);
}

#[test]
fn names_are_looked_for_among_the_certificates_own() {
    use SanPattern::{Dns, Ip, Uri};
    let ca = Authority::new();
    let spiffe = "spiffe://cluster.local/ns/default/sa/pay";
    let uri = SanType::URI(spiffe.try_into().unwrap());
    let mesh = || ca.identity(Wish { names: vec![uri.clone()], ..Wish::default() });
    let host = || {
        let names = vec![dns("*.example.com"), SanType::IpAddress("10.0.0.1".parse().unwrap())];
        ca.identity(Wish { names, ..Wish::default() })
    };
    for (identity, names, good) in [
        (mesh(), vec![Uri(spiffe.into())], true),
        (mesh(), vec![Dns("x".into()), Uri(spiffe.into())], true),
        (mesh(), vec![Uri("spiffe://cluster.local/ns/default/sa/paying".into())], false),
        (mesh(), vec![Dns("pay.example.com".into())], false),
        (host(), vec![Dns("pay.example.com".into())], true),
        (host(), vec![Dns("a.pay.example.com".into())], false),
        (host(), vec![Dns("example.com".into())], false),
        (host(), vec![Ip("10.0.0.1".parse().unwrap())], true),
        (host(), vec![Ip("10.0.0.2".parse().unwrap())], false),
    ] {
        let expected =
            if good { Ok(()) } else { Err("invalid peer certificate: NotValidForName".to_owned()) };
        let names = NamesChecked::OneOf(names);
        assert_eq!(verdict(identity, named(ca.trust(), names.clone())), expected, "{names:?}");
    }
}

#[test]
fn the_name_that_is_sent_is_looked_for_or_the_host_that_is_dialled() {
    use NameSent::{Client, Fixed, Host as OfHost, Nothing};
    let ca = Authority::new();
    let address = SanType::IpAddress("10.0.0.1".parse().unwrap());
    let (svc, fixed, asked) = (dns("svc.example.com"), dns("fixed.example.com"), dns("c.example.com"));
    let (name, ip) = (Host::Name("svc.example.com".into()), Host::Ip("10.0.0.1".parse().unwrap()));
    let of_fixed = Fixed("fixed.example.com".into());
    let client = Some("c.example.com");
    // (the certificate's name, what is sent, the host, the client's name, what arrives, whether it is good)
    for (has, sent, host, client, arrives, good) in [
        (&fixed, &of_fixed, &name, None, Some("fixed.example.com"), true),
        (&svc, &of_fixed, &name, None, Some("fixed.example.com"), false),
        (&svc, &OfHost, &name, client, Some("svc.example.com"), true),
        (&address, &OfHost, &ip, client, None, true),
        (&svc, &OfHost, &ip, None, None, false),
        (&asked, &Client, &name, client, client, true),
        (&asked, &Client, &ip, client, client, true),
        (&svc, &Client, &name, client, client, false),
        (&svc, &Client, &name, None, Some("svc.example.com"), true),
        (&svc, &Client, &name, Some("c:443"), Some("svc.example.com"), true),
        (&address, &Client, &ip, None, None, true),
        (&svc, &Nothing, &name, client, None, true),
        (&asked, &Nothing, &name, client, None, false),
        (&address, &Nothing, &ip, None, None, true),
    ] {
        let case = format!("{sent:?} {host:?} {client:?} with {has:?}");
        let shown = ca.identity(Wish { names: vec![has.clone()], ..Wish::default() });
        let verification = named(ca.trust(), NamesChecked::Sent);
        let originator = originator(Origination { server_name: sent.clone(), ..origination(verification) });
        let mut wire = Wire::new(&originator, &terminator(termination(shown)));
        wire.client = End::new(originator.session(host, client).unwrap());
        wire.client.read().unwrap();
        let hello = wire.client.output.filled();
        let says = |name: &str| hello.windows(name.len()).any(|window| window == name.as_bytes());
        for name in ["fixed.example.com", "svc.example.com", "c.example.com", "10.0.0.1"] {
            let ends_another = arrives.is_some_and(|arrives| arrives.ends_with(name));
            assert_eq!(says(name), arrives == Some(name) || ends_another, "{case}: {name}");
        }
        assert_eq!(wire.settle(usize::MAX).is_ok(), good, "{case}");
    }
}

#[test]
fn a_chain_is_as_long_as_allowed_at_most() {
    let root = Authority::new();
    let first = root.intermediate();
    let second = first.intermediate();
    let verify = |authority: &Authority, trusted: &Authority, depth| {
        let authorities = Authorities::Given(trusted.trust());
        let shown = authority.identity(Wish::default());
        verdict(shown, Verification::Chain { authorities, names: NamesChecked::Any, depth }).is_ok()
    };
    for (between, authority) in [&root, &first, &second].into_iter().enumerate() {
        for depth in 0..4_u8 {
            assert_eq!(
                verify(authority, &root, Some(depth)),
                between <= depth.into(),
                "{between} at {depth}"
            );
        }
        assert!(verify(authority, &root, None));
    }
    // Counted from the certificate that is trusted, whoever vouches for that one.
    assert!(verify(&second, &first, Some(1)) && !verify(&second, &first, Some(0)));
    let mine = self_signed((2020, 2100));
    let trust = Trust { source: "test".into(), roots: mine.key.cert.clone(), revoked: Vec::new() };
    let authorities = Authorities::Given(trust);
    let alone = Verification::Chain { authorities, names: NamesChecked::Any, depth: Some(0) };
    assert_eq!(verdict(mine, alone), Ok(()));
}

#[test]
fn system_roots_do_not_vouch_for_strangers() {
    let roots = super::super::contexts::SystemRoots::default();
    if roots.get().is_err() {
        // A machine without ca-certificates; that it is told is tested where contexts are.
        return;
    }
    let stranger = Authority::new().identity(Wish::default());
    let unknown = Err("invalid peer certificate: UnknownIssuer".to_owned());
    let (authorities, names) = (Authorities::System, NamesChecked::Any);
    assert_eq!(verdict(stranger, Verification::Chain { authorities, names, depth: None }), unknown);
}

#[test]
fn clients_are_verified_as_declared() {
    use ClientCertificates::{Ignored, Required, Verified};
    let (ca, other) = (Authority::new(), Authority::new());
    let good = || Some(ca.identity(Wish::default()));
    let stranger = || Some(other.identity(Wish::default()));
    let revoked = || Some(ca.identity(Wish { serial: 7, ..Wish::default() }));
    let invalid = |why: &str| Err(format!("invalid peer certificate: {why}"));
    let absent = || Err("peer sent no certificates".to_owned());
    for (client, asked, expected) in [
        (None, Ignored, Ok(None)),
        (stranger(), Ignored, Ok(None)),
        (None, Verified(ca.trust()), Ok(None)),
        (good(), Verified(ca.trust()), Ok(Some("CN=pay"))),
        (stranger(), Verified(ca.trust()), invalid("UnknownIssuer")),
        (good(), Required(ca.trust()), Ok(Some("CN=pay"))),
        (good(), Required(ca.trust_without(7)), Ok(Some("CN=pay"))),
        (None, Required(ca.trust()), absent()),
        (stranger(), Required(ca.trust()), invalid("UnknownIssuer")),
        (revoked(), Required(ca.trust_without(7)), invalid("Revoked")),
    ] {
        let termination = Termination { clients: asked, ..termination(ca.identity(Wish::default())) };
        let origination = Origination { identity: client, ..origination(Verification::None) };
        let outcome = match shake(origination, termination) {
            Ok(wire) => Ok(facts(&wire.server.session).subject),
            Err(Refusal::ByServer(error)) => Err(error.to_string()),
            Err(Refusal::ByClient(error)) => panic!("the client has nothing to refuse: {error}"),
        };
        assert_eq!(outcome, expected.map(|subject| subject.map(str::to_owned)));
    }
}

#[test]
fn a_resumed_client_is_still_who_it_was() {
    let ca = Authority::new();
    let termination = termination(ca.identity(Wish::default()));
    let terminator =
        terminator(Termination { clients: ClientCertificates::Required(ca.trust()), ..termination });
    let identity = Some(ca.identity(Wish::default()));
    let originator = originator(Origination { identity, ..origination(Verification::None) });
    for resumed in [false, true] {
        let mut wire = Wire::new(&originator, &terminator);
        wire.settle(usize::MAX).unwrap();
        let facts = facts(&wire.server.session);
        assert_eq!((facts.resumed, facts.subject.as_deref()), (resumed, Some("CN=pay")));
    }
}
