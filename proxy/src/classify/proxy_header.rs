//! The PROXY protocol's header (HAProxy, doc/proxy-protocol.txt, 2020/03/05), versions 1 and 2: a total function
//! of bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crc::{CRC_32_ISCSI, Crc};

/// Most bytes of a header. Version 2 could have 64 KiB; what is in use has a few hundred, and some KiB with a
/// certificate in it. Any receive buffer holds this many.
pub const LONGEST_HEADER: usize = 16 << 10;

/// How version 1 begins.
const V1: &[u8] = b"PROXY ";
/// Longest line of version 1, its end included (2.1).
const V1_LONGEST: usize = 107;
/// How version 2 begins (2.2).
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and protocol, length.
const V2_FIXED: usize = 16;
/// PP2_TYPE_CRC32C (2.2.3).
const TYPE_CHECKSUM: u8 = 3;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// A whole header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Bytes it takes.
    pub length: usize,
    /// Whose connection it is; `None` where the proxy speaks for itself (LOCAL), or does not say (UNKNOWN, UNSPEC,
    /// a family that is not IP, a protocol that is not TCP).
    pub introduced: Option<Introduced>,
}

/// The connection that a proxy passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Introduced {
    /// The client's end; IPv4 in IPv6 is IPv4 again.
    pub source: SocketAddr,
    /// The end that the client connected to.
    pub destination: SocketAddr,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// The beginning of a header, as far as can be told.
    Incomplete,
    /// A whole one, and perhaps more behind it.
    Header(ProxyHeader),
    /// Something else.
    Missing,
    /// A header that is none by the specification.
    Malformed(Flaw),
    /// One of more than [`LONGEST_HEADER`] bytes.
    TooLong,
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No CRLF within `V1_LONGEST` bytes, or half of one.
    #[error("the line has no proper end")]
    Line,
    /// Neither TCP4, TCP6 nor UNKNOWN.
    #[error("the line names no protocol that there is")]
    Protocol,
    /// Not two addresses and two ports, one space before each.
    #[error("the line's addresses are none")]
    Addresses,
    /// Another version than 2, or a command that it does not have.
    #[error("an unknown version or command")]
    Command,
    /// A family or protocol that version 2 does not have.
    #[error("an unknown family or protocol")]
    Family,
    /// Shorter than the addresses of its family.
    #[error("too short for its addresses")]
    Short,
    /// An extension that is longer than what is left of the header.
    #[error("an extension (TLV) that reaches beyond the header")]
    Extension,
    /// The checksum (PP2_TYPE_CRC32C) is not that of the header, or there are two.
    #[error("the checksum is not the header's")]
    Checksum,
}

/// Reads a header from the beginning of a connection. What follows it is not looked at.
#[must_use]
pub fn heading(bytes: &[u8]) -> Heading {
    if begins(bytes, V2) {
        return if bytes.len() < V2_FIXED { Heading::Incomplete } else { version2(bytes) };
    }
    if begins(bytes, V1) { version1(bytes) } else { Heading::Missing }
}

/// Whether it begins so, as far as it goes.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(a, b)| a == b)
}

fn version1(bytes: &[u8]) -> Heading {
    let line = &bytes[..bytes.len().min(V1_LONGEST)];
    let Some(end) = line.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if line.len() < V1_LONGEST { Heading::Incomplete } else { Heading::Malformed(Flaw::Line) };
    };
    match (line[end], line.get(end + 1)) {
        (b'\r', Some(b'\n')) => {}
        (b'\r', None) if line.len() < V1_LONGEST => return Heading::Incomplete,
        _ => return Heading::Malformed(Flaw::Line),
    }
    // Before the end of the signature there is none of these.
    match introduction(line.get(V1.len()..end).unwrap_or_default()) {
        Ok(introduced) => Heading::Header(ProxyHeader { length: end + 2, introduced }),
        Err(flaw) => Heading::Malformed(flaw),
    }
}

/// What stands between `PROXY ` and the end of its line.
fn introduction(words: &[u8]) -> Result<Option<Introduced>, Flaw> {
    let (protocol, rest) = match words.iter().position(|byte| *byte == b' ') {
        Some(space) => (&words[..space], &words[space + 1..]),
        None => (words, &[][..]),
    };
    match protocol {
        b"TCP4" => addresses::<Ipv4Addr>(rest).map(Some),
        b"TCP6" => addresses::<Ipv6Addr>(rest).map(Some),
        // Whatever follows is to be ignored.
        b"UNKNOWN" => Ok(None),
        _ => Err(Flaw::Protocol),
    }
}

fn addresses<A: FromStr + Into<IpAddr>>(words: &[u8]) -> Result<Introduced, Flaw> {
    let words = std::str::from_utf8(words).map_err(|_not_even_text| Flaw::Addresses)?;
    let mut words = words.split(' ');
    let mut next = || words.next().ok_or(Flaw::Addresses);
    let ip = |word: &str| word.parse::<A>().map(Into::into).map_err(|_no_address| Flaw::Addresses);
    let (source, destination) = (ip(next()?)?, ip(next()?)?);
    let (from, to) = (port(next()?)?, port(next()?)?);
    if words.next().is_some() {
        return Err(Flaw::Addresses);
    }
    Ok(Introduced::new(source, from, destination, to))
}

/// A decimal number without leading zeros; u16::from_str takes those, and a plus.
fn port(word: &str) -> Result<u16, Flaw> {
    let canonical = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| canonical).ok_or(Flaw::Addresses)
}

fn version2(bytes: &[u8]) -> Heading {
    let [command, family] = [bytes[12], bytes[13]];
    let length = V2_FIXED + usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    // Judged as early as can be, so that nobody waits for the rest of what is refused anyhow.
    let local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Heading::Malformed(Flaw::Command),
    };
    if length > LONGEST_HEADER {
        return Heading::TooLong;
    }
    let Some(header) = bytes.get(..length) else {
        return Heading::Incomplete;
    };
    // LOCAL has its block, family included, ignored.
    match if local { Ok(None) } else { block(family, header) } {
        Ok(introduced) => Heading::Header(ProxyHeader { length, introduced }),
        Err(flaw) => Heading::Malformed(flaw),
    }
}

/// The addresses of a whole header, its extensions checked.
fn block(family: u8, header: &[u8]) -> Result<Option<Introduced>, Flaw> {
    let taken = match family {
        // UNSPEC: whatever follows is to be ignored.
        0x00 => return Ok(None),
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(Flaw::Family),
    };
    let (addresses, extensions) = header[V2_FIXED..].split_at_checked(taken).ok_or(Flaw::Short)?;
    check(header, extensions)?;
    Ok(match family {
        0x11 => Introduced::from_octets::<4>(addresses),
        0x21 => Introduced::from_octets::<16>(addresses),
        // Datagrams, and sockets of a file system.
        _ => None,
    })
}

/// Walks the extensions, and compares the checksum where there is one.
fn check(header: &[u8], mut extensions: &[u8]) -> Result<(), Flaw> {
    let mut checksum = None;
    while let [kind, a, b, rest @ ..] = extensions {
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        let (value, after) = rest.split_at_checked(length).ok_or(Flaw::Extension)?;
        if *kind == TYPE_CHECKSUM {
            let sum = <[u8; 4]>::try_from(value).map_err(|_other_length| Flaw::Checksum)?;
            if checksum.replace((sum, header.len() - rest.len())).is_some() {
                return Err(Flaw::Checksum);
            }
        }
        extensions = after;
    }
    if !extensions.is_empty() {
        return Err(Flaw::Extension);
    }
    let Some((expected, at)) = checksum else {
        return Ok(());
    };
    // Computed with zeros in its own place.
    let mut digest = CHECKSUM.digest();
    digest.update(&header[..at]);
    digest.update(&[0; 4]);
    digest.update(&header[at + 4..]);
    if digest.finalize() == u32::from_be_bytes(expected) { Ok(()) } else { Err(Flaw::Checksum) }
}

impl Introduced {
    fn new(source: IpAddr, from: u16, destination: IpAddr, to: u16) -> Self {
        let end = |ip: IpAddr, port| SocketAddr::new(ip.to_canonical(), port);
        Self { source: end(source, from), destination: end(destination, to) }
    }

    /// Two addresses of `N` bytes, and two ports.
    fn from_octets<const N: usize>(bytes: &[u8]) -> Option<Self>
    where
        IpAddr: From<[u8; N]>,
    {
        let (source, rest) = bytes.split_first_chunk::<N>()?;
        let (destination, ports) = rest.split_first_chunk::<N>()?;
        let [a, b, c, d] = <[u8; 4]>::try_from(ports).ok()?;
        let (from, to) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Some(Self::new(IpAddr::from(*source), from, IpAddr::from(*destination), to))
    }
}
