//! Networks of a test's own.

use std::process::Command;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Moves this thread into a new network namespace with its loopback up: any port is free, no
/// other test is near, and nothing is left behind, however the test ends. Threads and processes
/// started from here live there too.
///
/// # Panics
/// Without root.
pub(crate) fn private() {
    // SAFETY: a network namespace is a property of this thread alone; no descriptor is shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("a network namespace needs root");
    ip(&["link", "set", "lo", "up"]);
}

/// Gives this thread, and what is started from it, an /etc/hosts of its own.
///
/// # Panics
/// Without root.
pub(crate) fn hosts(lines: &str) {
    // SAFETY: this thread leaves the mounts and the working directory that it shared; no descriptor is shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("a mount namespace needs root");
    run("mount", &["--make-rprivate", "/"]);
    let file = format!("{}/hosts-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    std::fs::write(&file, lines).unwrap();
    run("mount", &["--bind", &file, "/etc/hosts"]);
    // The mount keeps the file; its name is not needed any more.
    std::fs::remove_file(&file).unwrap();
}

/// Runs `inside` in a thread with a network of its own, joined to this thread's by a veth pair.
/// `near` and `far` are the addresses of its two ends, with the length of their prefix.
///
/// # Panics
/// When the link cannot be made.
pub(crate) fn behind_veth<T: Send + 'static>(
    name: &str,
    near: &str,
    far: &str,
    inside: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let (ready, thread) = channel();
    let (joined, link) = channel::<()>();
    let device = name.to_owned();
    let address = far.to_owned();
    let handle = thread::spawn(move || {
        private();
        ready.send(rustix::thread::gettid().as_raw_nonzero().to_string()).unwrap();
        link.recv().unwrap();
        ip(&["address", "add", &address, "dev", &device]);
        ip(&["link", "set", &device, "up"]);
        inside()
    });
    let there = thread.recv().unwrap();
    ip(&["link", "add", name, "type", "veth", "peer", "name", name, "netns", &there]);
    ip(&["address", "add", near, "dev", name]);
    ip(&["link", "set", name, "up"]);
    joined.send(()).unwrap();
    handle
}

/// Runs ip(8) in this thread's namespace.
///
/// # Panics
/// When it fails.
pub(crate) fn ip(args: &[&str]) {
    run("ip", args);
}

/// Runs a command in this thread's namespace; its standard output.
///
/// # Panics
/// When it fails.
pub(crate) fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A TCP socket as /proc/net/tcp shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Established = 1,
    SynSent = 2,
    CloseWait = 8,
    LastAck = 9,
}

/// Which port of a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Port {
    Local(u16),
    Remote(u16),
}

/// Waits until an IPv4 socket of this thread's namespace is in this state.
///
/// # Panics
/// When none ever is.
pub(crate) fn await_state(port: Port, state: State) {
    super::eventually("a socket's state", || is_in_state(port, state).then_some(()));
}

/// Whether an IPv4 socket of this thread's namespace is in this state.
///
/// # Panics
/// When the kernel's table has another shape.
pub(crate) fn is_in_state(port: Port, state: State) -> bool {
    let state = format!("{:02X}", state as u8);
    sockets().iter().any(|socket| port.is_of(socket) && socket[3] == state)
}

/// Waits until an IPv4 socket between these ports holds bytes that nobody has read.
///
/// # Panics
/// When none ever does.
pub(crate) fn await_unread(local: u16, remote: u16) {
    super::eventually("unread bytes", || {
        let is = |socket: &Vec<String>| {
            Port::Local(local).is_of(socket)
                && Port::Remote(remote).is_of(socket)
                && !socket[4].ends_with(":00000000")
        };
        sockets().iter().any(is).then_some(())
    });
}

/// The IPv4 sockets of this thread's namespace that listen on a port: how many connections wait at each.
///
/// # Panics
/// When the kernel's table has another shape.
pub(crate) fn listening(port: u16) -> Vec<usize> {
    const LISTEN: &str = "0A";
    let sockets = sockets();
    let ours = sockets.iter().filter(|socket| Port::Local(port).is_of(socket) && socket[3] == LISTEN);
    ours.map(|socket| usize::from_str_radix(socket[4].split_once(':').unwrap().1, 16).unwrap()).collect()
}

impl Port {
    fn is_of(self, socket: &[String]) -> bool {
        let (address, port) = match self {
            Self::Local(port) => (&socket[1], port),
            Self::Remote(port) => (&socket[2], port),
        };
        address.ends_with(&format!(":{port:04X}"))
    }
}

/// The lines of /proc/net/tcp: number, local and remote address, state, bytes unsent and unread, …
fn sockets() -> Vec<Vec<String>> {
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
    table.lines().skip(1).map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}
