//! Networks of a test's own.

use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

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

/// Makes a second network, joined to this thread's by a veth pair with these addresses, and calls
/// `serve` in it. It lives as long as a thread that `serve` starts.
///
/// # Panics
/// Without root.
pub(crate) fn neighbour(near: &str, far: &str, serve: impl FnOnce() + Send + 'static) {
    let (tell, place) = channel();
    let (go, joined) = channel();
    let (done, ready) = channel();
    let far = far.to_owned();
    thread::spawn(move || {
        private();
        let thread = rustix::thread::gettid().as_raw_nonzero();
        tell.send(format!("/proc/{}/task/{thread}/ns/net", std::process::id())).unwrap();
        joined.recv().unwrap();
        ip(&["address", "add", &far, "dev", "far"]);
        ip(&["link", "set", "far", "up"]);
        serve();
        done.send(()).unwrap();
    });
    ip(&["link", "add", "near", "type", "veth", "peer", "name", "far"]);
    ip(&["link", "set", "far", "netns", &place.recv().unwrap()]);
    ip(&["address", "add", near, "dev", "near"]);
    ip(&["link", "set", "near", "up"]);
    go.send(()).unwrap();
    ready.recv().unwrap();
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
