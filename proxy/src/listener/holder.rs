//! Who else listens on an address.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use procfs::net::{TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process, all_processes};

/// Every listening socket of this network namespace at one moment, as far as /proc tells.
pub(super) struct Listening {
    /// With their inodes.
    sockets: Vec<(SocketAddr, u64)>,
    /// Who has which of these inodes. Every descriptor of the machine is looked at for that: for all addresses
    /// together, since a new process has many, and connections wait at those that it has bound already.
    holders: OnceCell<HashMap<u64, String>>,
}

impl Listening {
    /// Reads the kernel's tables, which have a line for each connection too.
    pub(super) fn now() -> Self {
        let entries = tcp().unwrap_or_default().into_iter().chain(tcp6().unwrap_or_default());
        let listening = entries.filter(|entry| entry.state == TcpState::Listen);
        let sockets = listening.map(|entry| (entry.local_address, entry.inode)).collect();
        Self { sockets, holders: OnceCell::new() }
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
        let mut inodes =
            self.sockets.iter().filter(|(address, _)| wanted(*address)).map(|(_, inode)| inode).peekable();
        inodes.peek()?;
        let holders = self.holders.get_or_init(|| self.find_holders());
        inodes.find_map(|inode| holders.get(inode)).cloned()
    }

    fn find_holders(&self) -> HashMap<u64, String> {
        let mut holders = HashMap::new();
        for process in all_processes().into_iter().flatten().flatten() {
            let held = held_by(&process);
            let ours = self.sockets.iter().map(|(_, inode)| *inode).filter(|inode| held.contains(inode));
            let ours: Vec<u64> = ours.collect();
            if !ours.is_empty() {
                let name = process.stat().map_or_else(|_| "a process".to_owned(), |stat| stat.comm);
                let name = format!("{name} (pid {})", process.pid());
                // Of several that share a socket, the first.
                ours.into_iter().for_each(|inode| {
                    holders.entry(inode).or_insert_with(|| name.clone());
                });
            }
        }
        holders
    }
}

/// The sockets of a process.
fn held_by(process: &Process) -> HashSet<u64> {
    let descriptors = process.fd().into_iter().flatten().flatten();
    let sockets = descriptors.filter_map(|descriptor| match descriptor.target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    });
    sockets.collect()
}

/// Whether two listening sockets exclude each other: the kernel takes a wildcard for every address of its
/// family, and `::` for all of both unless it is told otherwise.
fn in_the_way(theirs: SocketAddr, ours: SocketAddr) -> bool {
    let dual = theirs.ip().is_unspecified() && theirs.is_ipv6();
    let same = theirs.ip() == ours.ip();
    let wild = theirs.ip().is_unspecified() || ours.ip().is_unspecified();
    theirs.port() == ours.port() && (same || dual || (wild && theirs.is_ipv4() == ours.is_ipv4()))
}
