//! Sockmaps by system call: sluice's own filled from outside, and another program's, which takes
//! sockets before sluice can.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Commands, types and places of bpf(2).
mod number {
    pub(super) const MAP_CREATE: i32 = 0;
    pub(super) const MAP_UPDATE_ELEM: i32 = 2;
    pub(super) const MAP_GET_NEXT_KEY: i32 = 4;
    pub(super) const PROG_LOAD: i32 = 5;
    pub(super) const PROG_ATTACH: i32 = 8;
    pub(super) const MAP_GET_FD_BY_ID: i32 = 14;
    pub(super) const LINK_CREATE: i32 = 28;
    pub(super) const SOCKHASH: u32 = 18;
    pub(super) const SOCK_OPS: u32 = 13;
    pub(super) const SK_SKB: u32 = 14;
    pub(super) const CGROUP_SOCK_OPS: u32 = 3;
    pub(super) const STREAM_VERDICT: u32 = 5;
    pub(super) const GET_SOCKET_COOKIE: i32 = 46;
    pub(super) const SOCK_HASH_UPDATE: i32 = 70;
}

/// A hash map with eight bytes of key, as sluice's are: mostly a SOCKHASH.
#[derive(Debug)]
pub(crate) struct CookieMap(OwnedFd);

impl CookieMap {
    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        let mut key = 0u64;
        let [a, b] = address(&raw mut key);
        let first = bpf(number::MAP_GET_NEXT_KEY, &[word(&self.0), 0, 0, 0, a, b]);
        first.is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
    }

    /// How many are in it, while nobody changes that.
    pub(crate) fn len(&self) -> usize {
        let mut keys = [0u64; 2];
        let [at, to] = [0, 1].map(|which| address(&raw mut keys[which]));
        let mut from = [0, 0];
        let mut count = 0;
        while bpf(number::MAP_GET_NEXT_KEY, &[word(&self.0), 0, from[0], from[1], to[0], to[1]]).is_ok() {
            count += 1;
            keys[0] = keys[1];
            from = at;
        }
        count
    }

    /// One that exists, by its id.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn open(id: &str) -> Self {
        Self(create(number::MAP_GET_FD_BY_ID, &[id.parse().unwrap()]))
    }

    /// Puts a socket in, under a key that is no socket's cookie.
    ///
    /// # Errors
    /// The kernel's: E2BIG when the map is full.
    pub(crate) fn insert(&self, key: u32, socket: &impl AsRawFd) -> io::Result<()> {
        let (key, value) = (u64::MAX - u64::from(key), socket.as_raw_fd());
        let ([a, b], [c, d]) = (address(&raw const key), address(&raw const value));
        bpf(number::MAP_UPDATE_ELEM, &[word(&self.0), 0, a, b, c, d, 0, 0]).map(drop)
    }
}

/// Which of a process's connections: the callback's number in `struct bpf_sock_ops`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Taken {
    /// Those it makes.
    Connected = 4,
    /// Those it accepts.
    Accepted = 5,
}

/// Another program that takes sockets as they are made, into a sockmap of its own.
#[derive(Debug)]
pub(crate) struct Owner {
    map: OwnedFd,
    cgroup: PathBuf,
    /// Detached when closed.
    links: Vec<OwnedFd>,
}

impl Owner {
    /// One that takes nothing yet, with a verdict of its own: every byte stays with its socket.
    ///
    /// # Panics
    /// Without root or a mounted cgroup2.
    pub(crate) fn new() -> Self {
        let owner = Self::without_verdict();
        // return SK_PASS
        let verdict = load(number::SK_SKB, &[insn(0xb7, 0, 0, 0, 1), insn(0x95, 0, 0, 0, 0)]);
        bpf(number::PROG_ATTACH, &[word(&owner.map), word(&verdict), number::STREAM_VERDICT, 0]).unwrap();
        owner
    }

    /// One that takes nothing yet, and leaves the verdict to others.
    ///
    /// # Panics
    /// Without root or a mounted cgroup2.
    pub(crate) fn without_verdict() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("sluice-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mount = mounts.lines().find_map(|l| l.split_once(" cgroup2 ")?.0.split(' ').nth(1));
        let cgroup = Path::new(mount.expect("cgroup2 is mounted")).join(unique);
        fs::create_dir(&cgroup).unwrap();

        let map = create(number::MAP_CREATE, &[number::SOCKHASH, 8, 4, 64]);
        Self { map, cgroup, links: Vec::new() }
    }

    /// The file a process writes its id to, to be one whose sockets are taken.
    pub(crate) fn door(&self) -> PathBuf {
        self.cgroup.join("cgroup.procs")
    }

    /// Takes these sockets from now on.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub(crate) fn take(&mut self, which: Taken) {
        let map = i32::from_ne_bytes(word(&self.map).to_ne_bytes());
        let program = load(
            number::SOCK_OPS,
            &[
                insn(0xbf, 6, 1, 0, 0),            // r6 = context
                insn(0x61, 2, 1, 0, 0),            // r2 = context->op
                insn(0x55, 2, 0, 9, which as i32), // if r2 != which goto return
                insn(0x85, 0, 0, 0, number::GET_SOCKET_COOKIE),
                insn(0x7b, 10, 0, -8, 0), // key = cookie
                insn(0xbf, 1, 6, 0, 0),
                insn(0x18, 2, 1, 0, map), // r2 = map, two words long
                insn(0, 0, 0, 0, 0),
                insn(0xbf, 3, 10, 0, 0),
                insn(0x07, 3, 0, 0, -8), // r3 = &key
                insn(0xb7, 4, 0, 0, 0),
                insn(0x85, 0, 0, 0, number::SOCK_HASH_UPDATE),
                insn(0xb7, 0, 0, 0, 1), // return 1
                insn(0x95, 0, 0, 0, 0),
            ],
        );
        let cgroup = fs::File::open(&self.cgroup).unwrap();
        let place = [word(&program), word(&cgroup), number::CGROUP_SOCK_OPS, 0];
        self.links.push(create(number::LINK_CREATE, &place));
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Fails while a process is in there; an empty folder is all that stays then.
        let _ = fs::remove_dir(&self.cgroup);
    }
}

/// One instruction of eBPF.
fn insn(code: u8, to: u8, from: u8, offset: i16, value: i32) -> u64 {
    let [o, p] = offset.to_le_bytes();
    let [a, b, c, d] = value.to_le_bytes();
    u64::from_le_bytes([code, to | from << 4, o, p, a, b, c, d])
}

fn load(kind: u32, program: &[u64]) -> OwnedFd {
    let (code, licence) = (address(program.as_ptr()), address(c"GPL".as_ptr()));
    let len = u32::try_from(program.len()).unwrap();
    create(number::PROG_LOAD, &[kind, len, code[0], code[1], licence[0], licence[1]])
}

fn create(command: i32, attributes: &[u32]) -> OwnedFd {
    let fd = bpf(command, attributes).unwrap_or_else(|e| panic!("bpf command {command}: {e}"));
    // SAFETY: a descriptor the kernel has just made, and nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn bpf(command: i32, attributes: &[u32]) -> io::Result<i32> {
    let mut all = [0u32; 32];
    all[..attributes.len()].copy_from_slice(attributes);
    // SAFETY: the kernel reads the attributes, whose addresses are of values that outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, all.as_ptr(), size_of_val(&all)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(i32::try_from(result).unwrap()) }
}

/// A descriptor as an attribute.
fn word(fd: &impl AsRawFd) -> u32 {
    u32::try_from(fd.as_raw_fd()).unwrap()
}

/// An address as two attributes.
fn address<T>(of: *const T) -> [u32; 2] {
    let bytes = (of.addr() as u64).to_ne_bytes();
    [0, 4].map(|i| u32::from_ne_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]))
}
