//! What else goes wrong on the way: peers that die, a budget that is spent, urgent bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

use rustix::net::SendFlags;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::admin::Admin;
use crate::harness::backend::Backend;
use crate::harness::client::{connect, read_all};
use crate::harness::payload::Payload;
use crate::harness::repair::wind_back;
use crate::harness::sluice::{Builder, Sluice};
use crate::harness::{bpf, eventually};
use crate::relay::{BACK, FRONT, Relay, on_every_relay, ready};

on_every_relay!(
    overlapping_retransmissions,
    a_fin_behind_bytes_that_were_received,
    urgent_bytes_stay_in_the_stream,
    urgent_bytes_before_the_relay,
    data_and_fin_in_one_segment,
    both_sides_end_at_once,
    stopped_agent
);

const ADMIN: Admin = Admin("127.0.0.1:9915");

/// A segment whose first bytes were received before: no byte arrives twice. Senders make such
/// segments when they probe a shut window with a part of one and then send the whole.
fn overlapping_retransmissions(relay: Relay) {
    const OLD: Payload = Payload { seed: 1, len: 5000 };
    Backend::echo(BACK);
    let mut sluice = relay.start();
    for back in [1, 53, 4095, 5000] {
        let (mut stream, again) = about_to_repeat(OLD, back);
        stream.write_all(&[&again[..], b"and what is new"].concat()).unwrap();
        let mut reply = [0; 15];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"and what is new", "{back} bytes sent again");
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut stream), b"");
        let record = sluice.closed();
        relay.carried(&record);
        assert_eq!((&record["reason"], &record["received"]), (&"finished".into(), &5015.into()), "{record}");
    }
}

/// A segment of which only the FIN is new: what a sender makes of its last bytes, sent and not acknowledged yet, when
/// it ends and has to send them again.
fn a_fin_behind_bytes_that_were_received(relay: Relay) {
    const ALL: Payload = Payload { seed: 2, len: 5000 };
    Backend::echo(BACK);
    let mut sluice = relay.start();
    for back in [1, 53, 1000, 4095, 5000] {
        let (mut stream, again) = about_to_repeat(ALL, back);
        socket2::SockRef::from(&stream).set_tcp_cork(true).unwrap();
        stream.write_all(&again).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut stream), b"");
        let record = sluice.closed();
        relay.carried(&record);
        assert_eq!((&record["reason"], &record["received"]), (&"finished".into(), &5000.into()), "{record}");
    }
}

/// A connection over which all of `said` was echoed, and which sends its last `back` bytes, given too, as though
/// they never had arrived.
fn about_to_repeat(said: Payload, back: u32) -> (TcpStream, Vec<u8>) {
    let mut stream = connect(FRONT);
    said.send(&mut stream).unwrap();
    said.expect(&mut stream);
    eventually("acknowledgement", || {
        (sluice::relay::socket::unacked(std::os::fd::AsFd::as_fd(&stream)).unwrap() == 0).then_some(())
    });
    let mut bytes = Vec::new();
    said.send(&mut bytes).unwrap();
    (wind_back(stream, back), bytes.split_off(bytes.len() - back as usize))
}

fn urgent_bytes_stay_in_the_stream(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        stream.write_all(b"hi").unwrap();
        let bytes = read_all(&mut stream);
        stream.write_all(&bytes).unwrap();
    });
    let mut sluice = relay.start();
    let mut stream = connect(FRONT);
    // The greeting came through the relay, so what follows does too.
    stream.read_exact(&mut [0; 2]).unwrap();
    stream.write_all(b"before ").unwrap();
    rustix::net::send(&stream, b"ab!", SendFlags::OOB).unwrap();
    stream.write_all(b" after").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stream), b"before ab! after");
    relay.carried(&sluice.closed());
}

/// Urgent bytes wait before sluice has looked at the client's socket even once, so that nothing has announced
/// them: the first read stops short at their mark, within a segment, and no more than that tells of the rest.
fn urgent_bytes_before_the_relay(relay: Relay) {
    const FIRST: Payload = Payload { seed: 1, len: 5000 };
    const REST: Payload = Payload { seed: 2, len: 300_000 };
    Backend::serve(BACK, |mut stream| {
        FIRST.expect(&mut stream);
        let mut urgent = [0; 3];
        stream.read_exact(&mut urgent).unwrap();
        assert_eq!(&urgent, b"ab!");
        stream.write_all(&urgent).unwrap();
        REST.expect_to_end(&mut stream);
        stream.write_all(b"all").unwrap();
    });
    let mut sluice = relay.start();
    sluice.freeze();
    let mut stream = connect(FRONT);
    FIRST.send(&mut stream).unwrap();
    rustix::net::send(&stream, b"ab!", SendFlags::OOB).unwrap();
    sluice.signal(Signal::CONT);
    stream.read_exact(&mut [0; 3]).unwrap();
    REST.send(&mut stream).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stream), b"all");
    let record = sluice.closed();
    relay.carried(&record);
    assert_eq!(record["reason"], "finished", "{record}");
}

/// The end of the stream arrives with the last data, as most clients that know their last word send it.
fn data_and_fin_in_one_segment(relay: Relay) {
    const ROUNDS: usize = 20_000;
    Backend::serve(BACK, |mut stream| {
        stream.write_all(b"hi").unwrap();
        let bytes = read_all(&mut stream);
        assert_eq!(bytes.len(), 105);
        stream.write_all(&bytes).unwrap();
    });
    let mut sluice = relay.start();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..ROUNDS / 8 {
                    let mut stream = connect(FRONT);
                    stream.read_exact(&mut [0; 2]).unwrap();
                    stream.write_all(&[7; 5]).unwrap();
                    socket2::SockRef::from(&stream).set_tcp_cork(true).unwrap();
                    stream.write_all(&[7; 100]).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                    assert_eq!(read_all(&mut stream), [7; 105]);
                }
            });
        }
    });
    for _ in 0..ROUNDS {
        let record = sluice.closed();
        relay.carried(&record);
        assert_eq!((&record["reason"], &record["received"]), (&"finished".into(), &105.into()), "{record}");
    }
}

fn both_sides_end_at_once(relay: Relay) {
    Backend::serve(BACK, |mut stream| {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    });
    let mut sluice = relay.start();
    for _ in 0..300 {
        let mut stream = connect(FRONT);
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.write_all(b"y").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        let record = sluice.closed();
        assert_eq!(record["reason"], "finished", "{record}");
    }
}

/// With sluice stopped the verdict's calls overflow the event ring; no lane may be forgotten.
fn stopped_agent(relay: Relay) {
    const CLIENTS: usize = 200;
    /// The last of them, who speak once the ring is full: none of their lanes' calls gets through.
    const QUIET: usize = 10;
    Backend::echo(BACK);
    let sluice = Builder::new(&relay.mapping()).admin(ADMIN).start();
    // One after the other, so that their lanes' slots are in the same order.
    let one = |_| {
        let mut client = connect(FRONT);
        // Enough for those that join on their way.
        for _ in 0..8 {
            client.write_all(b"!").unwrap();
            client.read_exact(&mut [0; 1]).unwrap();
        }
        client
    };
    let clients: Vec<TcpStream> = (0..CLIENTS).map(one).collect();
    await_settled();
    sluice.freeze();
    clients.iter().for_each(|client| client.set_nonblocking(true).unwrap());
    let (noisy, quiet) = clients.split_at(CLIENTS - QUIET);
    let mut written = vec![0; CLIENTS];
    for round in 0..40 {
        // In turn, so that each byte is a segment of its own: each that is passed is a call.
        for _ in 0..50 {
            for (mut client, written) in noisy.iter().zip(&mut written) {
                *written += usize::from(client.write(b"x").is_ok());
            }
        }
        // The other relay has no ring that would be full some time.
        let enough = match relay {
            Relay::Kernel => lost_calls(&sluice) > 0,
            Relay::Splice => round == 4,
        };
        if enough {
            break;
        }
    }
    if relay == Relay::Kernel {
        assert!(lost_calls(&sluice) > 0, "the ring is full");
    }
    for (mut client, written) in quiet.iter().zip(&mut written[noisy.len()..]) {
        while *written < 4 << 20
            && let Ok(n) = client.write(&[b'x'; 64 << 10])
        {
            *written += n;
        }
    }
    if relay == Relay::Kernel {
        for slot in (noisy.len()..CLIENTS).map(|i| 2 * i as u32) {
            let [passed, done] = [("KERNEL_LANES", 1), ("USER_LANES", 0)]
                .map(|(map, field)| bpf::map_of(sluice.pid(), map).words(slot)[field]);
            assert!(passed > done, "lane {slot} needs its agent");
        }
    }
    sluice.signal(Signal::CONT);
    for (mut client, written) in clients.iter().zip(written) {
        client.set_nonblocking(false).unwrap();
        client.read_exact(&mut vec![0; written]).expect("no lane hangs");
    }
    if relay == Relay::Kernel {
        assert!(ADMIN.metric("sluice_kernel_events_lost_total") > 0.0, "lost calls are counted");
    }
}

/// Waits until no connection has another look at its lanes before it that is due by the clock, at the end of its
/// first second: it would find what nobody told of.
fn await_settled() {
    eventually("connections that have settled", || {
        let open = ADMIN.json("/connections");
        let settled = |c: &Value| c["duration_ms"].as_u64().unwrap() > 1500;
        open.as_array().unwrap().iter().all(settled).then_some(())
    });
}

/// The verdict's calls that found the ring full, from its own map: sluice itself may stand still.
fn lost_calls(sluice: &Sluice) -> u64 {
    let cpus = bpf::map_of(sluice.pid(), "CPUS");
    let present = thread::available_parallelism().unwrap().get() as u32;
    (0..present).map(|cpu| cpus.words(cpu)[0]).sum()
}

#[test]
fn the_budget_is_spent_and_comes_back() {
    if !ready("the_budget_is_spent_and_comes_back") {
        return;
    }
    Backend::echo(BACK);
    // Room for two connections: two lanes of 256 KiB each.
    let mut sluice = Builder::new(&Relay::Kernel.mapping()).flags(&["--budget", "1MiB"]).start();
    let exchange = |stream: &mut TcpStream| {
        let payload = Payload { seed: 1, len: 3_000_000 };
        let mut out = stream.try_clone().unwrap();
        let writer = thread::spawn(move || {
            payload.send(&mut out).unwrap();
            out.shutdown(Shutdown::Write).unwrap();
        });
        payload.expect_to_end(stream);
        writer.join().unwrap();
    };
    // One after the other, so that the third finds nothing left.
    let mut streams: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = connect(FRONT);
            stream.write_all(b"?").unwrap();
            stream.read_exact(&mut [0; 1]).unwrap();
            stream
        })
        .collect();
    exchange(&mut streams[2]);
    let record = sluice.closed();
    assert_eq!((&record["relay"], &record["fallback"]), (&"splice".into(), &"budget".into()), "{record}");
    for stream in &mut streams[..2] {
        exchange(stream);
        Relay::Kernel.carried(&sluice.closed());
    }
    exchange(&mut connect(FRONT));
    Relay::Kernel.carried(&sluice.closed());
}

/// At the budget the largest lane gives back what it grew by, credit that it was given included, though it
/// sleeps; who comes next finds room.
#[test]
fn the_largest_lane_gives_back() {
    /// What a lane starts with, and the most it grows to.
    const START: f64 = 262_144.0;
    const MOST: f64 = 4_194_304.0;
    if !ready("the_largest_lane_gives_back") {
        return;
    }
    let (sender, accepted) = channel();
    let sender = Mutex::new(sender);
    Backend::serve(BACK, move |stream| sender.lock().unwrap().send(stream).unwrap());
    // Room for a lane at its largest, and three more at their start.
    let mut sluice = Builder::new(&Relay::Kernel.mapping()).admin(ADMIN).flags(&["--budget", "5MiB"]).start();
    let used = || ADMIN.metric("sluice_kernel_budget_bytes{state=\"used\"}");
    let lanes = ["KERNEL_LANES", "USER_LANES"].map(|name| bpf::map_of(sluice.pid(), name));
    // The first connection's first lane: `limit` and `charged`.
    let credit = || {
        let [kernel, user] = lanes.each_ref().map(|map| map.words(0));
        user[1].saturating_sub(kernel[2]) as f64
    };
    let connection = || {
        let (mut client, mut server) = (connect(FRONT), accepted.recv().unwrap());
        // What comes through the relay shows that it has both sockets.
        server.write_all(b"!").unwrap();
        client.read_exact(&mut [0; 1]).unwrap();
        (client, server)
    };

    let (mut large, mut server) = connection();
    eventually("a lane that has grown", || {
        let payload = Payload { seed: 1, len: 100_000 };
        payload.send(&mut large).unwrap();
        payload.expect(&mut server);
        (used() >= MOST + START).then_some(())
    });
    await_settled();
    // Short of room now; nobody has told the large one yet.
    let small = connection();
    assert!(used() >= MOST + 3.0 * START, "{} bytes used", used());
    assert!(credit() > MOST / 4.0, "{} bytes of credit", credit());

    drop(connection());
    let record = sluice.closed();
    assert_eq!((&record["relay"], &record["fallback"]), (&"splice".into(), &"budget".into()), "{record}");
    eventually("two connections' lanes at their start", || (used() <= 4.0 * START).then_some(()));
    assert!(credit() <= START, "{} bytes of credit", credit());
    drop(connection());
    Relay::Kernel.carried(&sluice.closed());

    let payload = Payload { seed: 2, len: 3_000_000 };
    thread::scope(|scope| {
        scope.spawn(|| payload.send(&mut large).unwrap());
        payload.expect(&mut server);
    });
    drop((large, server));
    Relay::Kernel.carried(&sluice.closed());
    drop(small);
}
