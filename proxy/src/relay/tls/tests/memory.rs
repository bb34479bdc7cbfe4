use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Resident memory of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// In a process of its own (nextest), and with the peers' share counted too: theirs is rustls' buffered API.
#[tokio::test]
async fn an_idle_connection_takes_little_memory() {
    const MANY: usize = 200;
    let keys = Keys::new();
    let both = Shape { downstream: true, upstream: true };
    let mut rigs = vec![Rig::new(&keys, both).await];
    let before = resident();
    for _ in 0..MANY {
        let mut rig = Rig::new(&keys, both).await;
        rig.client.write_all(b"hello").await.unwrap();
        rig.client.flush().await.unwrap();
        rig.server.read_exact(&mut [0; 5]).await.unwrap();
        rigs.push(rig);
    }
    let each = (resident() - before) / MANY;
    assert!(each < 160 << 10, "{each} bytes for four sessions, two of them ours");
}
