//! Peers that are killed with bytes unread: their kernel resets, and so does sluice on the other side.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

use crate::harness::backend::Backend;
use crate::harness::client::{connect, expect_reset};
use crate::relay::{BACK, FRONT, Relay, on_every_relay};

on_every_relay!(a_client, a_server);

/// A process that holds a connection, says so, and reads no more than it must.
struct Peer(Child);

impl Peer {
    /// Runs python's `script`, which prints a line once it is connected.
    fn run(script: &str) -> Self {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "python3", "-u", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    /// SIGKILL, and nothing of it is left.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_client(relay: Relay) {
    let (sender, accepted) = channel::<TcpStream>();
    let sender = std::sync::Mutex::new(sender);
    Backend::serve(BACK, move |mut stream| {
        stream.write_all(&[7; 100_000]).unwrap();
        sender.lock().unwrap().send(stream).unwrap();
    });
    let mut sluice = relay.start();
    let mut client = Peer::run(
        "import socket, time\n\
         s = socket.create_connection(('127.0.0.1', 7000))\n\
         s.sendall(b'x')\n\
         s.recv(1)\n\
         print('ready')\n\
         time.sleep(1000)",
    );
    let mut server = accepted.recv().unwrap();
    server.read_exact(&mut [0; 1]).unwrap();
    client.kill();
    expect_reset(&mut server);
    let record = sluice.closed();
    assert_eq!(record["reason"], "downstream_reset", "{record}");
}

fn a_server(relay: Relay) {
    let mut server = Peer::run(
        "import socket, time\n\
         l = socket.create_server(('127.0.0.1', 7001))\n\
         print('ready')\n\
         s, _ = l.accept()\n\
         s.recv(1)\n\
         s.sendall(b'y')\n\
         time.sleep(1000)",
    );
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    stream.write_all(&[7; 100_000]).unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    server.kill();
    expect_reset(&mut stream);
    let record = sluice.closed();
    assert_eq!(record["reason"], "upstream_reset", "{record}");
}
