//! The sockmap and the table between cookies and lanes.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use aya::maps::{HashMap, MapData, MapError, SockHash};
use proxy_common::LaneKey;

/// Why the kernel did not take a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// EOPNOTSUPP: no longer ESTABLISHED; its FIN or RST was faster.
    #[error("socket is no longer established")]
    NotEstablished,
    /// EBUSY: another program owns the socket.
    #[error("another sockmap owns the socket")]
    Busy,
    /// E2BIG: more sockets than the map was made for.
    #[error("sockmap is full")]
    Full,
    /// EINVAL: a protocol layer is in the way (kTLS, MPTCP).
    #[error("socket carries another protocol layer")]
    Layered,
    /// Anything else (ENOMEM, EPERM).
    #[error("sockmap refused the socket: {0}")]
    Other(rustix::io::Errno),
}

impl InsertError {
    /// The word for logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotEstablished => "not_established",
            Self::Busy => "busy",
            Self::Full => "map_full",
            Self::Layered => "layered",
            Self::Other(_) => "refused",
        }
    }

    /// Whether every byte is still where splice(2) looks for it. Not where another's verdict takes
    /// them, nor where ours may: a map without room, or memory for more, refuses a socket only
    /// after the verdict was set to run on it.
    #[must_use]
    pub const fn leaves_untouched(&self) -> bool {
        matches!(self, Self::NotEstablished | Self::Layered)
    }
}

/// The maps that name sockets. aya wants `&mut` for every update.
pub(super) struct Sockets {
    pub(super) sockets: SockHash<MapData, u64>,
    pub(super) lanes: HashMap<MapData, u64, LaneKey>,
}

impl Sockets {
    pub(super) fn add_socket(&mut self, cookie: u64, socket: BorrowedFd<'_>) -> Result<(), InsertError> {
        self.sockets.insert(cookie, socket.as_raw_fd(), 0).map_err(insert_error)
    }

    pub(super) fn add_lane(&mut self, cookie: u64, key: LaneKey) -> Result<(), InsertError> {
        self.lanes.insert(cookie, key, 0).map_err(insert_error)
    }

    pub(super) fn drop_lane(&mut self, cookie: u64) {
        let _ = self.lanes.remove(&cookie);
    }
}

fn insert_error(error: MapError) -> InsertError {
    use rustix::io::Errno;
    let errno = match &error {
        MapError::SyscallError(call) => Errno::from_io_error(&call.io_error),
        MapError::IoError(io) => Errno::from_io_error(io),
        _ => None,
    };
    match errno.unwrap_or(Errno::IO) {
        Errno::OPNOTSUPP => InsertError::NotEstablished,
        Errno::BUSY => InsertError::Busy,
        Errno::TOOBIG => InsertError::Full,
        Errno::INVAL => InsertError::Layered,
        other => InsertError::Other(other),
    }
}

/// A socket's cookie (SO_COOKIE, since Linux 4.12): never reused while the kernel runs.
///
/// # Errors
/// getsockopt(2)'s.
pub(super) fn cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(rustix::net::sockopt::socket_cookie(socket)?)
}
