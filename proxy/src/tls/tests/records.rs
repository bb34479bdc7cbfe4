use super::*;
use crate::config::model::fixtures::{origination, termination, vouched};
use crate::config::model::{Parameters, Versions};
use crate::tls::{Status, facts};

fn pair(versions: Versions) -> (Originator, Terminator) {
    let ca = Authority::new();
    let parameters = Parameters { versions, ..Parameters::default() };
    let termination = termination(ca.identity(Wish::default()));
    (
        originator(Origination { parameters: parameters.clone(), ..origination(vouched(ca.trust())) }),
        terminator(Termination { parameters, ..termination }),
    )
}

const BOTH: [Versions; 2] = [Versions { tls12: true, tls13: false }, Versions { tls12: false, tls13: true }];

#[test]
fn bytes_come_through_whole_however_records_are_cut() {
    for versions in BOTH {
        let (originator, terminator) = pair(versions);
        for step in [1, 7, 1000, 16_500, usize::MAX] {
            let mut wire = Wire::new(&originator, &terminator);
            wire.settle(step).unwrap();
            assert!(!wire.client.session.common().is_handshaking());
            assert!(!wire.server.session.common().is_handshaking());
            let long: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
            wire.client.say(&long);
            wire.client.say(b"!");
            wire.server.say(b"hello");
            wire.settle(step).unwrap();
            assert_eq!(wire.server.heard, [&long[..], b"!"].concat(), "{step}");
            assert_eq!(wire.client.heard, b"hello");
            assert!(wire.client.input.is_empty() && wire.server.input.is_empty());
        }
    }
}

#[test]
fn writing_goes_on_while_half_a_record_waits() {
    let (originator, terminator) = pair(Versions::default());
    let mut wire = Wire::new(&originator, &terminator);
    wire.settle(usize::MAX).unwrap();
    wire.client.say(&[7; 5000]);
    wire.server.input.push(&wire.client.output.filled()[..2000]);
    wire.client.output.consume(2000);
    wire.server.read().unwrap();
    wire.server.say(b"meanwhile");
    wire.client.hear(&mut wire.server, usize::MAX).unwrap();
    assert_eq!(wire.client.heard, b"meanwhile");
    wire.settle(usize::MAX).unwrap();
    assert_eq!(wire.server.heard, [7; 5000]);
}

#[test]
fn one_side_may_end_and_the_other_go_on() {
    for versions in BOTH {
        let (originator, terminator) = pair(versions);
        let mut wire = Wire::new(&originator, &terminator);
        wire.settle(usize::MAX).unwrap();
        wire.client.say(b"all");
        wire.client.session.close(&mut wire.client.input, &mut wire.client.output).unwrap();
        wire.settle(usize::MAX).unwrap();
        assert_eq!((wire.server.read(), &wire.server.heard[..]), (Ok(Status::Closed), &b"all"[..]));
        wire.server.say(b"still here");
        wire.settle(usize::MAX).unwrap();
        assert_eq!(wire.client.heard, b"still here");
        wire.server.session.close(&mut wire.server.input, &mut wire.server.output).unwrap();
        wire.settle(usize::MAX).unwrap();
        assert_eq!(wire.client.read(), Ok(Status::Closed));
    }
}

#[test]
fn a_changed_record_ends_the_session_with_an_alert() {
    for versions in BOTH {
        let (originator, terminator) = pair(versions);
        for at in 5..25 {
            let mut wire = Wire::new(&originator, &terminator);
            wire.settle(usize::MAX).unwrap();
            wire.client.say(b"hello");
            wire.client.output.filled_mut()[at] ^= 1;
            wire.server.hear(&mut wire.client, usize::MAX).unwrap_err();
            assert_eq!(wire.server.heard, b"");
            assert!(!wire.server.output.is_empty(), "the alert");
            let told = wire.client.hear(&mut wire.server, usize::MAX).unwrap_err();
            assert!(matches!(told, Error::AlertReceived(_)), "{told}");
        }
    }
}

#[test]
fn keys_are_updated_as_a_peer_asks() {
    let ca = Authority::new();
    let terminator = terminator(termination(ca.identity(Wish::default())));
    let mut server = End::new(terminator.session().unwrap());
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(crate::crypto::provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(ca.store())
        .with_no_client_auth();
    let mut peer =
        rustls::ClientConnection::new(config.into(), "pay.example.com".try_into().unwrap()).unwrap();
    let exchange = |peer: &mut rustls::ClientConnection, server: &mut End| {
        while peer.wants_write() || !server.output.is_empty() {
            let mut bytes = Vec::new();
            while peer.wants_write() {
                peer.write_tls(&mut bytes).unwrap();
            }
            server.input.push(&bytes);
            server.read().unwrap();
            let mut answer = server.output.filled();
            while !answer.is_empty() {
                peer.read_tls(&mut answer).unwrap();
                peer.process_new_packets().unwrap();
            }
            server.output.clear();
        }
    };
    exchange(&mut peer, &mut server);
    for round in 0..3 {
        peer.refresh_traffic_keys().unwrap();
        std::io::Write::write_all(&mut peer.writer(), b"ping").unwrap();
        exchange(&mut peer, &mut server);
        server.say(b"pong");
        exchange(&mut peer, &mut server);
        let mut heard = [0; 4];
        std::io::Read::read_exact(&mut peer.reader(), &mut heard).unwrap();
        assert_eq!((&heard, server.heard.len()), (b"pong", 4 * (round + 1)));
    }
}

#[test]
fn sessions_are_resumed_by_both_sides() {
    for versions in BOTH {
        let (originator, terminator) = pair(versions);
        for resumed in [false, true, true] {
            let mut wire = Wire::new(&originator, &terminator);
            wire.settle(usize::MAX).unwrap();
            let [client, server] = [&wire.client.session, &wire.server.session].map(facts);
            assert_eq!((client.resumed, server.resumed), (resumed, resumed), "{versions:?}");
            assert_eq!((client.version, client.cipher), (server.version, server.cipher));
        }
    }
}
