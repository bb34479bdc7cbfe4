//! Processes killed with data in flight: the other side sees what it would have seen without sluice
//! in between, and sluice keeps nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::net::await_unread;
use crate::harness::{bpf, eventually};
use crate::relay::{BACK, FRONT, Relay, on_every_relay};

on_every_relay!(
    a_client_that_sends,
    a_server_that_sends,
    a_client_that_left_bytes_unread,
    a_server_that_left_bytes_unread,
);

/// Bytes that a victim writes before it stops reading.
const WORDS: usize = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// What the other side saw.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Whether every byte arrived that the victim's kernel had taken from it.
    complete: bool,
    /// How its stream ended.
    end: Result<(), ErrorKind>,
    /// How writing to it ended.
    write: ErrorKind,
}

/// A process that is the only owner of a connected socket.
struct Victim {
    child: Child,
    /// Its own and its peer's.
    addresses: [SocketAddr; 2],
}

impl Victim {
    fn new(socket: TcpStream, script: &str) -> Self {
        let addresses = [socket.local_addr().unwrap(), socket.peer_addr().unwrap()];
        let out = OwnedFd::from(socket.try_clone().unwrap());
        let mut shell = Command::new("sh");
        let child = shell.args(["-c", script]).stdin(OwnedFd::from(socket)).stdout(out).spawn().unwrap();
        Self { child, addresses }
    }

    /// Bytes it has written so far.
    fn written(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.child.id())).unwrap();
        io.lines().find_map(|l| l.strip_prefix("wchar: ")).unwrap().parse().unwrap()
    }

    /// Kills it; how much it had written.
    fn kill(mut self) -> u64 {
        self.child.kill().unwrap();
        // Dead and not yet buried: its account can still be read.
        let dead = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&self.child)), dead).unwrap();
        let written = self.written();
        self.child.wait().unwrap();
        written
    }
}

/// One connection to `address`: the victim's socket and the survivor's.
fn connection(address: &str, accepted: &Receiver<TcpStream>, victim: Side) -> (TcpStream, TcpStream) {
    let (client, server) = (connect(address), accepted.recv().unwrap());
    server.set_read_timeout(Some(crate::harness::patience())).unwrap();
    match victim {
        Side::Client => (client, server),
        Side::Server => (server, client),
    }
}

/// Killed while it sends to somebody who does not read: its kernel sends what it has taken, and FIN.
fn kill_sender((victim, mut survivor): (TcpStream, TcpStream)) -> Seen {
    let victim = Victim::new(victim, "exec cat /dev/zero");
    eventually("bytes in flight", || (victim.written() > 400_000).then_some(()));
    let written = victim.kill();
    let (mut chunk, mut got) = (vec![0; 64 << 10], 0);
    let end = loop {
        match survivor.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(n) => got += n as u64,
            Err(e) => break Err(e.kind()),
        }
    };
    Seen { complete: got == written, end, write: write_until_told(&mut survivor) }
}

/// Killed with bytes that it has not read: its kernel sends RST.
fn kill_reader((victim, mut survivor): (TcpStream, TcpStream)) -> Seen {
    let victim = Victim::new(victim, &format!("head -c {WORDS} /dev/zero; exec sleep 1000"));
    // What it says comes through sluice, which has both sockets then.
    let mut words = vec![1; WORDS];
    let complete = survivor.read_exact(&mut words).is_ok() && words.iter().all(|b| *b == 0);
    survivor.set_nonblocking(true).unwrap();
    while survivor.write(&[1; 4096]).is_ok() {}
    let [local, remote] = victim.addresses.map(|a| a.port());
    await_unread(local, remote);
    victim.kill();
    survivor.set_nonblocking(false).unwrap();
    let end = survivor.read(&mut [0; 1]).map(drop).map_err(|e| e.kind());
    Seen { complete, end, write: write_until_told(&mut survivor) }
}

/// Writes until the kernel says that nobody is there any more.
fn write_until_told(to: &mut TcpStream) -> ErrorKind {
    eventually("an answer to bytes for nobody", || to.write(b"?").err().map(|e| e.kind()))
}

fn compare(relay: Relay, victim: Side, kill: fn((TcpStream, TcpStream)) -> Seen, end: Result<(), ErrorKind>) {
    let (sender, accepted) = channel();
    let sender = Mutex::new(sender);
    Backend::serve(BACK, move |stream| sender.lock().unwrap().send(stream).unwrap());
    let direct = kill(connection(BACK, &accepted, victim));
    assert_eq!((direct.complete, direct.end), (true, end), "without sluice");

    let mut sluice = relay.start();
    assert_eq!(kill(connection(FRONT, &accepted, victim)), direct);
    let record = sluice.closed();
    relay.carried(&record);
    let reason = if victim == Side::Client { "downstream_reset" } else { "upstream_reset" };
    assert_eq!(record["reason"], reason, "{record}");
    for map in ["SOCKETS", "LANES"] {
        assert!(bpf::map_of(sluice.pid(), map).cookies().is_empty(), "something left in {map}");
    }
}

fn a_client_that_sends(relay: Relay) {
    compare(relay, Side::Client, kill_sender, Ok(()));
}

fn a_server_that_sends(relay: Relay) {
    compare(relay, Side::Server, kill_sender, Ok(()));
}

fn a_client_that_left_bytes_unread(relay: Relay) {
    compare(relay, Side::Client, kill_reader, Err(ErrorKind::ConnectionReset));
}

fn a_server_that_left_bytes_unread(relay: Relay) {
    compare(relay, Side::Server, kill_reader, Err(ErrorKind::ConnectionReset));
}
