use super::super::proxy_header::{Flaw, Heading, Introduced, LONGEST_HEADER, ProxyHeader, heading};
use Flaw::{Addresses, Checksum, Command, Extension, Family, Line, Protocol, Short};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// 192.0.2.1:4711 to 198.51.100.1:443.
const FOUR: &[u8] = b"\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x01\xbb";

/// A header of version 2.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

fn from(source: &str, destination: &str) -> Option<Introduced> {
    Some(Introduced { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
}

fn local() -> Option<Introduced> {
    None
}

/// Every beginning of it tells as much as it can, and nothing that the whole denies; nor does what follows matter.
fn read(bytes: &[u8]) -> Heading {
    let verdict = heading(bytes);
    for end in 0..bytes.len() {
        let early = heading(&bytes[..end]);
        assert!(early == Heading::Incomplete || early == verdict, "{end} of {bytes:?}: {early:?}");
        if let Heading::Header(header) = early {
            assert!(header.length <= end);
        }
    }
    if let Heading::Header(header) = verdict {
        assert_eq!(heading(&[&bytes[..header.length], b"PROXY more\r\n"].concat()), verdict);
        assert_eq!(heading(&bytes[..header.length - 1]), Heading::Incomplete);
    }
    verdict
}

#[test]
fn headers_tell_whose_connection_it_is() {
    let six = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1, 0x20, 1, 0xd, 0xb8], &[0; 11], &[2, 0, 1, 0, 2]];
    let mapped =
        [&[0; 10][..], &[255, 255, 192, 0, 2, 1], &[0; 10], &[255, 255, 192, 0, 2, 2], &[0, 1, 0, 2]];
    let four = || from("192.0.2.1:4711", "198.51.100.1:443");
    let cases: Vec<(Vec<u8>, Option<Introduced>)> = vec![
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n".to_vec(), four()),
        (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n".to_vec(), from("0.0.0.0:0", "255.255.255.255:65535")),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n".to_vec(), from("[2001:db8::1]:1", "[2001:db8::2]:2")),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n".to_vec(), from("192.0.2.1:1", "[::1]:2")),
        (
            b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
                .to_vec(),
            from(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), local()),
        (b"PROXY UNKNOWN whatever \xff\0 it says\r\n".to_vec(), local()),
        (v2(0x21, 0x11, FOUR), four()),
        (v2(0x21, 0x21, &six.concat()), from("[2001:db8::1]:1", "[2001:db8::2]:2")),
        (v2(0x21, 0x21, &mapped.concat()), from("192.0.2.1:1", "192.0.2.2:2")),
        (v2(0x21, 0x11, &[FOUR, b"\x04\0\x02\0\0\x02\0\x01a"].concat()), four()),
        // LOCAL has its block ignored, whatever is in it.
        (v2(0x20, 0x00, b""), local()),
        (v2(0x20, 0x11, FOUR), local()),
        (v2(0x20, 0xff, b"abc"), local()),
        // UNSPEC, datagrams, sockets of a file system.
        (v2(0x21, 0x00, b"abc"), local()),
        (v2(0x21, 0x12, FOUR), local()),
        (v2(0x21, 0x31, &[1; 216]), local()),
    ];
    for (bytes, introduced) in cases {
        let length = bytes.len();
        assert_eq!(read(&bytes), Heading::Header(ProxyHeader { length, introduced }), "{bytes:?}");
    }
}

#[test]
fn what_is_no_header_is_told_apart() {
    let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 94], b"\r\n".to_vec()].concat();
    assert_eq!(long.len(), 110);
    let line = |line: &str| format!("PROXY {line}\r\n").into_bytes();
    let cases = vec![
        (long, Line),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n".to_vec(), Line),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rx".to_vec(), Line),
        (line(""), Protocol),
        (line("TCP"), Protocol),
        (line("tcp4 1.2.3.4 5.6.7.8 1 2"), Protocol),
        (line("TCP5 1.2.3.4 5.6.7.8 1 2"), Protocol),
        (line("UDP4 1.2.3.4 5.6.7.8 1 2"), Protocol),
        (line("UNKNOWNS"), Protocol),
        (line(" TCP4 1.2.3.4 5.6.7.8 1 2"), Protocol),
        (line("TCP4"), Addresses),
        (line("TCP4 1.2.3.4 5.6.7.8 1"), Addresses),
        (line("TCP4 1.2.3.4 5.6.7.8 1 2 "), Addresses),
        (line("TCP4 1.2.3.4 5.6.7.8 1 2 3"), Addresses),
        (line("TCP4  1.2.3.4 5.6.7.8 1 2"), Addresses),
        (line("TCP4 1.2.3.4\t5.6.7.8 1 2"), Addresses),
        (line("TCP4 1.2.3.04 5.6.7.8 1 2"), Addresses),
        (line("TCP4 1.2.3.256 5.6.7.8 1 2"), Addresses),
        (line("TCP4 ::1 ::2 1 2"), Addresses),
        (line("TCP6 1.2.3.4 5.6.7.8 1 2"), Addresses),
        (line("TCP6 fe80::1%eth0 ::2 1 2"), Addresses),
        (line("TCP4 1.2.3.4 5.6.7.8 +1 2"), Addresses),
        (line("TCP4 1.2.3.4 5.6.7.8 01 2"), Addresses),
        (line("TCP4 1.2.3.4 5.6.7.8 1 65536"), Addresses),
        (line("TCP4 1.2.3.4 5.6.7.8 -1 2"), Addresses),
        (line("TCP4 1.2.3.4 5.6.7.8 1 \u{661}"), Addresses),
        (v2(0x11, 0x11, FOUR), Command),
        (v2(0x22, 0x11, FOUR), Command),
        (v2(0x01, 0x11, FOUR), Command),
        (v2(0x21, 0x10, FOUR), Family),
        (v2(0x21, 0x13, FOUR), Family),
        (v2(0x21, 0x41, FOUR), Family),
        (v2(0x21, 0x11, &FOUR[..11]), Short),
        (v2(0x21, 0x21, &[0; 35]), Short),
        (v2(0x21, 0x31, &[0; 215]), Short),
        (v2(0x21, 0x11, &[FOUR, b"\x04"].concat()), Extension),
        (v2(0x21, 0x11, &[FOUR, b"\x04\0\x02\0"].concat()), Extension),
        (v2(0x21, 0x11, &[FOUR, b"\x04\xff\xff\0"].concat()), Extension),
        (v2(0x21, 0x11, &[FOUR, b"\x03\0\x03\0\0\0"].concat()), Checksum),
        (v2(0x21, 0x11, &[FOUR, b"\x03\0\x04\0\0\0\0"].concat()), Checksum),
    ];
    for (bytes, flaw) in cases {
        assert_eq!(read(&bytes), Heading::Malformed(flaw), "{:?}", String::from_utf8_lossy(&bytes));
    }
    for bytes in
        ["GET / HTTP/1.1\r\n", "proxy TCP4", "PROXY\r\n", "PROXYTCP4", "\r\n\r\n\0\r\nQUIT\r", "\r\n\r\nx"]
    {
        assert_eq!(read(bytes.as_bytes()), Heading::Missing, "{bytes:?}");
    }
    let endless = [SIGNATURE, b"\x21\x11\x3f\xf1"].concat();
    assert_eq!(read(&endless), Heading::TooLong, "judged before it has come");
    let longest = v2(0x20, 0, &vec![0; LONGEST_HEADER - 16]);
    assert!(matches!(heading(&longest), Heading::Header(_)));
}

#[test]
fn a_checksum_counts_wherever_it_stands() {
    for (before, after) in [(&b""[..], &b""[..]), (b"\x04\0\x01x", b""), (b"", b"\x02\0\x03a.b")] {
        let block = [FOUR, before, b"\x03\0\x04\0\0\0\0", after].concat();
        let mut header = v2(0x21, 0x11, &block);
        let at = 16 + FOUR.len() + before.len() + 3;
        let sum = bitwise(&header).to_be_bytes();
        header[at..at + 4].copy_from_slice(&sum);
        assert!(matches!(read(&header), Heading::Header(_)));
        for flip in 16..header.len() {
            let mut other = header.clone();
            other[flip] ^= 1;
            // A type or a length may become another's, which need not be a checksum.
            let verdict = heading(&other);
            let kind = 16 + FOUR.len() + before.len();
            assert!(flip == kind || matches!(verdict, Heading::Malformed(_)), "{flip}: {verdict:?}");
        }
    }
    let twice = v2(0x21, 0x11, &[FOUR, &b"\x03\0\x04\0\0\0\0".repeat(2)].concat());
    assert_eq!(heading(&twice), Heading::Malformed(Checksum));
}

/// CRC32C (RFC 3720, B.4), apart from the library.
fn bitwise(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    !crc
}
