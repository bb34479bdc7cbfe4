//! The ClientHello: one verdict however it arrives, and the name that rustls sees.

use rustls::server::{Accepted, Acceptor};

use crate::classify::{LIMIT, Parsed, parse};

/// Record type, version and length.
const HEADER: usize = 5;

pub(super) fn client_hello(bytes: &[u8]) {
    // No caller looks at more.
    let bytes = &bytes[..bytes.len().min(LIMIT)];
    let verdict = parse(bytes);
    for seen in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let early = parse(&bytes[..seen]);
        assert!(early == Parsed::Incomplete || early == verdict, "{early:?} became {verdict:?}");
    }
    if let Some(finer) = split(bytes).filter(|finer| finer.len() <= LIMIT) {
        assert_eq!(parse(&finer), verdict, "in smaller records");
    }
    if let (Parsed::Hello(ours), Some(theirs)) = (&verdict, accepted(bytes)) {
        // Routed by one name and given the certificate of another, a client would reach what it may not.
        let theirs = theirs.client_hello();
        let name = theirs.server_name().map(|name| name.strip_suffix('.').unwrap_or(name));
        assert_eq!(ours.server_name.as_deref(), name);
        let alpn = theirs.alpn().map(|names| names.map(<[u8]>::to_vec).collect::<Vec<_>>());
        assert_eq!(ours.alpn, alpn.unwrap_or_default());
    }
}

/// The same bytes with the first record, if it is whole, in two.
fn split(bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    let (payload, rest) = rest.split_at_checked(length)?;
    // One that is too long is an error, which its halves are not.
    if !(2..=1 << 14).contains(&length) {
        return None;
    }
    let mut finer = Vec::with_capacity(bytes.len() + HEADER);
    let (first, second) = payload.split_at(length / 2);
    for part in [first, second] {
        finer.extend(&header[..3]);
        finer.extend(u16::try_from(part.len()).ok()?.to_be_bytes());
        finer.extend(part);
    }
    finer.extend(rest);
    Some(finer)
}

/// What rustls makes of it.
fn accepted(mut bytes: &[u8]) -> Option<Accepted> {
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        acceptor.read_tls(&mut bytes).ok()?;
        if let Some(accepted) = acceptor.accept().ok()? {
            return Some(accepted);
        }
    }
    None
}
