//! The ClientHello (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2), as far as routing needs it: a total function of bytes.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;

/// Most bytes that a client may send before its ClientHello is complete, record headers included.
/// Hellos with post-quantum key shares have 2 KiB.
pub const LIMIT: usize = 64 << 10;

/// Longest payload of a record that is not encrypted.
const RECORD_PAYLOAD: usize = 1 << 14;
const CONTENT_HANDSHAKE: u8 = 22;
const MESSAGE_HEADER: usize = 4;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;

/// What a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The name (SNI, RFC 6066), in lower case and without a final dot. An address is no name.
    pub server_name: Option<String>,
    /// The protocols it offers (RFC 7301), in its order.
    pub alpn: Vec<Vec<u8>>,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a ClientHello, as far as can be told.
    Incomplete,
    /// A whole one.
    Hello(ClientHello),
    /// Another protocol.
    NotTls,
    /// TLS, and not as the RFCs have it.
    Malformed,
    /// Not complete within [`LIMIT`].
    TooLong,
}

/// Reads a ClientHello from the beginning of a connection. It may come in any number of records.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    match message(bytes) {
        Ok(Some(message)) => hello(&message).map_or(Parsed::Malformed, Parsed::Hello),
        Ok(None) if bytes.len() >= LIMIT => Parsed::TooLong,
        Ok(None) => Parsed::Incomplete,
        Err(verdict) => verdict,
    }
}

/// The body of the first handshake message, once all of it is there.
fn message(bytes: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Parsed> {
    let mut gathered: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut rest = bytes;
    while let Some(record) = Record::first(rest)? {
        if gathered.is_empty() {
            gathered = Cow::Borrowed(record.payload);
        } else {
            gathered.to_mut().extend_from_slice(record.payload);
        }
        match *gathered {
            [kind, ..] if kind != CLIENT_HELLO => return Err(Parsed::Malformed),
            [_, a, b, c, ..] => {
                let end = MESSAGE_HEADER + u32::from_be_bytes([0, a, b, c]) as usize;
                if end > LIMIT {
                    return Err(Parsed::TooLong);
                }
                if gathered.len() >= end {
                    return Ok(Some(cut(gathered, MESSAGE_HEADER..end)));
                }
            }
            _ => {}
        }
        if !record.whole {
            break;
        }
        rest = record.rest;
    }
    Ok(None)
}

fn cut(bytes: Cow<'_, [u8]>, range: Range<usize>) -> Cow<'_, [u8]> {
    match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[range]),
        Cow::Owned(bytes) => Cow::Owned(bytes[range].to_vec()),
    }
}

/// A record in the clear, as much of it as is there.
struct Record<'a> {
    payload: &'a [u8],
    whole: bool,
    rest: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first one of `bytes`; `None` while its header is not complete.
    fn first(bytes: &'a [u8]) -> Result<Option<Self>, Parsed> {
        if bytes.first().is_some_and(|kind| *kind != CONTENT_HANDSHAKE)
            || bytes.get(1).is_some_and(|major| *major != 3)
        {
            return Err(Parsed::NotTls);
        }
        let [_, _, _, a, b, rest @ ..] = bytes else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        if length == 0 || length > RECORD_PAYLOAD {
            return Err(Parsed::Malformed);
        }
        let (payload, after) = rest.split_at(length.min(rest.len()));
        Ok(Some(Self { payload, whole: payload.len() == length, rest: after }))
    }
}

/// Reads the message's body; `None` where it contradicts itself.
fn hello(body: &[u8]) -> Option<ClientHello> {
    let mut body = Reader(body);
    body.take(2 + 32)?; // legacy_version, random
    let session = body.vector8()?;
    let suites = body.vector16()?;
    let compressions = body.vector8()?;
    if session.0.len() > 32 || suites.0.is_empty() || suites.0.len() % 2 != 0 || compressions.0.is_empty() {
        return None;
    }
    let mut hello = ClientHello::default();
    if body.0.is_empty() {
        // Before TLS 1.2 there need not be extensions.
        return Some(hello);
    }
    let mut extensions = body.vector16()?;
    body.is_empty()?;
    let mut seen = Vec::new();
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let value = extensions.vector16()?;
        if seen.contains(&kind) {
            return None;
        }
        seen.push(kind);
        match kind {
            SERVER_NAME => hello.server_name = server_name(value)?,
            ALPN => hello.alpn = alpn(value)?,
            _ => {}
        }
    }
    Some(hello)
}

/// A ServerNameList: one name of type `host_name`, and perhaps others of types that nobody has defined.
fn server_name(mut value: Reader<'_>) -> Option<Option<String>> {
    let mut list = value.vector16()?;
    value.is_empty()?;
    let mut found = None;
    while !list.0.is_empty() {
        let kind = list.take(1)?[0];
        let name = list.vector16()?.0;
        if kind == 0 {
            if found.is_some() {
                return None;
            }
            found = Some(name);
        }
    }
    let name = std::str::from_utf8(found?).ok()?;
    if name.parse::<IpAddr>().is_ok() {
        return Some(None);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let good = |label: &str| {
        let ok = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(ok)
    };
    (name.len() <= 253 && name.split('.').all(good)).then(|| Some(name.to_ascii_lowercase()))
}

fn alpn(mut value: Reader<'_>) -> Option<Vec<Vec<u8>>> {
    let mut list = value.vector16()?;
    value.is_empty()?;
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        let name = list.vector8()?.0;
        if name.is_empty() {
            return None;
        }
        protocols.push(name.to_vec());
    }
    (!protocols.is_empty()).then_some(protocols)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    /// A vector whose length takes one byte.
    fn vector8(&mut self) -> Option<Self> {
        let length = self.take(1)?[0];
        self.take(length.into()).map(Reader)
    }

    /// A vector whose length takes two.
    fn vector16(&mut self) -> Option<Self> {
        let length = self.number()?;
        self.take(length.into()).map(Reader)
    }

    fn is_empty(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
