//! The system calls a relay makes on its sockets, each safe to call.

use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use socket2::{SockRef, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The parts of TCP_INFO that a relay decides by.
#[derive(Debug, Clone, Copy)]
pub struct TcpInfo {
    /// Time since the last segment with data arrived, in steps of a jiffy.
    pub since_received: Duration,
    /// Time since the last segment with data left, in steps of a jiffy.
    pub since_sent: Duration,
    /// Bytes the peer acknowledged, SYN and FIN counting one each (Linux 4.1).
    pub acked: u64,
    /// Bytes received in order, a FIN counting one (Linux 4.1).
    pub received: u64,
    /// Whether a FIN was surely received.
    pub ended: bool,
    /// Whether nothing comes or goes any more: after a reset, or after both ends.
    pub closed: bool,
    /// Whether its end has come and ours is said, but not acknowledged yet.
    pub said: bool,
}

/// tcpi_state of sockets whose peer has surely finished: TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING
/// (include/net/tcp_states.h). CLOSE may also be a reset.
const FIN_RECEIVED: [u8; 4] = [6, 8, 9, 11];

/// tcpi_state CLOSING and LAST_ACK.
const ENDS_SAID: [u8; 2] = [11, 9];

/// tcpi_state CLOSE.
const CLOSE: u8 = 7;

/// The head of the kernel's `struct tcp_info` (include/uapi/linux/tcp.h), as far as it is used.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawTcpInfo {
    state: u8,
    flags: [u8; 7],
    rto_to_fackets: [u32; 9],
    last_data_sent: u32,
    last_ack_sent: u32,
    last_data_recv: u32,
    last_ack_recv: u32,
    pmtu_to_total_retrans: [u32; 11],
    pacing_rate: u64,
    max_pacing_rate: u64,
    bytes_acked: u64,
    bytes_received: u64,
}

const _: () = {
    assert!(std::mem::offset_of!(RawTcpInfo, last_data_recv) == 52);
    assert!(std::mem::offset_of!(RawTcpInfo, bytes_acked) == 120);
    assert!(std::mem::offset_of!(RawTcpInfo, bytes_received) == 128);
};

/// Not in the libc crate (include/uapi/asm-generic/socket.h).
const SO_MEMINFO: libc::c_int = 55;

/// What a socket's send buffer holds and may hold (SO_MEMINFO, Linux 4.12), in bytes of memory.
#[derive(Debug, Clone, Copy)]
pub struct SendMemory {
    /// Memory of everything queued, sent or not, that is not acknowledged.
    pub queued: u64,
    /// The buffer's size.
    pub limit: u64,
}

/// Registers a socket with tokio for reading alone.
///
/// # Errors
/// epoll_ctl(2)'s.
pub fn readable(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the owned socket stays open, and the same, for as long as the AsyncFd lives.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?)
}

/// Reads TCP_INFO.
///
/// # Errors
/// getsockopt(2)'s.
pub fn tcp_info(socket: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    let raw: RawTcpInfo = getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    Ok(TcpInfo {
        since_received: Duration::from_millis(raw.last_data_recv.into()),
        since_sent: Duration::from_millis(raw.last_data_sent.into()),
        acked: raw.bytes_acked,
        received: raw.bytes_received,
        ended: FIN_RECEIVED.contains(&raw.state),
        closed: raw.state == CLOSE,
        said: ENDS_SAID.contains(&raw.state),
    })
}

/// Reads SO_MEMINFO.
///
/// # Errors
/// getsockopt(2)'s.
pub fn send_memory(socket: BorrowedFd<'_>) -> io::Result<SendMemory> {
    let words: [u32; 9] = getsockopt(socket, libc::SOL_SOCKET, SO_MEMINFO)?;
    Ok(SendMemory {
        queued: words[libc::SK_MEMINFO_WMEM_QUEUED as usize].into(),
        limit: words[libc::SK_MEMINFO_SNDBUF as usize].into(),
    })
}

/// Bytes written to the socket and not yet acknowledged (SIOCOUTQ).
///
/// # Errors
/// ioctl(2)'s.
pub fn unacked(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the request writes one int through the pointer.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Every byte the socket's send queue has ever taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Acknowledged by the peer.
    pub acked: u64,
    /// Not yet.
    pub queued: u64,
}

impl Accepted {
    /// Both together.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.acked + self.queued
    }
}

/// What the socket's send queue has taken. Acknowledged is read first: an acknowledgement in
/// between makes the sum too small, which is the safe direction, never too large.
///
/// # Errors
/// The system calls'.
pub fn accepted(socket: BorrowedFd<'_>) -> io::Result<Accepted> {
    let acked = tcp_info(socket)?.acked;
    Ok(Accepted { acked, queued: unacked(socket)? })
}

/// Takes what is there, up to the buffer's length; `Ok(0)` is the end of the stream.
///
/// # Errors
/// recv(2)'s, `WouldBlock` when nothing is there.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(socket, buffer, RecvFlags::DONTWAIT)?.1)
}

/// Appends what is there to `buffer`, up to its capacity; `Ok(0)` is the end of the stream.
///
/// # Errors
/// recv(2)'s, `WouldBlock` when nothing is there.
pub fn append(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    Ok(rustix::net::recv(socket, spare_capacity(buffer), RecvFlags::DONTWAIT)?.1)
}

/// Like [`append`], and leaves it there.
///
/// # Errors
/// recv(2)'s, `WouldBlock` when nothing is there.
pub fn peek(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    Ok(rustix::net::recv(socket, spare_capacity(buffer), RecvFlags::DONTWAIT | RecvFlags::PEEK)?.1)
}

/// Writes what fits.
///
/// # Errors
/// send(2)'s, `WouldBlock` when the buffer is full.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    send_with(socket, bytes, SendFlags::empty())
}

/// Like [`send`], and has TCP keep a last segment that is not full until [`push`], or what is written next.
///
/// # Errors
/// send(2)'s, `WouldBlock` when the buffer is full.
pub fn send_withheld(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    send_with(socket, bytes, SendFlags::MORE)
}

/// Lets go what [`send_withheld`] kept: taking a cork out pushes whether or not there was one (tcp(7)).
///
/// # Errors
/// setsockopt(2)'s.
pub fn push(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_tcp_cork(socket, false)?)
}

fn send_with(socket: BorrowedFd<'_>, bytes: &[u8], flags: SendFlags) -> io::Result<usize> {
    loop {
        match rustix::net::send(socket, bytes, flags | SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Whether send(2) failed only because there is no memory for now, which no readiness will tell the end of.
///
/// That is EFAULT for a socket whose verdict leaves segments to itself: they are charged to it without being asked
/// for, so that `sk_forward_alloc` may be below zero, and `tcp_wmem_schedule`, which offers what is left of it where
/// a memory control group refuses more, then has a negative number of bytes copied (Linux 6.18, seen).
#[must_use]
pub fn is_short_of_memory(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EFAULT)
}

/// Runs the verdict on what a source received before it became one: a peek at a socket whose
/// receive queue is not empty calls it (ea444185a6bf, Linux 6.4 and 6.1.32).
pub fn kick(socket: BorrowedFd<'_>) {
    let mut byte = [0];
    // Whatever it answers: what matters to the relay it will see again.
    let _ = rustix::net::recv(socket, &mut byte[..], RecvFlags::DONTWAIT | RecvFlags::PEEK);
}

/// Whether the stream has ended and everything before its end was read.
///
/// # Errors
/// recv(2)'s, `WouldBlock` when nothing is there.
pub fn at_end(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut byte = [0];
    let (_, n) = rustix::net::recv(socket, &mut byte[..], RecvFlags::DONTWAIT | RecvFlags::PEEK)?;
    Ok(n == 0)
}

/// Whether the next byte is an urgent one (SIOCATMARK, 0x8905, not in the libc crate).
#[must_use]
pub fn at_urgent_mark(socket: BorrowedFd<'_>) -> bool {
    let mut at: libc::c_int = 0;
    // SAFETY: the request writes one int through the pointer.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), 0x8905, &raw mut at) };
    result < 0 || at != 0
}

/// Sends FIN after everything queued.
///
/// # Errors
/// shutdown(2)'s.
pub fn finish(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::net::shutdown(socket, Shutdown::Write)?)
}

/// Has close(2) end a relayed connection's socket in order, where all that was to be said over it is said; else by
/// the reset that it began with.
///
/// A reset is for those who would take an end for more than it is. Where both ends were said already,
/// `tcp_disconnect` sends none: it only forgets what is on its way, the last bytes and the end of a stream that is
/// complete, so that a peer which misses them waits for ever. That is left to TCP to repeat, whatever became of the
/// other side.
pub fn settle(socket: BorrowedFd<'_>, in_order: bool) {
    let said = || tcp_info(socket).is_ok_and(|info| info.said);
    if in_order || said() {
        // On failure close(2) resets, after everything was delivered: no worse than noisy.
        let _ = reset_on_close(socket, false);
    }
}

/// Chooses what close(2) does: a RST that throws away what is queued, or the ordinary close.
///
/// # Errors
/// setsockopt(2)'s.
pub fn reset_on_close(socket: BorrowedFd<'_>, reset: bool) -> io::Result<()> {
    SockRef::from(&socket).set_linger(reset.then_some(Duration::ZERO))
}

/// Takes and clears the socket's pending error.
#[must_use]
pub fn pending_error(socket: BorrowedFd<'_>) -> Option<io::Error> {
    SockRef::from(&socket).take_error().unwrap_or_else(Some)
}

/// Has TCP send no faster than `rate`, in bytes per second (SO_MAX_PACING_RATE): by its own timer, or by the fq
/// queueing discipline where the interface has it. The first ten segments go unpaced
/// (`tcp_update_skb_after_send`).
///
/// # Errors
/// setsockopt(2)'s.
pub fn pace(socket: BorrowedFd<'_>, rate: NonZeroU64) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<NonZeroU64>()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads `len` bytes, the size of `rate`, through the pointer; a kernel that knows only 32
    // bits of it (before 4.20) is none that sluice runs on.
    let result = unsafe {
        let (name, value) = (libc::SO_MAX_PACING_RATE, (&raw const rate).cast());
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, value, len)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the send buffer hold `bytes` of memory whatever `wmem_max` says (CAP_NET_ADMIN); it no
/// longer grows by itself from then on.
///
/// # Errors
/// setsockopt(2)'s.
pub fn force_send_buffer(socket: BorrowedFd<'_>, bytes: u64) -> io::Result<()> {
    // The kernel doubles the value for its own bookkeeping.
    let half = usize::try_from(bytes / 2).unwrap_or(usize::MAX).min(i32::MAX as usize);
    Ok(rustix::net::sockopt::set_socket_send_buffer_size_force(socket.as_fd(), half)?)
}

fn getsockopt<T: Copy>(socket: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `len` bytes, the size of `value`.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &raw mut len) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed at first, and T is plain integers, for which any bytes are a value.
    Ok(unsafe { value.assume_init() })
}
