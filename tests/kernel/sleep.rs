//! Once a connection is offloaded, sluice sleeps.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::eventually;
use crate::harness::sluice::JOIN_AFTER;
use crate::harness::system::{Usage, available_memory};
use crate::relay::{BACK, FRONT, Relay, on_both_relays, ready};

on_both_relays!(idle_connections_cost_nothing);

fn ping(stream: &mut TcpStream) {
    stream.write_all(&[1; 64]).unwrap();
    stream.read_exact(&mut [0; 64]).unwrap();
}

#[test]
fn ten_thousand_messages_wake_nobody() {
    if !ready("ten_thousand_messages_wake_nobody") {
        return;
    }
    Backend::echo(BACK);
    let sluice = Relay::Kernel.start();
    let mut stream = connect(FRONT);
    // The first messages settle the window.
    for _ in 0..6000 {
        ping(&mut stream);
    }
    let before = Usage::of(sluice.pid());
    for _ in 0..10_000 {
        ping(&mut stream);
    }
    let switches = Usage::of(sluice.pid()).switches - before.switches;
    println!("10,000 messages: {switches} context switches");
    // A call per five eighths of a 4 MiB window, of which each message uses 1,088 bytes, and a few
    // threads of the runtime that look up at each: not one per message, as with EPOLLIN.
    assert!(switches <= 40, "{switches} context switches for 10,000 messages");
}

/// What a lane is passed while it joins, its agent sends on: whoever answers at once, on the one processor that there
/// is, must not get the answer's answer passed too, and so on.
#[test]
fn an_exchange_that_joins_leaves_its_agent() {
    const CONNECTIONS: usize = 50;
    const MESSAGES: u64 = 60;
    if !ready("an_exchange_that_joins_leaves_its_agent") {
        return;
    }
    on_one_processor();
    JOIN_AFTER.set("4KiB").unwrap();
    Backend::echo(BACK);
    let mut sluice = Relay::Kernel.start();
    for _ in 0..CONNECTIONS {
        let mut stream = connect(FRONT);
        (0..MESSAGES).for_each(|_| ping(&mut stream));
        drop(stream);
        let record = sluice.closed();
        for way in ["received_in_kernel", "sent_in_kernel"] {
            // Two carried before it joins, one that proves where the kernel begins, and as many to spare.
            assert!(record[way].as_u64().unwrap() >= (MESSAGES - 6) * 64, "{record}");
        }
    }
}

/// From here on this process and what it starts share a processor.
fn on_one_processor() {
    let mut first = CpuSet::new();
    let allowed = sched_getaffinity(None).unwrap();
    first.set((0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).unwrap());
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let id = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
        sched_setaffinity(Pid::from_raw(id), &first).unwrap();
    }
}

fn idle_connections_cost_nothing(relay: Relay) {
    // Clients and servers are of this process, two descriptors each connection here as in sluice: what a
    // limit of 20,000 allows.
    const IDLE: usize = 9000;
    let (sender, accepted) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    Backend::serve(BACK, move |mut stream| {
        ping_back(&mut stream);
        sender.lock().unwrap().send(stream).unwrap();
    });
    let sluice = relay.start();
    let (resident, memory) = (Usage::of(sluice.pid()).resident, available_memory());
    let mut held = Vec::new();
    for _ in 0..IDLE {
        let mut stream = connect(FRONT);
        ping(&mut stream);
        held.push((stream, accepted.recv().unwrap()));
    }
    let mine = (Usage::of(sluice.pid()).resident - resident) / IDLE as u64;
    let all = memory.saturating_sub(available_memory()) / IDLE as u64;
    println!("an idle connection: {mine} bytes of sluice's, {all} of the machine's, four sockets included");
    eventually("sluice at rest", || {
        let before = Usage::of(sluice.pid());
        std::thread::sleep(Duration::from_secs(1)); // tidy: the stretch of silence that is measured
        (Usage::of(sluice.pid()).cpu - before.cpu < Duration::from_millis(20)).then_some(())
    });
    assert!(mine <= 8 << 10, "{mine} bytes per idle connection");
}

fn ping_back(stream: &mut TcpStream) {
    let mut message = [0; 64];
    stream.read_exact(&mut message).unwrap();
    stream.write_all(&message).unwrap();
}
