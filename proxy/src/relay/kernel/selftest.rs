//! Proves at start that this kernel relays every byte once, in order, with every end of stream.
//!
//! Kernels between 6.4 and 6.15.2, and ranges of stable ones, duplicate data when a send buffer
//! fills (3b4f14b79428); no version number tells, only relaying does.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

use super::super::{Terms, socket};
use super::offload::{Offload, Window};
use super::patience::{Impatience, patiently};
use super::relay::Carrying;
use crate::config::settings::Settings;
use crate::ebpf::Datapath;
use crate::telemetry::CloseReason;

/// What the self-test found.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// A loopback connection could not be made: says nothing about the kernel relay.
    #[error("a loopback connection")]
    Loopback(#[from] io::Error),
    /// The kernel did not take the sockets.
    #[error("the kernel did not take a pair of sockets: {0}")]
    Declined(&'static str),
    /// Bytes were lost, added, changed or reordered.
    #[error("{what}: sent {sent} bytes, got {got}, equal up to byte {equal}")]
    Differs {
        /// Which exchange.
        what: &'static str,
        /// Length of what was sent.
        sent: usize,
        /// Length of what arrived.
        got: usize,
        /// Length of the common beginning.
        equal: usize,
    },
    /// Something did not come in time.
    #[error("{0}: nothing moved any more")]
    Stalled(&'static str),
    /// All moved, and so slowly that userspace is better.
    #[error("{0}: not through in half a minute")]
    Slow(&'static str),
    /// The relay ended otherwise than in order.
    #[error("{what}: the relay ended with {reason}", reason = .reason.as_str())]
    Ended {
        /// Which exchange.
        what: &'static str,
        /// How it ended.
        reason: CloseReason,
    },
}

/// Longest that nothing may move; whole exchanges take milliseconds.
const STANDSTILL: Duration = Duration::from_secs(3);

/// Enough to fill every buffer between the two ends.
const BULK: usize = 2 << 20;

/// Runs every exchange.
///
/// # Errors
/// What went wrong first.
pub(super) async fn self_test(datapath: &Arc<Datapath>, window: Window) -> Result<(), SelfTestError> {
    let whats = [
        ("a stalled reader behind a small send buffer", Case { early: 0, up: BULK, down: 0, small: true }),
        ("both directions stalled at once", Case { early: 0, up: BULK / 2, down: BULK / 2, small: false }),
        ("bytes queued before the sockets were taken", Case { early: 1000, up: 10, down: 10, small: false }),
        ("data and FIN in one segment", Case { early: 0, up: 100, down: 0, small: false }),
    ];
    let (moved, current) = (AtomicU64::new(0), AtomicUsize::new(0));
    let all = async {
        for (index, (what, case)) in whats.into_iter().enumerate() {
            current.store(index, Ordering::Relaxed);
            exchange(datapath, window, what, case, &moved).await?;
        }
        Ok(())
    };
    patiently(STANDSTILL, &moved, Box::pin(all)).await.unwrap_or_else(|why| {
        let (what, _) = whats[current.load(Ordering::Relaxed)];
        Err(match why {
            Impatience::Stalled => SelfTestError::Stalled(what),
            Impatience::Slow => SelfTestError::Slow(what),
        })
    })
}

/// One exchange: how many bytes go each way, and under what circumstances.
#[derive(Clone, Copy)]
struct Case {
    /// Sent before the sockets are taken, on top of `up`.
    early: usize,
    up: usize,
    down: usize,
    /// The upstream socket's send buffer is as small as it can be.
    small: bool,
}

async fn exchange(
    datapath: &Arc<Datapath>,
    window: Window,
    what: &'static str,
    case: Case,
    moved: &AtomicU64,
) -> Result<(), SelfTestError> {
    let (mut client, downstream) = connection()?;
    let (upstream, mut server) = connection()?;
    let (server_side, upstream) = (&mut server, upstream.into_std()?);
    if case.small {
        SockRef::from(&upstream).set_send_buffer_size(4096)?;
    }
    client.write_all(&pattern(0, case.early)).await?;
    let slot = crate::ebpf::MappingSlot::new(datapath, &"self-test".into());
    let sockets = [downstream.into_std()?.into(), OwnedFd::from(upstream)];
    let offload = Offload { mapping: slot.id(), window, after: 0, on: Arc::new(AtomicBool::new(true)) };
    let carrying = Carrying::new(datapath, offload, sockets, Default::default())
        .map_err(|d| SelfTestError::Declined(d.reason))?;
    let terms = Terms {
        idle: None,
        half_closed: None,
        expires: None,
        sockets: Settings::default().sockets,
        stop: CancellationToken::new(),
    };
    let relay = tokio::spawn(async move { carrying.run(terms, &|_| {}).await });

    // Nobody reads before both have written all they have or can: then buffers are full.
    let sent_up = pattern(0, case.early + case.up);
    let sent_down = pattern(7, case.down);
    let (got_up, got_down) = {
        let (client_in, client_out) = client.split();
        let (server_in, server_out) = server_side.split();
        let start = tokio::sync::Barrier::new(2);
        let up = async { write_all_then_finish(client_out, &sent_up[case.early..], moved).await };
        let down = write_all_then_finish(server_out, &sent_down, moved);
        let read_up = async {
            stalled(&start).await;
            read_all(server_in, moved).await
        };
        let read_down = async {
            stalled(&start).await;
            read_all(client_in, moved).await
        };
        let ((), (), up, down) = tokio::try_join!(up, down, read_up, read_down)?;
        (up, down)
    };
    compare(what, &sent_up, &got_up)?;
    compare(what, &sent_down, &got_down)?;
    match relay.await.unwrap_or(CloseReason::Internal) {
        CloseReason::Finished => Ok(()),
        reason => Err(SelfTestError::Ended { what, reason }),
    }
}

/// Gives the writers time to run into full buffers before anybody reads.
async fn stalled(start: &tokio::sync::Barrier) {
    start.wait().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// The last write and the FIN leave in one segment where the write is small.
async fn write_all_then_finish(out: WriteHalf<'_>, bytes: &[u8], moved: &AtomicU64) -> io::Result<()> {
    let stream = out.as_ref();
    SockRef::from(stream).set_tcp_cork(true)?;
    let mut left = bytes;
    while !left.is_empty() {
        stream.writable().await?;
        match stream.try_write(left) {
            Ok(n) => {
                moved.fetch_add(n as u64, Ordering::Relaxed);
                left = &left[n..];
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
    socket::finish(stream.as_fd())
}

async fn read_all(mut from: ReadHalf<'_>, moved: &AtomicU64) -> io::Result<Vec<u8>> {
    let mut got = Vec::new();
    loop {
        let n = from.read_buf(&mut got).await?;
        if n == 0 {
            return Ok(got);
        }
        moved.fetch_add(n as u64, Ordering::Relaxed);
    }
}

fn compare(what: &'static str, sent: &[u8], got: &[u8]) -> Result<(), SelfTestError> {
    if sent == got {
        return Ok(());
    }
    let equal = sent.iter().zip(got).take_while(|(a, b)| a == b).count();
    Err(SelfTestError::Differs { what, sent: sent.len(), got: got.len(), equal })
}

/// Bytes in which no run repeats within 256 KiB: a lost, doubled or swapped segment shows.
fn pattern(seed: u32, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 4);
    // Not an iterator over bytes: without optimisation that takes most of a start, and a test starts many.
    for i in 0u32.. {
        if bytes.len() >= len {
            break;
        }
        bytes.extend_from_slice(&(i.wrapping_mul(2_654_435_761) ^ seed).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Two ends of one loopback connection.
fn connection() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    near.connect(&listener.local_addr()?.into())?;
    let (far, _) = listener.accept()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    Ok((TcpStream::from_std(near.into())?, TcpStream::from_std(far)?))
}
