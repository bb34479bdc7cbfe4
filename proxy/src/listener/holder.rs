//! Who listens on an address that could not be bound.

use std::net::SocketAddr;

use procfs::net::{TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process, all_processes};

/// The process that holds a listening socket in the way of one on `address`, as far as /proc tells: other
/// users' descriptors are not shown without privileges.
pub(super) fn of(address: SocketAddr) -> Option<String> {
    let entries = tcp().unwrap_or_default().into_iter().chain(tcp6().unwrap_or_default());
    let sockets = entries.filter(|entry| entry.state == TcpState::Listen);
    let sockets = sockets.filter(|entry| in_the_way(entry.local_address, address));
    let inodes: Vec<u64> = sockets.map(|entry| entry.inode).collect();
    let holds = |process: &Process| {
        process.fd().is_ok_and(|mut descriptors| {
            descriptors.any(|descriptor| {
                descriptor.is_ok_and(
                    |found| matches!(found.target, FDTarget::Socket(inode) if inodes.contains(&inode)),
                )
            })
        })
    };
    let process = all_processes().ok()?.flatten().find(holds)?;
    let name = process.stat().map_or_else(|_| "a process".to_owned(), |stat| stat.comm);
    Some(format!("{name} (pid {})", process.pid()))
}

/// Whether two listening sockets exclude each other: the kernel takes a wildcard for every address of its
/// family, and `::` for all of both unless it is told otherwise.
fn in_the_way(theirs: SocketAddr, ours: SocketAddr) -> bool {
    let dual = theirs.ip().is_unspecified() && theirs.is_ipv6();
    let same = theirs.ip() == ours.ip();
    let wild = theirs.ip().is_unspecified() || ours.ip().is_unspecified();
    theirs.port() == ours.port() && (same || dual || (wild && theirs.is_ipv4() == ours.is_ipv4()))
}
