//! The PROXY protocol through the real binary: from those in front, to upstreams, and with TLS in between.

mod peers;
mod receive;
mod secured;
mod send;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use crate::harness::backend::Backend;
use crate::harness::sluice::Sluice;
use crate::tls::Site;

/// What a header says in these tests.
const CLIENT: &str = "192.0.2.1:4711";
const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x01\xbb";

/// Port 7000 wants a header, from whom the annotation says.
fn listener(site: Site, annotation: &str, stack: &str) -> Site {
    site.with(&format!(
        "---\napiVersion: getambassador.io/v3alpha1\nkind: Listener\n\
         metadata: {{name: l, annotations: {{{annotation}}}}}\n\
         spec: {{port: 7000, protocolStack: {stack}}}\n"
    ))
}

/// Listeners count for mappings of the address that is bound by default.
fn start(site: &Site, flags: &[&str]) -> Sluice {
    site.start_with(&[&["--bind-address", &site.host], flags].concat())
}

/// An upstream that takes a header, tells it, and echoes what follows.
fn told(address: &str) -> (Backend, Receiver<Vec<u8>>) {
    let (tell, told) = channel();
    let backend = Backend::serve(address, move |mut stream| {
        tell.send(header(&mut stream)).unwrap();
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            stream.write_all(&chunk[..n]).unwrap();
        }
    });
    (backend, told)
}

/// A header of either version, to its last byte.
fn header(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = vec![0; 16];
    stream.read_exact(&mut header[..6]).unwrap();
    if header.starts_with(b"PROXY ") {
        header.truncate(6);
        while !header.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            header.push(byte[0]);
        }
        return header;
    }
    stream.read_exact(&mut header[6..]).unwrap();
    assert!(header.starts_with(&BINARY[..12]), "{header:?}");
    let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
    header.resize(16 + length, 0);
    stream.read_exact(&mut header[16..]).unwrap();
    header
}

/// The extensions behind IPv4 addresses.
fn extensions(header: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut rest = &header[28..];
    let mut found = Vec::new();
    while let [kind, a, b, behind @ ..] = rest {
        let (value, after) = behind.split_at(usize::from(u16::from_be_bytes([*a, *b])));
        found.push((*kind, value.to_vec()));
        rest = after;
    }
    found
}

/// `PROXY TCP4 …` from one end to the other.
fn line(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let (from, to) = (source.port(), destination.port());
    format!("PROXY TCP4 {} {} {from} {to}\r\n", source.ip(), destination.ip()).into_bytes()
}
