//! Tells an upstream whose connection it is: the header of the PROXY protocol (HAProxy, doc/proxy-protocol.txt,
//! 2020/03/05).

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crc::{CRC_32_ISCSI, Crc};
use tokio::net::TcpStream;

use crate::config::model::ProxyVersion;
use crate::telemetry::TlsFacts;

/// How version 2 begins (2.2).
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Where the length of what follows stands in it.
const LENGTH: usize = 14;
const FIXED: usize = 16;
/// Version 2, PROXY.
const PROXY: u8 = 0x21;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Longest that a peer's own words may be, each: a header stays a small part of anybody's buffer.
const LONGEST_WORD: usize = 1024;

/// Types of extensions (2.2.3 to 2.2.7).
mod extension {
    pub(super) const ALPN: u8 = 0x01;
    pub(super) const AUTHORITY: u8 = 0x02;
    pub(super) const CRC32C: u8 = 0x03;
    pub(super) const SSL: u8 = 0x20;
    pub(super) const SSL_VERSION: u8 = 0x21;
    pub(super) const SSL_CN: u8 = 0x22;
    pub(super) const SSL_CIPHER: u8 = 0x23;
}

/// Flags of the client's TLS (2.2.6).
mod client {
    pub(super) const SSL: u8 = 1;
    pub(super) const CERT_CONN: u8 = 2;
    pub(super) const CERT_SESS: u8 = 4;
}

/// What an upstream is told of a client.
#[derive(Debug, Clone, Copy)]
pub struct Card<'a> {
    /// The client's end and the one it connected to; `None` where they are not known.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    /// The name that it asked for (SNI).
    pub authority: Option<&'a str>,
    /// Its TLS, where that was ended here.
    pub tls: Option<&'a TlsFacts>,
}

impl Card<'_> {
    /// The header, as it goes to the upstream.
    #[must_use]
    pub fn header(&self, version: ProxyVersion) -> Vec<u8> {
        match version {
            ProxyVersion::V1 => self.line().into_bytes(),
            ProxyVersion::V2 { checksum } => self.binary(checksum),
        }
    }

    fn line(&self) -> String {
        let Some((source, destination)) = self.ends.map(one_family) else {
            return "PROXY UNKNOWN\r\n".to_owned();
        };
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let (from, to) = (source.port(), destination.port());
        format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip())
    }

    fn binary(&self, checksum: bool) -> Vec<u8> {
        let mut header = [SIGNATURE, &[PROXY, 0, 0, 0]].concat();
        if let Some((source, destination)) = self.ends.map(one_family) {
            header[LENGTH - 1] = if source.is_ipv4() { 0x11 } else { 0x21 };
            for end in [source, destination] {
                match end.ip() {
                    IpAddr::V4(ip) => header.extend(ip.octets()),
                    IpAddr::V6(ip) => header.extend(ip.octets()),
                }
            }
            header.extend(source.port().to_be_bytes());
            header.extend(destination.port().to_be_bytes());
            self.extend(&mut header);
        }
        let summed = checksum.then(|| {
            put(&mut header, extension::CRC32C, &[0; 4]);
            header.len() - 4
        });
        let length = u16::try_from(header.len() - FIXED).expect("words are bounded, and few");
        header[LENGTH..FIXED].copy_from_slice(&length.to_be_bytes());
        if let Some(at) = summed {
            // Computed with zeros in its own place.
            let sum = CHECKSUM.checksum(&header);
            header[at..].copy_from_slice(&sum.to_be_bytes());
        }
        header
    }

    fn extend(&self, header: &mut Vec<u8>) {
        if let Some(alpn) = self.tls.and_then(|tls| tls.alpn.as_deref()) {
            put(header, extension::ALPN, alpn.as_bytes());
        }
        if let Some(authority) = self.authority {
            put(header, extension::AUTHORITY, authority.as_bytes());
        }
        let Some(tls) = self.tls else {
            return;
        };
        let shown = tls.subject.is_some();
        // A resumed session's certificate was shown on the connection that began it.
        let flags = match (shown, tls.resumed) {
            (false, _) => client::SSL,
            (true, true) => client::SSL | client::CERT_SESS,
            (true, false) => client::SSL | client::CERT_SESS | client::CERT_CONN,
        };
        let mut about = vec![flags];
        // Zero for a certificate that was shown and verified; none that failed gets here.
        about.extend(u32::from(!shown).to_be_bytes());
        put(&mut about, extension::SSL_VERSION, tls.version.as_bytes());
        if let Some(name) = &tls.common_name {
            put(&mut about, extension::SSL_CN, name.as_bytes());
        }
        put(&mut about, extension::SSL_CIPHER, openssl_name(&tls.cipher).as_bytes());
        put(header, extension::SSL, &about);
    }
}

/// Type, length, value; one that would be too long is left out.
fn put(to: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let bound = if kind == extension::SSL { 4 * LONGEST_WORD } else { LONGEST_WORD };
    if let Some(length) = u16::try_from(value.len()).ok().filter(|_| value.len() <= bound) {
        to.push(kind);
        to.extend(length.to_be_bytes());
        to.extend(value);
    }
}

/// Both ends in IPv4 where both are, else both in IPv6, as HAProxy has them: a header has one family.
fn one_family((source, destination): (SocketAddr, SocketAddr)) -> (SocketAddr, SocketAddr) {
    let [source, destination] =
        [source, destination].map(|end| SocketAddr::new(end.ip().to_canonical(), end.port()));
    if source.is_ipv4() && destination.is_ipv4() {
        return (source, destination);
    }
    let widened = |end: SocketAddr| SocketAddr::new(IpAddr::V6(ipv6(end.ip())), end.port());
    (widened(source), widened(destination))
}

fn ipv6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// Before TLS 1.3, suites are known to receivers by OpenSSL's names: `ECDHE-RSA-AES128-GCM-SHA256`.
fn openssl_name(suite: &str) -> Cow<'_, str> {
    let Some((exchange, cipher)) = suite.strip_prefix("TLS_").and_then(|name| name.split_once("_WITH_"))
    else {
        return Cow::Borrowed(suite);
    };
    let cipher = cipher.replace("AES_", "AES").replace('_', "-");
    let cipher =
        cipher.strip_suffix("POLY1305-SHA256").map_or_else(|| cipher.clone(), |c| format!("{c}POLY1305"));
    Cow::Owned(format!("{}-{cipher}", exchange.replace('_', "-")))
}

/// Writes all of it.
///
/// # Errors
/// The socket's.
pub async fn tell(stream: &TcpStream, mut words: &[u8]) -> io::Result<()> {
    while !words.is_empty() {
        match stream.try_write(words) {
            Ok(n) => words = &words[n..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
