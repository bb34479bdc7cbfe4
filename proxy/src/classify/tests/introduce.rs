use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::{Introduction, introduction};
use super::pair;

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n";

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test]
async fn a_header_is_read_to_its_last_byte_and_no_further() {
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\x03abc";
    let long = [b"\r\n\r\n\0\r\nQUIT\n\x20\0\x3f\xf0".to_vec(), vec![0; (16 << 10) - 16]].concat();
    for (header, step) in [(HEADER, 1), (HEADER, 7), (HEADER, 1000), (local, 1), (local, 1000), (&*long, 999)]
    {
        let (mut client, mut accepted) = pair().await;
        let bytes = [header, b"the client's own"].concat();
        let sending = async {
            for part in bytes.chunks(step) {
                client.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let ((), found) = tokio::join!(sending, introduction(&accepted, soon()));
        let Introduction { introduced, heard, .. } = found.unwrap();
        assert_eq!(heard, header.len() as u64);
        assert_eq!(
            introduced.map(|i| i.source.to_string()),
            (header == HEADER).then(|| "192.0.2.1:4711".into())
        );
        let mut left = [0; 16];
        accepted.read_exact(&mut left).await.unwrap();
        assert_eq!(&left, b"the client's own");
    }
}

#[tokio::test]
async fn what_came_behind_a_header_is_told() {
    for (behind, hasty) in [(&b""[..], false), (b"x", true)] {
        let (mut client, accepted) = pair().await;
        client.write_all(&[HEADER, behind].concat()).await.unwrap();
        assert_eq!(introduction(&accepted, soon()).await.unwrap().hasty, hasty);
    }
}

#[tokio::test]
async fn every_other_beginning_has_a_name() {
    for (bytes, expected) in [
        (&HEADER[..20], "the peer closed before its PROXY header was complete"),
        (b"", "the peer closed before its PROXY header was complete"),
        (b"GET / HTTP/1.1\r\n", "what the peer sent does not begin with a PROXY header"),
        (b"PROXY TCP4 1 2\r\n", "the PROXY header is malformed: the line's addresses are none"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "the PROXY header is longer than 16384 bytes"),
    ] {
        let (mut client, accepted) = pair().await;
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let found = introduction(&accepted, soon()).await;
        assert_eq!(found.unwrap_err().to_string(), expected, "{bytes:?}");
    }
    let (mut client, accepted) = pair().await;
    client.write_all(&HEADER[..20]).await.unwrap();
    let found = introduction(&accepted, Instant::now() + Duration::from_millis(20)).await;
    assert_eq!(found.unwrap_err().to_string(), "no complete PROXY header in time");
    let (client, accepted) = pair().await;
    client.set_zero_linger().unwrap();
    drop(client);
    let found = introduction(&accepted, soon()).await;
    assert!(matches!(found, Err(super::super::Unintroduced::Socket(_))), "{found:?}");
}
