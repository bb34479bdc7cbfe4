use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::{Opening, Unclassified, opening};
use super::{hello, pair};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test]
async fn a_client_that_begins_with_tls_is_told_by_its_hello() {
    let (mut client, mut accepted) = pair().await;
    let bytes = hello("pay.example.com", &["h2"]);
    let sending = async {
        // The first byte alone is no hello yet, and no cleartext either.
        for part in [&bytes[..1], &bytes[1..]] {
            client.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let ((), found) = tokio::join!(sending, opening(&accepted, soon()));
    let Opening::Tls(found) = found.unwrap() else { panic!("cleartext") };
    assert_eq!(found.server_name.as_deref(), Some("pay.example.com"));
    let mut left = vec![0; bytes.len()];
    accepted.read_exact(&mut left).await.unwrap();
    assert_eq!(left, bytes, "not a byte is missing");
}

#[tokio::test]
async fn whatever_else_comes_is_cleartext_and_stays_in_the_socket() {
    for said in ["GET / HTTP/1.1\r\n\r\n", "x", ""] {
        let (mut client, mut accepted) = pair().await;
        client.write_all(said.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let begun = Instant::now();
        let found = opening(&accepted, soon()).await;
        assert!(matches!(found, Ok(Opening::Cleartext)), "{said:?}: {found:?}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{said:?}: nothing was waited for");
        let mut left = String::new();
        accepted.read_to_string(&mut left).await.unwrap();
        assert_eq!(left, said);
    }
}

#[tokio::test]
async fn who_says_nothing_waits_for_the_server_to_speak_first() {
    let (_client, accepted) = pair().await;
    let begun = Instant::now();
    let found = opening(&accepted, soon()).await;
    assert!(matches!(found, Ok(Opening::Cleartext)), "{found:?}");
    let waited = begun.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&waited), "{waited:?}");
    // Never longer than there is time.
    let (_client, accepted) = pair().await;
    let begun = Instant::now();
    opening(&accepted, begun + Duration::from_millis(50)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn tls_that_is_begun_and_not_gone_on_with_is_no_cleartext() {
    let (mut client, accepted) = pair().await;
    client.write_all(&hello("pay.example.com", &[])[..50]).await.unwrap();
    let found = opening(&accepted, Instant::now() + Duration::from_millis(50)).await;
    assert!(matches!(found, Err(Unclassified::Deadline)), "{found:?}");
    let (mut client, accepted) = pair().await;
    client.write_all(&[22, 3, 1, 0, 4, 2, 0, 0, 0]).await.unwrap();
    let found = opening(&accepted, soon()).await;
    assert_eq!(found.unwrap_err().to_string(), "the ClientHello is malformed");
}
