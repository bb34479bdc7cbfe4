//! A TCP connection wound back: the same addresses and numbers in a new socket, which sends again
//! what the old one had sent (TCP_REPAIR, the kernel's own means to move connections).

use std::net::TcpStream;
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

const RECEIVE_QUEUE: u32 = 1;
const SEND_QUEUE: u32 = 2;
/// Leaves repair without the window probe that would ask for what was acknowledged already.
const OFF_WITHOUT_PROBE: i32 = -1;
const TCP_REPAIR_WINDOW: i32 = 29;
const OPTION_MSS: u32 = 2;
const OPTION_WINDOW_SCALE: u32 = 3;

/// Replaces a connected IPv4 socket by one whose next byte has the number that the byte `back`
/// bytes ago had: what is written to it overlaps what the peer has received.
///
/// # Panics
/// Without CAP_NET_ADMIN, or with unacknowledged data.
pub(crate) fn wind_back(stream: TcpStream, back: u32) -> TcpStream {
    let (near, far) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    // Byte 6 of struct tcp_info: the peer's window scale and ours, four bits each.
    let scales = get::<[u8; 8]>(&stream, libc::TCP_INFO)[6];
    let scales = u32::from(scales & 15) | u32::from(scales >> 4) << 16;
    set(&stream, libc::TCP_REPAIR, 1i32);
    let [received, sent] = [RECEIVE_QUEUE, SEND_QUEUE].map(|queue| {
        set(&stream, libc::TCP_REPAIR_QUEUE, queue);
        get::<u32>(&stream, libc::TCP_QUEUE_SEQ)
    });
    // In repair, closing says nothing to the peer.
    drop(stream);

    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    set(&socket, libc::TCP_REPAIR, 1i32);
    socket.bind(&near.into()).unwrap();
    for (queue, number) in [(SEND_QUEUE, sent.wrapping_sub(back)), (RECEIVE_QUEUE, received)] {
        set(&socket, libc::TCP_REPAIR_QUEUE, queue);
        set(&socket, libc::TCP_QUEUE_SEQ, number);
    }
    socket.connect(&far.into()).unwrap();
    set(&socket, libc::TCP_REPAIR_OPTIONS, [OPTION_WINDOW_SCALE, scales, OPTION_MSS, 1460]);
    // struct tcp_repair_window: snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup.
    set(&socket, TCP_REPAIR_WINDOW, [received, 60_000, 60_000, 60_000, received]);
    set(&socket, libc::TCP_REPAIR, OFF_WITHOUT_PROBE);
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(super::patience())).unwrap();
    stream
}

fn set<T>(socket: &impl AsRawFd, name: i32, value: T) {
    let len = libc::socklen_t::try_from(size_of::<T>()).unwrap();
    // SAFETY: the kernel reads `len` bytes, the size of `value`.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, name, (&raw const value).cast(), len)
    };
    assert_eq!(result, 0, "TCP option {name}: {}", std::io::Error::last_os_error());
}

fn get<T: Default>(socket: &impl AsRawFd, name: i32) -> T {
    let mut value = T::default();
    let mut len = libc::socklen_t::try_from(size_of::<T>()).unwrap();
    // SAFETY: the kernel writes at most `len` bytes, the size of `value`, which are plain integers.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, name, (&raw mut value).cast(), &raw mut len)
    };
    assert_eq!(result, 0, "TCP option {name}: {}", std::io::Error::last_os_error());
    value
}
