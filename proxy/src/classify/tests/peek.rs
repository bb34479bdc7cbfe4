use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::{SSL_REQUEST, Unclassified, answer, client_hello};
use super::{fragmented, hello, pair};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test]
async fn a_hello_that_comes_byte_by_byte_stays_in_the_socket() {
    let (mut client, mut accepted) = pair().await;
    let bytes = fragmented(&hello("pay.example.com", &["h2"]), 40);
    let sending = async {
        for byte in &bytes {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let ((), found) = tokio::join!(sending, client_hello(&accepted, soon()));
    let found = found.unwrap();
    assert_eq!(found.server_name.as_deref(), Some("pay.example.com"));
    let mut left = vec![0; bytes.len()];
    accepted.read_exact(&mut left).await.unwrap();
    assert_eq!(left, bytes, "not a byte is missing");
}

#[tokio::test]
async fn waiting_for_the_rest_does_not_spin() {
    let (mut client, accepted) = pair().await;
    client.write_all(&hello("pay.example.com", &[])[..50]).await.unwrap();
    let cpu = || {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
    };
    let before = cpu();
    let found = client_hello(&accepted, Instant::now() + Duration::from_millis(200)).await;
    assert!(matches!(found, Err(Unclassified::Deadline)), "{found:?}");
    assert!(cpu() - before < Duration::from_millis(50), "{:?}", cpu() - before);
}

#[tokio::test]
async fn every_other_beginning_has_a_name() {
    let half = hello("pay.example.com", &[])[..50].to_vec();
    for (bytes, expected) in [
        (half, "the client closed before its ClientHello was complete"),
        (Vec::new(), "the client closed before its ClientHello was complete"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "what the client sent is not TLS"),
        (vec![22, 3, 1, 0, 4, 2, 0, 0, 0], "the ClientHello is malformed"),
        (vec![22, 3, 1, 0, 4, 1, 255, 0, 0], "the ClientHello is longer than 65536 bytes"),
    ] {
        let (mut client, accepted) = pair().await;
        client.write_all(&bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let found = client_hello(&accepted, soon()).await;
        assert_eq!(found.unwrap_err().to_string(), expected, "{bytes:?}");
    }
    let (client, accepted) = pair().await;
    client.set_zero_linger().unwrap();
    drop(client);
    assert!(matches!(client_hello(&accepted, soon()).await, Err(Unclassified::Socket(_))));
}

#[tokio::test]
async fn postgres_clients_are_answered_up_to_their_hello_and_no_further() {
    let gss: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 48];
    for (questions, answers) in
        [(&[&SSL_REQUEST[..]][..], "S"), (&[gss, &SSL_REQUEST], "NS"), (&[][..], ""), (&[gss], "N")]
    {
        let (mut client, mut accepted) = pair().await;
        let hello = hello("db.example.com", &["postgresql"]);
        let talking = async {
            let mut said = vec![0; answers.len()];
            for (question, answer) in questions.iter().zip(&mut said) {
                client.write_all(question).await.unwrap();
                *answer = client.read_u8().await.unwrap();
            }
            client.write_all(&hello).await.unwrap();
            assert_eq!(said, answers.as_bytes());
        };
        let ((), answered) = tokio::join!(talking, answer(&accepted, soon()));
        answered.unwrap();
        let found = client_hello(&accepted, soon()).await.unwrap();
        assert_eq!(found.server_name.as_deref(), Some("db.example.com"));
        let mut left = vec![0; hello.len()];
        accepted.read_exact(&mut left).await.unwrap();
        assert_eq!(left, hello);
    }
}

#[tokio::test]
async fn a_hello_on_the_heels_of_its_request_is_left_alone() {
    let (mut client, accepted) = pair().await;
    client.write_all(&[&SSL_REQUEST[..], &hello("db.example.com", &[])].concat()).await.unwrap();
    answer(&accepted, soon()).await.unwrap();
    assert!(client_hello(&accepted, soon()).await.is_ok());
}

#[tokio::test]
async fn postgres_clients_without_tls_are_told_apart() {
    let startup = [&[0, 0, 0, 17, 0, 3, 0, 0][..], b"user\0me\0\0"].concat();
    let cancel = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2].to_vec();
    let gss = [0, 0, 0, 8, 4, 210, 22, 48].repeat(3);
    for (bytes, expected) in [
        (startup, "what the client sent is not TLS"),
        (b"GET / HTTP/1.1\r\n".to_vec(), "what the client sent is not TLS"),
        (gss, "what the client sent is not TLS"),
        (cancel, "a PostgreSQL CancelRequest came in the clear"),
        (SSL_REQUEST[..7].to_vec(), "the client closed before its ClientHello was complete"),
    ] {
        let (mut client, accepted) = pair().await;
        client.write_all(&bytes).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(answer(&accepted, soon()).await.unwrap_err().to_string(), expected, "{bytes:?}");
    }
}
