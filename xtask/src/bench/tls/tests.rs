//! Both ends against each other: whole messages and streams, and the kinds of handshakes.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustls::{ClientConnection, HandshakeKind};

use super::{Client, Key, Server, TlsStream, make_keys};
use crate::bench::bulk;
use crate::bench::wire::Hello;

/// A folder with certificates, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sluice-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        make_keys(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What one connection to the backend's side comes to.
#[expect(clippy::disallowed_methods, reason = "a client may block")]
fn connected(server: &Server, client: &Client, task: impl FnOnce(&mut TlsStream<ClientConnection>)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = server.clone();
    let serving = thread::spawn(move || server.serve(listener.accept().unwrap().0));
    task(&mut client.over(socket).unwrap());
    serving.join().unwrap().unwrap();
}

fn exchange(stream: &mut TlsStream<ClientConnection>) {
    let mut message = [7; 64];
    message[..16].copy_from_slice(&Hello::Exchange { size: 64 }.encode());
    let mut reply = [0; 64];
    stream.write_all(&message).unwrap();
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply, message);
    stream.finish().unwrap();
    assert_eq!(stream.read(&mut reply).unwrap(), 0);
}

#[test]
fn takes_up_sessions_only_where_that_is_asked_for() {
    let folder = Folder::new("sessions");
    for key in Key::ALL {
        let server = Server::new(key, &folder.0).unwrap();
        for (resumes, kinds) in [
            (true, [HandshakeKind::Full, HandshakeKind::Resumed]),
            (false, [HandshakeKind::Full, HandshakeKind::Full]),
        ] {
            let client = Client::new(key, &folder.0, resumes).unwrap();
            for kind in kinds {
                connected(&server, &client, |stream| {
                    exchange(stream);
                    stream.expect(kind).unwrap();
                });
            }
        }
    }
}

#[test]
fn streams_arrive_whole_either_way() {
    let folder = Folder::new("streams");
    let server = Server::new(Key::Ecdsa, &folder.0).unwrap();
    let client = Client::new(Key::Ecdsa, &folder.0, false).unwrap();
    for up in [true, false] {
        connected(&server, &client, |stream| {
            assert!(bulk::drive_one_way(stream, up, Duration::from_millis(20)).unwrap() > 0);
        });
    }
}

#[test]
fn a_certificate_that_is_not_the_benchs_own_is_refused() {
    let (ours, theirs) = (Folder::new("ours"), Folder::new("theirs"));
    let server = Server::new(Key::Ecdsa, &theirs.0).unwrap();
    let client = Client::new(Key::Ecdsa, &ours.0, false).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    #[expect(clippy::disallowed_methods, reason = "a client may block")]
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let serving = thread::spawn(move || server.serve(listener.accept().unwrap().0));
    assert!(client.over(socket).unwrap().shake_hands().is_err());
    assert!(serving.join().unwrap().is_err());
}
