//! The PROXY header: one verdict however it arrives, and what we say of a client is what we would hear.

use crate::classify::{Heading, LONGEST_HEADER, heading};
use crate::config::model::ProxyVersion;
use crate::upstream::Card;

pub(super) fn proxy_header(bytes: &[u8]) {
    // No caller looks at more.
    let bytes = &bytes[..bytes.len().min(LONGEST_HEADER)];
    let verdict = heading(bytes);
    for seen in (0..bytes.len().min(256)).chain([bytes.len() / 2, bytes.len().saturating_sub(1)]) {
        let early = heading(&bytes[..seen]);
        assert!(early == Heading::Incomplete || early == verdict, "{early:?} became {verdict:?}");
    }
    assert!(verdict != Heading::Incomplete || bytes.len() < LONGEST_HEADER, "nobody waits for ever");
    let Heading::Header(header) = verdict else {
        return;
    };
    // A byte less is not all of it, and what follows is the client's own.
    let whole = &bytes[..header.length];
    assert_eq!(heading(&whole[..header.length - 1]), Heading::Incomplete);
    assert_eq!(heading(&[whole, b"PROXY \r\n"].concat()), verdict);
    let Some(introduced) = header.introduced else {
        return;
    };
    let card = Card {
        ends: Some((introduced.source, introduced.destination)),
        authority: Some("pay.example.com"),
        tls: None,
    };
    for version in
        [ProxyVersion::V1, ProxyVersion::V2 { checksum: false }, ProxyVersion::V2 { checksum: true }]
    {
        let said = card.header(version);
        let Heading::Header(heard) = heading(&said) else {
            panic!("{version:?}: {said:?}");
        };
        assert_eq!((heard.length, heard.introduced), (said.len(), Some(introduced)), "{version:?}");
    }
}
