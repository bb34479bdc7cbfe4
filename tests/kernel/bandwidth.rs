//! `sluice.dev/bandwidth`: TCP's own pacing, so that every relay has it, the kernel's too.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::admin::Admin;
use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::sluice::Builder;
use crate::harness::tls::{Ca, Server, hello};
use crate::relay::{BACK, FRONT, Relay, on_every_relay, ready};

on_every_relay!(each_way_is_held_to_it, connections_have_it_each, requests_stay_in_the_kernel);

const ADMIN: Admin = Admin("127.0.0.1:9915");

/// Bytes per second that tests ask for.
const RATE: usize = 4 << 20;

/// What TCP sends before it begins to pace, ten segments of 64 KiB, and some of what sockets hold: not timed.
const HEAD: usize = 1 << 20;

/// What is timed: two seconds' worth.
const REST: usize = 2 * RATE;

fn limited(relay: Relay) -> String {
    relay.annotated("echo", &format!("sluice.dev/bandwidth: {}MiB,", RATE >> 20), 7000, BACK, "")
}

/// As fast as it goes, and more than is read, since what is in buffers at the end is not timed.
fn send(mut stream: impl Write) {
    let chunk = vec![7; 64 << 10];
    // Whoever reads has had enough at some time.
    while stream.write_all(&chunk).is_ok() {}
}

/// Bytes per second, as they come.
fn rate(stream: &mut impl Read) -> f64 {
    let mut chunk = vec![0; 64 << 10];
    let mut take = |mut left: usize| {
        while left > 0 {
            let most = left.min(chunk.len());
            left -= stream.read(&mut chunk[..most]).unwrap();
        }
    };
    take(HEAD);
    let begun = Instant::now();
    take(REST);
    REST as f64 / begun.elapsed().as_secs_f64()
}

fn expect_rate(what: &str, rate: f64) {
    println!("{what}: {:.2} MiB/s of {} MiB/s", rate / f64::from(1 << 20), RATE >> 20);
    let share = rate / RATE as f64;
    assert!((0.85..=1.15).contains(&share), "{what}: {rate:.0} B/s instead of {RATE}");
}

fn each_way_is_held_to_it(relay: Relay) {
    let (tell, told) = channel();
    Backend::serve(BACK, move |mut stream| {
        let writer = stream.try_clone().unwrap();
        thread::spawn(move || send(writer));
        tell.send(rate(&mut stream)).unwrap();
        // Until the client has seen enough, too.
        while stream.read(&mut [0; 65536]).is_ok_and(|n| n > 0) {}
    });
    let mut sluice = Builder::new(&limited(relay)).admin(ADMIN).start();
    let mut stream = connect(FRONT);
    let writer = stream.try_clone().unwrap();
    thread::spawn(move || send(writer));
    let down = rate(&mut stream);
    let open = ADMIN.json("/connections");
    expect_rate("to the upstream", told.recv().unwrap());
    expect_rate("to the client", down);
    assert_eq!(open[0]["bandwidth"], RATE, "shown while it is open");
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    drop(stream);
    let record = sluice.closed();
    println!("{record}");
    relay.carried(&record);
    assert_eq!(record["bandwidth"], RATE, "the access log says what held it back");
}

fn connections_have_it_each(relay: Relay) {
    Backend::serve(BACK, send);
    let _sluice = Builder::new(&limited(relay)).start();
    let clients: Vec<_> = (0..3).map(|_| thread::spawn(|| rate(&mut connect(FRONT)))).collect();
    for client in clients {
        expect_rate("one of three", client.join().unwrap());
    }
}

/// TLS's records are what is paced: of its payload a little less than the rate comes through.
#[test]
fn with_tls_at_both_ends_too() {
    if !ready("with_tls_at_both_ends_too") {
        return;
    }
    let ca = Ca::new();
    let leaf = ca.leaf(&["pay.example.com"]);
    let config = Arc::new(leaf.server());
    Backend::serve(BACK, move |stream| {
        send(Server::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), stream));
    });
    let yaml = limited(Relay::Kernel).replace(BACK, &format!("https://{BACK}"))
        + "  host: pay.example.com\n"
        + &leaf.secret("pay")
        + "---\napiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {name: pay}\n\
           spec: {hosts: [pay.example.com], secret: pay}\n";
    let mut sluice = Builder::new(&yaml).start();
    let mut client = hello(FRONT, "pay.example.com", &Arc::new(ca.client(None))).unwrap();
    expect_rate("payload of TLS", rate(&mut client));
    drop(client);
    let record = sluice.closed();
    assert_eq!((&record["relay"], &record["bandwidth"]), (&"tls".into(), &RATE.into()), "{record}");
}

/// What stays below the limit is neither slowed down nor moved out of the kernel.
fn requests_stay_in_the_kernel(relay: Relay) {
    Backend::echo(BACK);
    let mut sluice = Builder::new(&limited(relay)).start();
    let mut stream = connect(FRONT);
    let begun = Instant::now();
    let mut back = [0; 1000];
    for _ in 0..200 {
        stream.write_all(&[7; 1000]).unwrap();
        stream.read_exact(&mut back).unwrap();
    }
    let took = begun.elapsed();
    println!("200 requests of 1000 bytes: {took:?}");
    // 200 kB each way are 48 ms at this rate; unpaced loopback needs less, a loaded machine more.
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(stream);
    let record = sluice.closed();
    relay.carried(&record);
    let in_kernel =
        record["received_in_kernel"].as_u64().unwrap() + record["sent_in_kernel"].as_u64().unwrap();
    match relay {
        Relay::Kernel => assert!(in_kernel > 300_000, "{record}"),
        Relay::Splice => assert_eq!(in_kernel, 0),
    }
}
