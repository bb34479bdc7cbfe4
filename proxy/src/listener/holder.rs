//! Who else listens on an address.

use std::net::SocketAddr;

use procfs::net::{TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process, all_processes};

/// Every listening socket of this network namespace at one moment, as far as /proc tells.
pub(super) struct Listening(Vec<(SocketAddr, u64)>);

impl Listening {
    /// Reads the kernel's tables, which have a line for each connection too.
    pub(super) fn now() -> Self {
        let entries = tcp().unwrap_or_default().into_iter().chain(tcp6().unwrap_or_default());
        let listening = entries.filter(|entry| entry.state == TcpState::Listen);
        Self(listening.map(|entry| (entry.local_address, entry.inode)).collect())
    }

    /// The process whose socket is in the way of one on `address`.
    pub(super) fn in_the_way_of(&self, address: SocketAddr) -> Option<String> {
        self.holder(|theirs| in_the_way(theirs, address))
    }

    /// The process that listens on this very address.
    pub(super) fn at(&self, address: SocketAddr) -> Option<String> {
        self.holder(|theirs| theirs == address)
    }

    /// Other users' descriptors are not shown without privileges.
    fn holder(&self, wanted: impl Fn(SocketAddr) -> bool) -> Option<String> {
        let sockets = self.0.iter().filter(|(address, _)| wanted(*address));
        let inodes: Vec<u64> = sockets.map(|(_, inode)| *inode).collect();
        if inodes.is_empty() {
            return None;
        }
        let process = all_processes().ok()?.flatten().find(|process| holds(process, &inodes))?;
        let name = process.stat().map_or_else(|_| "a process".to_owned(), |stat| stat.comm);
        Some(format!("{name} (pid {})", process.pid()))
    }
}

fn holds(process: &Process, inodes: &[u64]) -> bool {
    let is_one = |target: &FDTarget| matches!(target, FDTarget::Socket(inode) if inodes.contains(inode));
    process.fd().is_ok_and(|mut descriptors| {
        descriptors.any(|descriptor| descriptor.is_ok_and(|found| is_one(&found.target)))
    })
}

/// Whether two listening sockets exclude each other: the kernel takes a wildcard for every address of its
/// family, and `::` for all of both unless it is told otherwise.
fn in_the_way(theirs: SocketAddr, ours: SocketAddr) -> bool {
    let dual = theirs.ip().is_unspecified() && theirs.is_ipv6();
    let same = theirs.ip() == ours.ip();
    let wild = theirs.ip().is_unspecified() || ours.ip().is_unspecified();
    theirs.port() == ours.port() && (same || dual || (wild && theirs.is_ipv4() == ours.is_ipv4()))
}
