//! ClientHellos by hand, so that a server may be asked for what no library offers any more.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::client::connect;

pub(crate) const SSL3: u16 = 0x0300;
pub(crate) const TLS12: u16 = 0x0303;
pub(crate) const TLS13: u16 = 0x0304;

/// Groups that every server has, for questions about something else.
const GROUPS: [u16; 3] = [0x001d, 0x0017, 0x0018];

/// Signatures: ECDSA, RSA-PSS, PKCS#1, Ed25519.
const SIGNATURES: [u16; 9] = [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0807];

/// Most of a record (RFC 8446, 5.1).
const RECORD: usize = 16 << 10;

/// What a ClientHello offers.
#[derive(Debug, Clone)]
pub(crate) struct Offer<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: u16,
    pub(crate) suites: Vec<u16>,
    pub(crate) groups: Vec<u16>,
    pub(crate) compressions: Vec<u8>,
    /// Extensions that are empty.
    pub(crate) flags: Vec<u16>,
}

/// What a server made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The alert's number.
    Alert(u8),
    Hello(Chosen),
}

/// What a ServerHello chose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) version: u16,
    pub(crate) suite: u16,
    pub(crate) compression: u8,
    /// Of the key exchange, where there is one.
    pub(crate) group: Option<u16>,
    pub(crate) extensions: Vec<u16>,
}

impl<'a> Offer<'a> {
    /// Of a client that can do nothing unusual, with these suites.
    pub(crate) fn new(name: &'a str, version: u16, suites: &[u16]) -> Self {
        Self {
            name,
            version,
            suites: suites.to_vec(),
            groups: GROUPS.to_vec(),
            compressions: vec![0],
            flags: Vec::new(),
        }
    }

    /// Sends it; what comes back.
    ///
    /// # Panics
    /// When that is neither a ServerHello nor an alert.
    pub(crate) fn ask(&self, address: &str) -> Answer {
        let mut stream = connect(address);
        for record in self.hello().chunks(RECORD) {
            stream.write_all(&[&[22, 3, 1][..], &counted(2, record)].concat()).unwrap();
        }
        answer(&mut stream)
    }

    fn hello(&self) -> Vec<u8> {
        let name = [&[0][..], &counted(2, self.name.as_bytes())].concat();
        let mut extensions = vec![
            (0, counted(2, &name)),
            (10, counted(2, &codes(&self.groups))),
            (11, vec![1, 0]),
            (13, counted(2, &codes(&SIGNATURES))),
        ];
        if self.version >= TLS13 {
            extensions.push((43, counted(1, &codes(&[self.version]))));
            // No key is shared yet: the server says which group it wants.
            extensions.push((51, counted(2, &[])));
        }
        extensions.extend(self.flags.iter().map(|flag| (*flag, Vec::new())));
        let extensions: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, body)| [&codes(&[*kind])[..], &counted(2, body)].concat())
            .collect();
        let body = [
            &self.version.min(TLS12).to_be_bytes()[..],
            &[7; 32],
            &[0],
            &counted(2, &codes(&self.suites)),
            &counted(1, &self.compressions),
            &counted(2, &extensions),
        ];
        [&[1][..], &counted(3, &body.concat())].concat()
    }
}

/// All that a server takes of these codes, when `ask` offers some: it is asked again without what it chose until
/// it finds nothing.
pub(crate) fn taken(codes: &[u16], mut ask: impl FnMut(&[u16]) -> Option<u16>) -> Vec<u16> {
    let mut found = Vec::new();
    // A hello has 64 KiB at most.
    for some in codes.chunks(8192) {
        let mut left = some.to_vec();
        while let Some(chosen) = ask(&left) {
            assert!(left.contains(&chosen), "chose {chosen:#06x}, which was not offered");
            left.retain(|code| *code != chosen);
            found.push(chosen);
        }
    }
    found.sort_unstable();
    found
}

fn codes(codes: &[u16]) -> Vec<u8> {
    codes.iter().flat_map(|code| code.to_be_bytes()).collect()
}

/// With its length before it, in so many bytes.
fn counted(width: usize, bytes: &[u8]) -> Vec<u8> {
    [&bytes.len().to_be_bytes()[size_of::<usize>() - width..], bytes].concat()
}

fn answer(stream: &mut TcpStream) -> Answer {
    let mut chosen = None;
    let mut said = Vec::new();
    loop {
        let mut header = [0; 5];
        stream.read_exact(&mut header).unwrap();
        let mut record = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        stream.read_exact(&mut record).unwrap();
        match header[0] {
            21 => return Answer::Alert(record[1]),
            22 => said.extend(record),
            other => panic!("a record of type {other} for an answer"),
        }
        while let [kind, a, b, c, ..] = said[..] {
            let length = u32::from_be_bytes([0, a, b, c]) as usize + 4;
            if said.len() < length {
                break;
            }
            let message: Vec<u8> = said.drain(..length).skip(4).collect();
            match kind {
                2 => chosen = Some(server_hello(&message)),
                // ServerKeyExchange: a named curve, and which.
                12 => chosen.as_mut().unwrap().group = Some(u16::from_be_bytes([message[1], message[2]])),
                _ => {}
            }
            // ServerHelloDone; what TLS 1.3 says next is encrypted.
            if let Some(chosen) = chosen.take_if(|chosen| kind == 14 || chosen.version == TLS13) {
                return Answer::Hello(chosen);
            }
        }
    }
}

fn server_hello(message: &[u8]) -> Chosen {
    let short = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let mut chosen = Chosen { version: short(0), ..Chosen::default() };
    let mut at = 35 + usize::from(message[34]);
    (chosen.suite, chosen.compression) = (short(at), message[at + 2]);
    at += 5;
    while at < message.len() {
        let kind = short(at);
        match kind {
            43 => chosen.version = short(at + 4),
            51 => chosen.group = Some(short(at + 4)),
            _ => {}
        }
        chosen.extensions.push(kind);
        at += 4 + usize::from(short(at + 2));
    }
    chosen
}
