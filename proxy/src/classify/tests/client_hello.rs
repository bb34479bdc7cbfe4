use super::super::{ClientHello, LIMIT, Parsed, parse};
use super::{fragmented, hello, record};

fn of(name: Option<&str>, alpn: &[&str]) -> Parsed {
    Parsed::Hello(ClientHello {
        server_name: name.map(str::to_owned),
        alpn: alpn.iter().map(|name| name.as_bytes().to_vec()).collect(),
    })
}

/// A hello of TLS 1.0 on with these extensions; `None` leaves even their length out.
fn handmade(extensions: Option<&[(u16, &[u8])]>) -> Vec<u8> {
    let mut body = [&[3, 1][..], &[7; 32], &[0], &[0, 2, 0, 47], &[1, 0]].concat();
    if let Some(extensions) = extensions {
        let all: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, value)| [&kind.to_be_bytes()[..], &length(value), value].concat())
            .collect();
        body.extend([&length(&all), &all[..]].concat());
    }
    message(&body)
}

fn message(body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(body.len()).unwrap().to_be_bytes();
    record(&[&[1, a, b, c], body].concat())
}

fn length(value: &[u8]) -> [u8; 2] {
    u16::try_from(value.len()).unwrap().to_be_bytes()
}

fn server_names(names: &[(u8, &str)]) -> Vec<u8> {
    let list: Vec<u8> = names
        .iter()
        .flat_map(|(kind, name)| [&[*kind][..], &length(name.as_bytes()), name.as_bytes()].concat())
        .collect();
    [&length(&list), &list[..]].concat()
}

#[test]
fn a_hello_says_name_and_protocols_however_it_is_fragmented() {
    let whole = hello("Pay.Example.com", &["h2", "http/1.1"]);
    let expected = of(Some("pay.example.com"), &["h2", "http/1.1"]);
    assert_eq!(parse(&whole), expected);
    for size in [1, 2, 3, 4, 5, 7, 100, 16_384] {
        assert_eq!(parse(&fragmented(&whole, size)), expected, "{size}");
    }
    let with_more = [&whole[..], b"\x14\x03\x03\x00\x01\x01"].concat();
    assert_eq!(parse(&with_more), expected, "what follows is nobody's business");
}

#[test]
fn every_prefix_is_incomplete() {
    let whole = hello("pay.example.com", &["postgresql"]);
    for bytes in [whole.clone(), fragmented(&whole, 3)] {
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Parsed::Incomplete, "{end} of {}", bytes.len());
        }
    }
}

#[test]
fn no_single_byte_makes_it_panic_and_none_turns_one_name_into_another_unseen() {
    let whole = hello("pay.example.com", &["h2"]);
    for bytes in [whole.clone(), fragmented(&whole, 50)] {
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut mutated = bytes.clone();
                mutated[at] = value;
                if let Parsed::Hello(ClientHello { server_name: Some(name), .. }) = parse(&mutated) {
                    let differs = name.bytes().zip(*b"pay.example.com").filter(|(a, b)| a != b).count();
                    assert!(differs <= 1, "{name} at {at}");
                }
            }
        }
    }
}

#[test]
fn extensions_are_optional_and_unknown_ones_are_passed_over() {
    assert_eq!(parse(&handmade(None)), of(None, &[]));
    assert_eq!(parse(&handmade(Some(&[]))), of(None, &[]));
    // GREASE (RFC 8701), and the outer form of an encrypted hello (RFC 9849).
    let name = server_names(&[(0, "a.example")]);
    let odd = [(0x0a0a, &[][..]), (0xfe0d, &[0; 40]), (0, &name), (0xdada, &[0])];
    assert_eq!(parse(&handmade(Some(&odd))), of(Some("a.example"), &[]));
}

#[test]
fn names_are_read_as_rfc_6066_has_them() {
    let parsed = |names: &[(u8, &str)]| parse(&handmade(Some(&[(0, &server_names(names))])));
    let long = format!("{}.{}", "a".repeat(63), "b".repeat(63));
    for (name, expected) in [
        ("a.example", Some("a.example")),
        ("A.Example.", Some("a.example")),
        ("_sip.a-b.xn--nxasmq6b", Some("_sip.a-b.xn--nxasmq6b")),
        (&long, Some(long.as_str())),
        ("10.0.0.1", None),
        ("::1", None),
    ] {
        assert_eq!(parsed(&[(0, name)]), of(expected, &[]), "{name}");
    }
    assert_eq!(parsed(&[(7, "??"), (0, "a.example")]), of(Some("a.example"), &[]), "other types");
    let too_long = "c".repeat(64);
    for name in ["", ".", "a..b", ".a", "a b", "a\0b", "*.a", "ä.example", &too_long] {
        assert_eq!(parsed(&[(0, name)]), Parsed::Malformed, "{name}");
    }
    assert_eq!(parsed(&[(0, "a"), (0, "b")]), Parsed::Malformed, "two names");
    assert_eq!(parsed(&[]), Parsed::Malformed, "no name");
}

#[test]
fn what_contradicts_itself_is_malformed() {
    let name = server_names(&[(0, "a")]);
    let malformed: &[&[(u16, &[u8])]] = &[
        &[(0, &name), (0, &name)],
        &[(16, &[0, 0])],
        &[(16, &[0, 1, 0])],
        &[(16, &[0, 3, 2, b'h'])],
        &[(0, &[0, 9, 0])],
    ];
    for extensions in malformed {
        assert_eq!(parse(&handmade(Some(extensions))), Parsed::Malformed, "{extensions:?}");
    }
    let body = |session: u8, suites: &[u8], compressions: &[u8]| {
        message(&[&[3, 3][..], &[0; 32], &[session], &vec![0; session.into()], suites, compressions].concat())
    };
    for (session, suites, compressions) in [
        (33, &[0, 2, 0, 47][..], &[1, 0][..]),
        (0, &[0, 3, 0, 47, 0], &[1, 0]),
        (0, &[0, 0], &[1, 0]),
        (0, &[0, 2, 0, 47], &[0]),
    ] {
        assert_eq!(parse(&body(session, suites, compressions)), Parsed::Malformed);
    }
    let mut other = hello("a.example", &[]);
    other[5] = 2;
    assert_eq!(parse(&other), Parsed::Malformed, "a ServerHello");
    assert_eq!(parse(&[22, 3, 1, 0, 0]), Parsed::Malformed, "an empty record");
    assert_eq!(parse(&[22, 3, 1, 64, 1]), Parsed::Malformed, "a record too long");
}

#[test]
fn other_protocols_are_told_by_their_first_bytes() {
    for bytes in
        [&b"G"[..], b"SSH-2.0", b"\0\0\0\x08", b"\x80\x2e\x01\x00\x02", b"\x15\x03", b"\x16\x02", b"\x17"]
    {
        assert_eq!(parse(bytes), Parsed::NotTls, "{bytes:?}");
    }
    assert_eq!(parse(&[]), Parsed::Incomplete);
}

#[test]
fn a_hello_ends_somewhere() {
    assert_eq!(parse(&record(&[1, 1, 0, 0])), Parsed::TooLong, "64 KiB announced");
    let filling: &[u8] = &[0; 60_000];
    let large = handmade(Some(&[(99, filling)])).split_off(5);
    let drops: Vec<u8> = large.chunks(1).take(LIMIT / 6 + 1).flat_map(record).collect();
    assert_eq!(parse(&drops[..LIMIT - 1]), Parsed::Incomplete);
    assert_eq!(parse(&drops), Parsed::TooLong, "no end in 64 KiB");
    let records: Vec<u8> = large.chunks(16_384).flat_map(record).collect();
    assert_eq!(parse(&records), of(None, &[]));
}
