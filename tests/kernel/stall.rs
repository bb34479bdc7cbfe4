//! Readers that stop, and senders faster than readers: memory stays bounded, nothing is lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use proxy_common::SEGMENT_CHARGE;
use socket2::SockRef;

use crate::harness::admin::Admin;
use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::net::run;
use crate::harness::sluice::Builder;
use crate::harness::system::{Usage, available_memory, kworker_time};
use crate::harness::{eventually, patience};
use crate::relay::{BACK, FRONT, Relay, on_both_relays};

on_both_relays!(
    many_readers_stop,
    an_echo_that_nobody_reads,
    tiny_segments_into_a_slow_reader,
    a_sender_twice_as_fast_as_the_reader,
);

const ADMIN: Admin = Admin("127.0.0.1:9915");

/// A stalled peer's own buffer, in bytes.
const PEERS: usize = 64 << 10;

/// A backend that hands each connection to the test.
pub(crate) fn handed_over() -> Receiver<TcpStream> {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    Backend::serve(BACK, move |stream| {
        stream.set_read_timeout(Some(patience())).unwrap();
        sender.lock().unwrap().send(stream).unwrap();
    });
    receiver
}

/// Connections and their other ends, in the same order: made one after the other, since those made
/// at once may arrive in any.
fn connections(n: usize, accepted: &Receiver<TcpStream>) -> (Vec<TcpStream>, Vec<TcpStream>) {
    (0..n).map(|_| (connect(FRONT), accepted.recv().unwrap())).unzip()
}

/// Writes as much as goes in, until nothing has for half a second.
pub(crate) fn push_until_stuck(stream: &TcpStream) -> u64 {
    let block = vec![0x5A; 64 << 10];
    let mut out = stream;
    out.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut pushed = 0;
    while let Ok(n) = out.write(&block) {
        pushed += n as u64;
    }
    pushed
}

/// Reads `len` bytes of the pushed pattern.
fn pull(mut stream: &TcpStream, len: u64) {
    let mut chunk = vec![0; 256 << 10];
    let mut left = len;
    while left > 0 {
        let n = stream.read(&mut chunk).expect("every byte that was taken arrives");
        assert_ne!(n, 0, "{left} of {len} bytes are missing");
        assert!(chunk[..n].iter().all(|b| *b == 0x5A));
        left -= n as u64;
    }
}

fn many_readers_stop(relay: Relay) {
    // In userspace, each of five hundred takes more, and the kernel comes to a crawl close to its tcp_mem.
    let readers = if relay == Relay::Kernel { 500 } else { 100 };
    // What a stalled connection takes is mostly its receive buffer: five hundred of 32 MiB, which this
    // machine allows, are more than tcp_mem has for all sockets.
    std::fs::write("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 2097152").unwrap();
    let accepted = handed_over();
    let sluice = relay.start();
    let before = available_memory();
    let (clients, servers) = connections(readers, &accepted);
    // What is measured is sluice's.
    clients.iter().for_each(|client| SockRef::from(client).set_send_buffer_size(PEERS).unwrap());
    servers.iter().for_each(|server| SockRef::from(server).set_recv_buffer_size(PEERS).unwrap());
    let pushed: Vec<u64> = thread::scope(|scope| {
        let workers: Vec<_> = clients
            .chunks(5)
            .map(|chunk| scope.spawn(|| chunk.iter().map(push_until_stuck).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|w| w.join().unwrap()).collect()
    });
    let most = pushed.iter().max().unwrap() / 1_000_000;
    let (taken, memory) =
        (pushed.iter().sum::<u64>() / 1_000_000, before.saturating_sub(available_memory()) / 1_000_000);
    println!("{readers} stalled: {taken} MB taken in, at most {most} MB by one, memory {memory} MB");
    assert!(most <= 64, "one stalled connection took {most} MB");

    let (kworkers, own) = (kworker_time(), Usage::of(sluice.pid()));
    thread::sleep(Duration::from_secs(2)); // tidy: the stretch of silence that is measured
    let (kworkers, own) = (kworker_time() - kworkers, Usage::of(sluice.pid()).cpu - own.cpu);
    println!("while stalled: kworkers {kworkers:?}, sluice {own:?} in 2 s");
    assert!(kworkers < Duration::from_millis(200) && own < Duration::from_millis(200));

    thread::scope(|scope| {
        for (servers, pushed) in servers.chunks(25).zip(pushed.chunks(25)) {
            scope.spawn(move || servers.iter().zip(pushed).for_each(|(s, n)| pull(s, *n)));
        }
    });
}

fn an_echo_that_nobody_reads(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    let pushed = push_until_stuck(&stream);
    println!("an echo that nobody reads: {} MB taken in", pushed / 1_000_000);
    assert!(pushed < 64_000_000, "{pushed} bytes taken in");
    pull(&stream, pushed);
    stream.set_write_timeout(Some(patience())).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    let record = sluice.closed();
    relay.carried(&record);
    assert_eq!(record["sent"].as_u64(), Some(pushed));
}

/// Every segment pays for its skb: bytes alone would let twenty times their number in memory.
///
/// One thread writes to all connections in turn, so that no connection's bytes are neighbours in memory: each
/// segment stays a fragment of its own, and the destination's buffer is full when it holds half of what its size
/// says. A credit in bytes alone would leave the rest between the sockets, in memory that nobody accounts for.
fn tiny_segments_into_a_slow_reader(relay: Relay) {
    const CONNECTIONS: usize = 4;
    const SEGMENT: usize = 64;
    /// Several times what a connection has taken when backpressure stops it.
    const CAP: u64 = 6_000_000;
    for (name, value) in [("tcp_autocorking", "0"), ("tcp_rmem", "4096 131072 2097152")] {
        std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value).unwrap();
    }
    let accepted = handed_over();
    // With larger windows it is more of the same, and takes minutes on a busy machine.
    let flags = ["--window-max", "512KiB"];
    let _sluice = Builder::new(&relay.mapping()).admin(ADMIN).flags(&flags).start();
    let (clients, servers) = connections(CONNECTIONS, &accepted);
    clients.iter().for_each(|client| SockRef::from(client).set_send_buffer_size(PEERS).unwrap());
    servers.iter().for_each(|server| SockRef::from(server).set_recv_buffer_size(PEERS).unwrap());
    clients.iter().for_each(|client| client.set_nonblocking(true).unwrap());
    let (mut pushed, mut moved) = ([0; CONNECTIONS], Instant::now());
    while moved.elapsed() < Duration::from_millis(500) && pushed.iter().all(|n| *n < CAP) {
        for (mut client, pushed) in clients.iter().zip(&mut pushed) {
            if let Ok(n) = client.write(&[0x5A; SEGMENT]) {
                *pushed += n as u64;
                moved = Instant::now();
            }
        }
        if moved.elapsed() > Duration::from_millis(10) {
            thread::sleep(Duration::from_millis(1)); // tidy: a look in a while, at senders that are stopped
        }
    }
    let account = Account::now();
    println!("tiny segments: {pushed:?} bytes taken in, {account:?}");
    assert!(pushed.iter().all(|n| *n < CAP), "a sender was not stopped: {pushed:?}");
    if relay == Relay::Kernel {
        let size = account.redirected / account.segments;
        assert!(size < 2.0 * SEGMENT as f64, "segments of {size} bytes");
    }
    let skbs = account.waiting() / SEGMENT as u64 * SEGMENT_CHARGE;
    assert!(skbs <= account.credit, "{skbs} bytes of skbs between the sockets: {account:?}");
    eventually("nothing between the sockets", || (Account::now().waiting() == 0).then_some(()));
    // Three windows of each destination's send buffer, and what the other sockets may have.
    let most = 3 * account.credit + CONNECTIONS as u64 * (8 << 20);
    assert!(account.buffers <= most, "{} of {most} bytes in buffers", account.buffers);
    for (server, pushed) in servers.iter().zip(pushed) {
        pull(server, pushed);
    }
}

/// What sluice and this network's sockets say of the bytes on their way to servers, and of memory.
#[derive(Debug)]
struct Account {
    /// Bytes that sluice says it sent on, on either path.
    sent_on: u64,
    /// Bytes that the sockets of its upstreams have taken.
    taken: u64,
    /// Memory of all sockets' buffers.
    buffers: u64,
    /// Windows of all lanes.
    credit: u64,
    redirected: f64,
    segments: f64,
}

impl Account {
    fn now() -> Self {
        const MAPPING: &str = "mapping=\"TCPMapping default/echo\"";
        let open = ADMIN.json("/connections");
        let sent_on = open.as_array().unwrap().iter().map(|c| c["received"].as_u64().unwrap()).sum();
        let table = run("ss", &["-tinmH", "state", "established"]);
        let number =
            |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u64>().unwrap();
        let field = |line: &str, name: &str| line.split_once(name).map_or(0, |(_, rest)| number(rest));
        let (mut taken, mut buffers) = (0, 0);
        // Two lines for each: queues and addresses, then the rest.
        for (socket, info) in table.lines().step_by(2).zip(table.lines().skip(1).step_by(2)) {
            let socket: Vec<&str> = socket.split_whitespace().collect();
            if socket[3] == BACK {
                // The SYN counts one.
                taken += field(info, "bytes_acked:") - 1 + number(socket[1]);
            }
            buffers += field(info, "skmem:(r") + field(info, ",w");
        }
        Self {
            sent_on,
            taken,
            buffers,
            credit: ADMIN.metric("sluice_kernel_budget_bytes{state=\"used\"}") as u64,
            redirected: ADMIN
                .metric(&format!("sluice_kernel_redirected_bytes_total{{direction=\"received\",{MAPPING}}}")),
            segments: ADMIN.metric(&format!("sluice_kernel_redirected_segments_total{{{MAPPING}}}")),
        }
    }

    /// Bytes that wait between the sockets.
    fn waiting(&self) -> u64 {
        self.sent_on.saturating_sub(self.taken)
    }
}

/// Backpressure holds the sender to the reader's rate, and every byte arrives.
fn a_sender_twice_as_fast_as_the_reader(relay: Relay) {
    const RATE: u64 = 100_000_000;
    let seconds = if std::env::var_os("CI").is_some() { 30 } else { 10 };
    let accepted = handed_over();
    let mut sluice = relay.start();
    let client = connect(FRONT);
    let server = accepted.recv().unwrap();
    let (stop, stopped): (Sender<()>, _) = channel();
    let client = Arc::new(client);
    let writer = Arc::clone(&client);
    let sender = thread::spawn(move || {
        let block = vec![0x5A; 64 << 10];
        let (mut out, start, mut sent) = (&*writer, Instant::now(), 0u64);
        while stopped.try_recv().is_err() {
            // Never more than twice the reader's rate.
            if sent < 2 * RATE * start.elapsed().as_millis() as u64 / 1000 {
                sent += out.write(&block).unwrap() as u64;
            } else {
                thread::sleep(Duration::from_millis(1)); // tidy: the sender's pace
            }
        }
        writer.shutdown(Shutdown::Write).unwrap();
        sent
    });
    let (mut reader, start, mut read) = (&server, Instant::now(), 0u64);
    let mut chunk = vec![0; 256 << 10];
    while start.elapsed().as_secs() < seconds {
        if read < RATE * start.elapsed().as_millis() as u64 / 1000 {
            read += reader.read(&mut chunk).unwrap() as u64;
        } else {
            thread::sleep(Duration::from_millis(1)); // tidy: the reader's pace
        }
    }
    stop.send(()).unwrap();
    while let Ok(n @ 1..) = reader.read(&mut chunk) {
        read += n as u64;
    }
    assert_eq!(sender.join().unwrap(), read);
    server.shutdown(Shutdown::Write).unwrap();
    let record = sluice.closed();
    relay.carried(&record);
    if relay == Relay::Kernel {
        let share = record["received_in_kernel"].as_u64().unwrap() * 100 / read;
        println!("a sender twice as fast as the reader: {share} % in the kernel");
    }
}
