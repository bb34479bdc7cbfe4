use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn each_side_may_end_first_and_the_other_go_on() {
    let keys = Keys::new();
    for shape in SHAPES {
        for client_first in [true, false] {
            let mut rig = Rig::new(&keys, shape).await;
            {
                let (first, second) = if client_first {
                    (&mut rig.client, &mut rig.server)
                } else {
                    (&mut rig.server, &mut rig.client)
                };
                first.write_all(b"question").await.unwrap();
                first.shutdown().await.unwrap();
                let mut heard = Vec::new();
                second.read_to_end(&mut heard).await.unwrap();
                assert_eq!(heard, b"question", "{shape:?}");
                second.write_all(b"answer").await.unwrap();
                second.flush().await.unwrap();
                let mut answer = [0; 6];
                first.read_exact(&mut answer).await.unwrap();
                second.shutdown().await.unwrap();
                assert_eq!(first.read(&mut answer).await.unwrap(), 0);
            }
            assert_eq!(rig.ended().await.0, CloseReason::Finished, "{shape:?} {client_first}");
        }
    }
}

/// A client whose TCP ends without a word of TLS.
#[tokio::test]
async fn a_stream_cut_short_never_ends_in_order() {
    let keys = Keys::new();
    for upstream in [false, true] {
        let ((client, downstream), pool) = (pair().await, Arc::new(Pool::default()));
        let name = "pay.example.com".try_into().unwrap();
        let session = keys.terminator.session().unwrap();
        let (client, leg) =
            tokio::join!(keys.connector.connect(name, client), secured(downstream, session, &pool));
        let mut client = client.unwrap();
        let (mut server, other) = pair().await;
        let stop = CancellationToken::new();
        // The peer that is cut short as our client, or as our upstream.
        let mut legs = Box::new([leg, Leg::plain(other)]);
        let mut expected = CloseReason::DownstreamTruncated;
        if upstream {
            legs.reverse();
            expected = CloseReason::UpstreamTruncated;
        }
        let relay = {
            let (terms, progress) = (terms(&stop), Arc::default());
            tokio::spawn(async move { run(legs, &pool, terms, progress).await })
        };
        client.write_all(b"half of it").await.unwrap();
        client.flush().await.unwrap();
        let mut heard = [0; 10];
        server.read_exact(&mut heard).await.unwrap();
        client.get_mut().0.shutdown().await.unwrap();
        let end = server.read(&mut heard).await;
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(relay.await.unwrap(), expected);
    }
}

/// A client that hears its upstream's end and closes TCP alone has kept nothing back, unless it went on talking.
#[tokio::test]
async fn an_end_that_is_not_answered_is_one_for_the_client_alone() {
    let keys = Keys::new();
    for (more, expected) in [(false, CloseReason::Finished), (true, CloseReason::DownstreamTruncated)] {
        let ((client, downstream), pool) = (pair().await, Arc::new(Pool::default()));
        let name = "pay.example.com".try_into().unwrap();
        let session = keys.terminator.session().unwrap();
        let (client, leg) =
            tokio::join!(keys.connector.connect(name, client), secured(downstream, session, &pool));
        let (mut client, (mut server, upstream)) = (client.unwrap(), pair().await);
        let stop = CancellationToken::new();
        let (terms, legs) = (terms(&stop), Box::new([leg, Leg::plain(upstream)]));
        let relay = tokio::spawn(async move { run(legs, &pool, terms, Arc::default()).await });
        client.write_all(b"question").await.unwrap();
        client.flush().await.unwrap();
        let mut heard = [0; 8];
        server.read_exact(&mut heard).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer");
        if more {
            client.write_all(b"more").await.unwrap();
            client.flush().await.unwrap();
            server.read_exact(&mut heard[..4]).await.unwrap();
        }
        client.get_mut().0.shutdown().await.unwrap();
        // Nobody has proven to the upstream that this was all.
        let end = server.read(&mut heard).await;
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(relay.await.unwrap(), expected);
        let end = client.get_mut().0.read(&mut heard).await;
        assert!(matches!(end, Ok(0)), "the client's end is in order: {end:?}");
    }
}

/// An upstream that closes without having read our close_notify, as PostgreSQL does: what it said itself counts,
/// though it is read after its reset.
#[tokio::test]
async fn an_end_that_finds_nobody_leaves_it_to_what_was_said() {
    let keys = Keys::new();
    for (says, expected) in [(true, CloseReason::Finished), (false, CloseReason::UpstreamReset)] {
        let ((mut client, downstream), (server, upstream)) = (pair().await, pair().await);
        let pool = Arc::new(Pool::default());
        let session = keys.originator.session(&Host::Name("pay.example.com".into()), None).unwrap();
        let (server, leg) = tokio::join!(keys.acceptor.accept(server), secured(upstream, session, &pool));
        let mut server = server.unwrap();
        // Or a reset throws away what waits for an acknowledgement.
        server.get_ref().0.set_nodelay(true).unwrap();
        let stop = CancellationToken::new();
        let (terms, legs) = (terms(&stop), Box::new([Leg::plain(downstream), leg]));
        // From here on the relay has no turn before both have ended: there is one thread, and nothing waits.
        client.shutdown().await.unwrap();
        server.write_all(b"farewell").await.unwrap();
        server.flush().await.unwrap();
        if says {
            server.get_mut().1.send_close_notify();
            server.flush().await.unwrap();
        }
        server.get_ref().0.set_zero_linger().unwrap();
        drop(server);
        assert_eq!(run(legs, &pool, terms, Arc::default()).await, expected);
        let mut heard = Vec::new();
        let end = client.read_to_end(&mut heard).await;
        assert_eq!((&heard[..], end.is_ok()), (&b"farewell"[..], says));
    }
}

#[tokio::test]
async fn what_came_before_a_reset_is_delivered_and_then_the_reset() {
    let keys = Keys::new();
    for shape in SHAPES {
        let mut rig = Rig::new(&keys, shape).await;
        let message = vec![5; 100_000];
        rig.client.write_all(&message).await.unwrap();
        rig.client.flush().await.unwrap();
        let mut heard = vec![0; message.len()];
        rig.server.read_exact(&mut heard).await.unwrap();
        rig.server.write_all(&message).await.unwrap();
        rig.server.flush().await.unwrap();
        rig.client.read_exact(&mut heard).await.unwrap();
        rig.stop.cancel();
        assert!(rig.client.read(&mut heard).await.is_err(), "{shape:?}: reset, not ended");
        assert!(rig.server.read(&mut heard).await.is_err(), "{shape:?}: reset, not ended");
        assert_eq!(rig.ended().await.0, CloseReason::Drained);
    }
}

/// Of a batch, part has been read and part waits in the relay: counted is what can be read.
#[tokio::test]
async fn what_a_slow_reader_has_read_is_counted() {
    const BATCH: usize = 128 << 10;
    const READ: usize = 50_000;
    let keys = Keys::new();
    for encrypted in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let slow = TcpSocket::new_v4().unwrap();
        slow.set_recv_buffer_size(8 << 10).unwrap();
        let slow = slow.connect(listener.local_addr().unwrap());
        let (slow, downstream) = tokio::join!(slow, listener.accept());
        let (slow, downstream) = (slow.unwrap(), downstream.unwrap().0);
        socket2::SockRef::from(&downstream).set_send_buffer_size(8 << 10).unwrap();

        let pool = Arc::new(Pool::default());
        let (mut slow, leg): (Box<dyn Stream>, _) = if encrypted {
            let name = "pay.example.com".try_into().unwrap();
            let session = keys.terminator.session().unwrap();
            let (slow, leg) =
                tokio::join!(keys.connector.connect(name, slow), secured(downstream, session, &pool));
            (Box::new(slow.unwrap()), leg)
        } else {
            (Box::new(slow), Leg::plain(downstream))
        };

        let (mut server, upstream) = pair().await;
        socket2::SockRef::from(&upstream).set_recv_buffer_size(8 * BATCH).unwrap();
        server.write_all(&vec![7; 2 * BATCH]).await.unwrap();
        let mut there = vec![0; 2 * BATCH];
        while upstream.peek(&mut there).await.unwrap() < there.len() {
            tokio::task::yield_now().await;
        }

        let (progress, stop) = (Arc::new(TlsProgress::default()), CancellationToken::new());
        let relay = {
            let (terms, progress) = (terms(&stop), Arc::clone(&progress));
            let legs = Box::new([leg, Leg::plain(upstream)]);
            tokio::spawn(async move { run(legs, &pool, terms, progress).await })
        };
        let mut heard = vec![0; READ];
        slow.read_exact(&mut heard).await.unwrap();
        let sent = progress.transfer().sent;
        assert!((READ as u64..BATCH as u64).contains(&sent), "encrypted: {encrypted}: {sent}");
        stop.cancel();
        assert_eq!(relay.await.unwrap(), CloseReason::Drained);
    }
}

#[tokio::test]
async fn silence_and_age_end_it() {
    let keys = Keys::new();
    let short = Duration::from_millis(200);
    for shape in SHAPES {
        let rig = Rig::with(&keys, shape, |terms| Terms { idle: Some(short), ..terms }).await;
        assert_eq!(rig.ended().await.0, CloseReason::IdleTimeout);
        let rig = Rig::with(&keys, shape, |t| Terms { expires: Some(Instant::now() + short), ..t }).await;
        assert_eq!(rig.ended().await.0, CloseReason::MaxAge);
        let mut rig = Rig::with(&keys, shape, |terms| Terms { half_closed: Some(short), ..terms }).await;
        rig.client.shutdown().await.unwrap();
        assert_eq!(rig.ended().await.0, CloseReason::HalfClosedTimeout);
    }
}

#[tokio::test]
async fn nonsense_after_the_handshake_is_the_peers_fault() {
    let keys = Keys::new();
    let ((client, downstream), pool) = (pair().await, Arc::new(Pool::default()));
    let session = keys.terminator.session().unwrap();
    let name = "pay.example.com".try_into().unwrap();
    let (client, leg) =
        tokio::join!(keys.connector.connect(name, client), secured(downstream, session, &pool));
    let ((mut raw, _session), (mut server, other)) = (client.unwrap().into_inner(), pair().await);
    let stop = CancellationToken::new();
    let terms = terms(&stop);
    let legs = Box::new([leg, Leg::plain(other)]);
    let relay = tokio::spawn(async move { run(legs, &pool, terms, Arc::default()).await });
    raw.write_all(&[23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
        .await
        .unwrap();
    let end = server.read(&mut [0; 1]).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(relay.await.unwrap(), CloseReason::DownstreamTls);
}
