//! Connections that begin with a PROXY header, or whose upstreams get one: the kernel relay takes over behind it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;

use serde_json::Value;
use sluice::relay::socket::unacked;

use crate::harness::backend::Backend;
use crate::harness::client::{connect, read_all};
use crate::harness::eventually;
use crate::harness::payload::Payload;
use crate::harness::repair::wind_back;
use crate::harness::sluice::{Builder, Sluice};
use crate::relay::{BACK, FRONT, Relay, on_every_relay};

on_every_relay!(
    in_one_segment_with_what_follows,
    alone_in_its_segment,
    byte_by_byte,
    in_pieces_of_every_size,
    before_an_upstream_that_speaks_first,
    on_its_way_to_the_upstream,
    before_a_megabyte,
    sent_again_with_what_follows,
);

const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x01\xbb";
/// Messages back and forth, of which only the first few come before a connection joins.
const MESSAGES: u64 = 60;
const SIZE: usize = 1000;

fn start(relay: Relay, annotations: &str) -> Sluice {
    let listener = "---\napiVersion: getambassador.io/v3alpha1\nkind: Listener\nmetadata: {name: l}\n\
                    spec: {port: 7000, protocolStack: [PROXY, TCP]}\n";
    let mapping = relay.annotated("echo", annotations, 7000, BACK, "");
    Builder::new(&format!("{listener}{mapping}")).flags(&["--bind-address", "127.0.0.1"]).start()
}

/// Messages from the first on that was sent already, and the end; every byte is accounted for, nearly all of them to
/// the relay that is meant to carry them.
fn converse(mut stream: TcpStream, sluice: &mut Sluice, relay: Relay) -> Value {
    for message in 0..MESSAGES {
        let payload = Payload { seed: message, len: SIZE };
        if message > 0 {
            payload.send(&mut stream).unwrap();
        }
        payload.expect(&mut stream);
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stream), b"");
    drop(stream);
    let record = sluice.closed();
    let all = MESSAGES * SIZE as u64;
    assert_eq!((&record["received"], &record["sent"]), (&all.into(), &all.into()), "{record}");
    assert_eq!(
        (&record["reason"], &record["peer"]),
        (&"finished".into(), &"192.0.2.1:4711".into()),
        "{record}"
    );
    relay.carried(&record);
    if relay == Relay::Kernel {
        assert!(record["fallback"].is_null(), "{record}");
        for direction in ["received_in_kernel", "sent_in_kernel"] {
            assert!(record[direction].as_u64().unwrap() > all * 3 / 4, "{record}");
        }
    }
    record
}

fn first() -> Vec<u8> {
    let mut bytes = Vec::new();
    Payload { seed: 0, len: SIZE }.send(&mut bytes).unwrap();
    bytes
}

fn in_one_segment_with_what_follows(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = start(relay, "");
    for header in [LINE, BINARY] {
        let mut stream = connect(FRONT);
        stream.write_all(&[header, &first()].concat()).unwrap();
        converse(stream, &mut sluice, relay);
    }
}

fn alone_in_its_segment(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = start(relay, "");
    for header in [LINE, BINARY] {
        let mut stream = connect(FRONT);
        stream.write_all(header).unwrap();
        stream.write_all(&first()).unwrap();
        converse(stream, &mut sluice, relay);
    }
}

fn byte_by_byte(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = start(relay, "");
    for header in [LINE, BINARY] {
        let mut stream = connect(FRONT);
        for byte in [header, &first()].concat() {
            stream.write_all(&[byte]).unwrap();
        }
        converse(stream, &mut sluice, relay);
    }
}

/// The header's end meets every place of a segment.
fn in_pieces_of_every_size(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = start(relay, "");
    let bytes = [BINARY, &first()].concat();
    for size in (2..BINARY.len() + 2).step_by(3) {
        let mut stream = connect(FRONT);
        for piece in bytes.chunks(size) {
            stream.write_all(piece).unwrap();
        }
        converse(stream, &mut sluice, relay);
    }
}

fn before_an_upstream_that_speaks_first(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        stream.write_all(b"220 ready").unwrap();
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            stream.write_all(&chunk[..n]).unwrap();
        }
    });
    let mut sluice = start(relay, "");
    let mut stream = connect(FRONT);
    stream.write_all(LINE).unwrap();
    let mut greeting = [0; 9];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"220 ready");
    for message in 0..MESSAGES {
        let payload = Payload { seed: message, len: SIZE };
        payload.send(&mut stream).unwrap();
        payload.expect(&mut stream);
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stream), b"");
    let record = sluice.closed();
    relay.carried(&record);
    let all = MESSAGES * SIZE as u64;
    assert_eq!((&record["received"], &record["sent"]), (&all.into(), &(all + 9).into()), "{record}");
    assert_eq!(record["reason"], "finished", "{record}");
}

fn on_its_way_to_the_upstream(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        let mut header = [0; BINARY.len()];
        stream.read_exact(&mut header).unwrap();
        assert_eq!(header, *BINARY);
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            stream.write_all(&chunk[..n]).unwrap();
        }
    });
    let mut sluice = start(relay, "sluice.dev/proxy-protocol: v2,");
    let mut stream = connect(FRONT);
    stream.write_all(&[LINE, &first()].concat()).unwrap();
    converse(stream, &mut sluice, relay);
}

/// A sender that never pauses: whoever carries it, nothing is missing and nothing comes twice.
fn before_a_megabyte(relay: Relay) {
    const UP: Payload = Payload { seed: 3, len: 1 << 20 };
    Backend::serve(BACK, |mut stream| {
        UP.expect_to_end(&mut stream);
        stream.write_all(b"all of it").unwrap();
    });
    let mut sluice = start(relay, "");
    for _ in 0..10 {
        let mut stream = connect(FRONT);
        let mut bytes = LINE.to_vec();
        UP.send(&mut bytes).unwrap();
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut stream), b"all of it");
        let record = sluice.closed();
        relay.carried(&record);
        assert_eq!(
            (&record["received"], &record["reason"]),
            (&(1 << 20).into(), &"finished".into()),
            "{record}"
        );
    }
}

/// A retransmission that reaches back into the header, which is no part of the stream that is relayed.
fn sent_again_with_what_follows(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = start(relay, "");
    for (together, back) in [(true, 0), (true, 10), (false, 0), (false, 10)] {
        let mut stream = connect(FRONT);
        if together {
            stream.write_all(&[LINE, &first()].concat()).unwrap();
        } else {
            stream.write_all(LINE).unwrap();
            stream.write_all(&first()).unwrap();
        }
        Payload { seed: 0, len: SIZE }.expect(&mut stream);
        eventually("acknowledgement", || (unacked(stream.as_fd()).unwrap() == 0).then_some(()));
        let again = [&LINE[LINE.len() - back..], &first()].concat();
        let mut stream = wind_back(stream, u32::try_from(again.len()).unwrap());
        stream.write_all(&[&again[..], b"new"].concat()).unwrap();
        let mut new = [0; 3];
        stream.read_exact(&mut new).unwrap();
        assert_eq!(&new, b"new");
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut stream), b"");
        let record = sluice.closed();
        relay.carried(&record);
        assert_eq!((&record["received"], &record["reason"]), (&1003.into(), &"finished".into()), "{record}");
    }
}
