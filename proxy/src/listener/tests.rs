//! What sockets are asked for, as the kernel tells.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::process::Command;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream};

use super::address::Address;
use super::socket::accept;
use crate::config::model::{Keepalive, SocketOptions};
use crate::config::settings::{Settings, Sockets};

/// One socket, whose process probes clients as the defaults say.
fn settings() -> Sockets {
    Sockets { shards: 1, backlog: 100, ..Settings::default().sockets }
}

/// A port that was free a moment ago: `SO_REUSEPORT` lets two bind the same.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpSocket::new_v4().unwrap().connect(address).await.unwrap()
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn on(idle: Option<Duration>, interval: Option<Duration>, count: Option<u32>) -> SocketOptions {
    let count = count.and_then(NonZeroU32::new);
    SocketOptions { keepalive: Some(Keepalive::On { idle, interval, count }), ..SocketOptions::default() }
}

/// The limit of a listening socket's queue (ss(8) has it as Send-Q).
fn backlog(address: SocketAddr) -> String {
    let filter = format!("sport = :{}", address.port());
    let shown =
        Command::new("ss").args(["--tcp", "--listening", "--numeric", "--no-header", &filter]).output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    shown.split_whitespace().nth(2).unwrap_or_else(|| panic!("{shown}")).to_owned()
}

/// How a connection's client is probed, where it is: seconds, seconds, times.
type Probed = Option<(u64, u64, u32)>;

#[tokio::test]
async fn connections_are_probed_as_their_listener_says_and_as_a_reload_says_then() {
    let new = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let kernel = (
        new.tcp_keepalive_time().unwrap().as_secs(),
        new.tcp_keepalive_interval().unwrap().as_secs(),
        new.tcp_keepalive_retries().unwrap(),
    );
    let own = settings();
    let own = (own.keepalive_time.unwrap().as_secs(), own.keepalive_interval.as_secs(), own.keepalive_probes);
    let off = SocketOptions { keepalive: Some(Keepalive::Off), ..SocketOptions::default() };
    let cases: [(SocketOptions, Probed); 6] = [
        (SocketOptions::default(), Some(own)),
        (on(seconds(7), seconds(3), Some(2)), Some((7, 3, 2))),
        (off, None),
        (on(None, seconds(4), None), Some((kernel.0, 4, kernel.2))),
        (on(None, None, None), Some(kernel)),
        (SocketOptions::default(), Some(own)),
    ];
    let address = Address::new(free(), SocketOptions::default(), settings());
    let sockets = address.bind().unwrap();
    for (options, expected) in cases {
        address.ask(options);
        // Another that begins with them has the same.
        let begun = Address::new(free(), options, settings());
        let all = [(&address, &sockets[0]), (&begun, &begun.bind().unwrap()[0])];
        for (address, socket) in all {
            let _client = connect(address.address).await;
            let (accepted, _) = socket.async_io(Interest::READABLE, accept).await.unwrap();
            let accepted = SockRef::from(&accepted);
            let probed = accepted.keepalive().unwrap().then(|| {
                (
                    accepted.tcp_keepalive_time().unwrap().as_secs(),
                    accepted.tcp_keepalive_interval().unwrap().as_secs(),
                    accepted.tcp_keepalive_retries().unwrap(),
                )
            });
            assert_eq!(probed, expected, "{options:?}");
        }
    }
}

#[tokio::test]
async fn a_queue_is_as_long_as_its_listener_says_and_as_a_reload_says_then() {
    let long = |backlog| SocketOptions { backlog: NonZeroU32::new(backlog), ..SocketOptions::default() };
    let address = Address::new(free(), long(7), settings());
    let sockets = address.bind().unwrap();
    assert_eq!(backlog(address.address), "7");
    // One that waits stays.
    let _client = connect(address.address).await;
    for (options, expected) in [(long(9), "9"), (long(0), "100"), (long(3), "3")] {
        address.ask(options);
        assert_eq!(backlog(address.address), expected);
    }
    sockets[0].async_io(Interest::READABLE, accept).await.unwrap();
}
