use tokio::io::{AsyncReadExt, AsyncWriteExt, split};

use super::*;

/// Bytes of which every position tells itself.
fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u64).wrapping_mul(0x9E37_79B9).to_le_bytes()[2] ^ seed).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn megabytes_arrive_whole_both_ways_at_once() {
    let keys = Keys::new();
    for shape in SHAPES {
        let mut rig = Rig::new(&keys, shape).await;
        let (up, down) = (pattern(1, 9_000_001), pattern(2, 5_000_003));
        let (mut client_in, mut client_out) = split(&mut rig.client);
        let (mut server_in, mut server_out) = split(&mut rig.server);
        let (mut got_up, mut got_down) = (Vec::new(), Vec::new());
        let writes = async {
            let up = async {
                client_out.write_all(&up).await.unwrap();
                client_out.shutdown().await.unwrap();
            };
            let down = async {
                server_out.write_all(&down).await.unwrap();
                server_out.shutdown().await.unwrap();
            };
            tokio::join!(up, down)
        };
        let reads = async {
            tokio::try_join!(server_in.read_to_end(&mut got_up), client_in.read_to_end(&mut got_down))
                .unwrap()
        };
        tokio::join!(writes, reads);
        assert!(got_up == up && got_down == down, "{shape:?}");
        let (reason, moved) = rig.ended().await;
        assert_eq!(reason, CloseReason::Finished, "{shape:?}");
        assert_eq!((moved.received, moved.sent), (up.len() as u64, down.len() as u64));
    }
}

#[tokio::test]
async fn messages_of_every_size_come_back() {
    let keys = Keys::new();
    for shape in SHAPES {
        let mut rig = Rig::new(&keys, shape).await;
        for len in [1, 2, 100, 1460, 16_383, 16_384, 16_385, 20_480, 40_000, 131_072, 200_000] {
            let message = pattern(3, len);
            for direction in [true, false] {
                let (from, to) = if direction {
                    (&mut rig.client, &mut rig.server)
                } else {
                    (&mut rig.server, &mut rig.client)
                };
                let mut got = vec![0; len];
                let sent = async {
                    from.write_all(&message).await.unwrap();
                    from.flush().await.unwrap();
                };
                let ((), read) = tokio::join!(sent, to.read_exact(&mut got));
                read.unwrap();
                assert!(got == message, "{shape:?} {len}");
            }
        }
    }
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_sender() {
    let keys = Keys::new();
    for shape in SHAPES {
        let mut rig = Rig::new(&keys, shape).await;
        let chunk = pattern(4, 1 << 20);
        let mut sent = 0;
        // Until nothing moved for a while: the kernel's buffers are full, and ours never grow.
        while let Ok(n) = tokio::time::timeout(Duration::from_millis(300), rig.client.write(&chunk)).await {
            sent += n.unwrap();
            assert!(sent < 64 << 20, "{shape:?}");
        }
        let held = sent as u64 - rig.progress.transfer().received.min(sent as u64);
        assert!(held < 16 << 20, "{shape:?} {held}");
        let mut got = vec![0; 1 << 20];
        rig.server.read_exact(&mut got).await.unwrap();
    }
}
