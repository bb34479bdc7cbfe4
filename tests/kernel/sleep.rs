//! Once a connection is offloaded, sluice sleeps.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::eventually;
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
