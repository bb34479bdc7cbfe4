//! Idle time on every relay, those of TLS among them: on time, whoever was silent and however it was said.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConnection;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::sluice::{Builder, JOIN_AFTER, Sluice};
use crate::harness::tls::{Ca, Client, Leaf, Server, finish, hello};
use crate::relay::{BACK, FRONT, ready};

/// Who carries, and where TLS ends or begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Kernel,
    Joining,
    Splice,
    Terminated,
    Originated,
    Both,
}

/// Makes a test of each function for each way.
macro_rules! on_every_way {
    ($($test:ident),+ $(,)?) => {
        on_every_way!(@ kernel, Kernel, $($test),+);
        on_every_way!(@ joining, Joining, $($test),+);
        on_every_way!(@ splice, Splice, $($test),+);
        on_every_way!(@ terminated, Terminated, $($test),+);
        on_every_way!(@ originated, Originated, $($test),+);
        on_every_way!(@ both, Both, $($test),+);
    };
    (@ $module:ident, $way:ident, $($test:ident),+) => {
        mod $module {
            $(#[test]
            fn $test() {
                if super::ready(stringify!($test)) {
                    super::$test(&super::Site::new(super::Way::$way));
                }
            })+
        }
    };
}

on_every_way!(after_traffic, from_the_start, half_closed, one_way_traffic_is_not_silence, zero_is_none);

/// A peer's side, with TLS or without.
trait Peer: Read + Write + Send {
    /// Finishes its own direction, and goes on reading.
    fn half_close(&mut self);
}

impl Peer for TcpStream {
    fn half_close(&mut self) {
        // The other side may have reset it by then.
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Peer for Client {
    fn half_close(&mut self) {
        finish(self);
    }
}

impl Peer for Server {
    fn half_close(&mut self) {
        self.conn.send_close_notify();
        self.flush().unwrap();
    }
}

/// Front, back, and what they need for TLS.
struct Site {
    way: Way,
    ca: Ca,
    leaf: Leaf,
}

impl Site {
    fn new(way: Way) -> Self {
        if way == Way::Joining {
            JOIN_AFTER.set("1").unwrap();
        }
        let ca = Ca::new();
        let leaf = ca.leaf(&["pay.example.com"]);
        Self { way, ca, leaf }
    }

    fn ends_tls(&self) -> bool {
        matches!(self.way, Way::Terminated | Way::Both)
    }

    fn begins_tls(&self) -> bool {
        matches!(self.way, Way::Originated | Way::Both)
    }

    fn start(&self, spec: &str, flags: &[&str]) -> Sluice {
        let relay = if self.way == Way::Splice { "splice" } else { "auto" };
        let service = if self.begins_tls() { format!("https://{BACK}") } else { BACK.to_owned() };
        let mut yaml = format!(
            "apiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\n\
             metadata: {{name: echo, annotations: {{sluice.dev/relay: {relay}}}}}\n\
             spec:\n  address: 127.0.0.1\n  port: 7000\n  service: \"{service}\"\n{spec}"
        );
        if self.ends_tls() {
            yaml += "  host: pay.example.com\n";
            yaml += &self.leaf.secret("pay");
            yaml += "---\napiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {name: pay}\n\
                     spec: {hosts: [pay.example.com], secret: pay}\n";
        }
        Builder::new(&yaml).flags(flags).start()
    }

    /// An upstream; each connection is `handler`'s.
    fn backend(&self, handler: impl Fn(&mut dyn Peer) + Send + Sync + 'static) {
        let config = self.begins_tls().then(|| Arc::new(self.leaf.server()));
        Backend::serve(BACK, move |mut stream| match &config {
            None => handler(&mut stream),
            Some(config) => {
                handler(&mut Server::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream));
            }
        });
    }

    fn client(&self) -> Box<dyn Peer> {
        if self.ends_tls() {
            Box::new(hello(FRONT, "pay.example.com", &Arc::new(self.ca.client(None))).unwrap())
        } else {
            Box::new(connect(FRONT))
        }
    }

    fn expect_idle(&self, sluice: &mut Sluice) {
        let record = sluice.closed();
        assert_eq!(
            (&record["reason"], &record["side"]),
            (&"idle_timeout".into(), &"proxy".into()),
            "{record}"
        );
        let relay = match self.way {
            Way::Kernel | Way::Joining => "kernel",
            Way::Splice => "splice",
            Way::Terminated | Way::Originated | Way::Both => "tls",
        };
        assert_eq!(record["relay"], relay, "{record}");
    }
}

fn echo(peer: &mut dyn Peer) {
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = peer.read(&mut chunk) {
        if peer.write_all(&chunk[..n]).and_then(|()| peer.flush()).is_err() {
            return;
        }
    }
    peer.half_close();
}

fn ping(peer: &mut dyn Peer) {
    peer.write_all(b"ping").unwrap();
    peer.flush().unwrap();
    peer.read_exact(&mut [0; 4]).unwrap();
}

/// Reads until the connection is reset, and whatever comes before.
fn until_reset(peer: &mut dyn Peer) {
    loop {
        match peer.read(&mut [0; 4096]) {
            Ok(0) => panic!("ended in order"),
            Ok(_) => {}
            Err(error) => return assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
    }
}

/// Between these two moments a connection fell silent.
struct Silent {
    after: Instant,
    before: Instant,
}

/// Has a few connections fall silent, some time apart, and looks at the clock: none ends early, by more than the
/// jiffy in which the kernel tells times of data, and the one that the machine's load delays least is as exact as
/// promised, 10 % or 100 ms, whichever is more. The others end as well.
fn expect_on_time(idle: Duration, client: impl Fn() -> (Box<dyn Peer>, Silent) + Sync) {
    const TRIES: u32 = 4;
    let took: Vec<_> = thread::scope(|scope| {
        let tries = (0..TRIES).map(|n| {
            let client = &client;
            scope.spawn(move || {
                thread::sleep(n * Duration::from_millis(130)); // tidy: apart, so that one delay is not that of all
                let (mut client, Silent { after, before }) = client();
                until_reset(&mut *client);
                (after.elapsed(), before.elapsed())
            })
        });
        let tries: Vec<_> = tries.collect();
        tries.into_iter().map(|t| t.join().unwrap()).collect()
    });
    println!("{took:?} for {idle:?}");
    let (early, late) = (Duration::from_millis(10), (idle / 10).max(Duration::from_millis(100)));
    assert!(took.iter().all(|(longest, _)| *longest + early >= idle), "early: {took:?} instead of {idle:?}");
    assert!(took.iter().any(|(_, least)| *least <= idle + late), "late: {took:?} instead of {idle:?}");
    assert!(took.iter().all(|(_, least)| *least <= idle + late + Duration::from_secs(2)), "{took:?}");
}

fn after_traffic(site: &Site) {
    site.backend(echo);
    for ms in [600, 1500] {
        let mut sluice = site.start(&format!("  idle_timeout_ms: \"{ms}\"\n"), &[]);
        expect_on_time(Duration::from_millis(ms), || {
            let mut client = site.client();
            let after = Instant::now();
            ping(&mut *client);
            (client, Silent { after, before: Instant::now() })
        });
        for _ in 0..4 {
            site.expect_idle(&mut sluice);
        }
    }
}

/// Nobody ever says a word, besides TLS's own. The setting counts where the mapping says nothing.
fn from_the_start(site: &Site) {
    site.backend(echo);
    let mut sluice = site.start("", &["--idle-timeout", "700ms"]);
    expect_on_time(Duration::from_millis(700), || {
        let after = Instant::now();
        let client = site.client();
        (client, Silent { after, before: Instant::now() })
    });
    for _ in 0..4 {
        let record = sluice.closed();
        assert_eq!(record["reason"], "idle_timeout", "{record}");
    }
}

/// The client has finished, and the upstream says nothing more: idle time goes on.
fn half_closed(site: &Site) {
    site.backend(|peer| {
        let mut asked = [0; 4];
        peer.read_exact(&mut asked).unwrap();
        peer.write_all(&asked).unwrap();
        peer.flush().unwrap();
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0, "the client's end");
        // Until it is reset.
        let _ = peer.read(&mut [0; 1]);
        thread::park_timeout(Duration::from_secs(10));
    });
    let mut sluice = site.start("  idle_timeout_ms: 700\n", &[]);
    expect_on_time(Duration::from_millis(700), || {
        let mut client = site.client();
        let after = Instant::now();
        ping(&mut *client);
        client.half_close();
        (client, Silent { after, before: Instant::now() })
    });
    for _ in 0..4 {
        site.expect_idle(&mut sluice);
    }
}

/// The upstream speaks every now and then, the client never: nobody is idle, until it stops.
fn one_way_traffic_is_not_silence(site: &Site) {
    const WORDS: u32 = 16;
    const PACE: Duration = Duration::from_millis(150);
    site.backend(|peer| {
        peer.read_exact(&mut [0; 4]).unwrap();
        for _ in 0..WORDS {
            thread::sleep(PACE); // tidy: the traffic's own pace, not a wait
            peer.write_all(b"tick").unwrap();
            peer.flush().unwrap();
        }
        let _ = peer.read(&mut [0; 1]);
    });
    let mut sluice = site.start("  idle_timeout_ms: 1800\n", &[]);
    expect_on_time(Duration::from_millis(1800), || {
        let mut client = site.client();
        let after = Instant::now() + WORDS * PACE;
        client.write_all(b"ping").unwrap();
        client.flush().unwrap();
        for _ in 0..WORDS {
            client.read_exact(&mut [0; 4]).unwrap();
        }
        (client, Silent { after, before: Instant::now() })
    });
    for _ in 0..4 {
        site.expect_idle(&mut sluice);
    }
}

/// A mapping's own 0 takes the setting's idle time away.
fn zero_is_none(site: &Site) {
    site.backend(echo);
    let mut sluice = site.start("  idle_timeout_ms: 0\n", &["--idle-timeout", "200ms"]);
    let mut client = site.client();
    ping(&mut *client);
    thread::sleep(Duration::from_millis(900)); // tidy: nothing is to happen, and nothing tells of that
    ping(&mut *client);
    client.half_close();
    while client.read(&mut [0; 16]).unwrap() > 0 {}
    drop(client);
    assert_eq!(sluice.closed()["reason"], "finished");
}
