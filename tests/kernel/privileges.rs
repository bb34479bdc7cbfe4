//! Each capability that README names, given and withheld.

use std::io::{Read, Write};

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::sluice::{Builder, Sluice};
use crate::relay::{BACK, FRONT, Relay, ready};

/// Two listeners, one of which is on a port for the privileged; with nothing but these capabilities.
fn start(capabilities: &'static [&'static str]) -> Sluice {
    let low = Relay::Kernel.named("low", 80, BACK, "");
    Builder::new(&(Relay::Kernel.mapping() + &low)).privileges(capabilities).spawn()
}

/// Who relays a connection.
fn relay(sluice: &mut Sluice, front: &str) -> String {
    let mut stream = connect(front);
    for _ in 0..4 {
        stream.write_all(b"message").unwrap();
        stream.read_exact(&mut [0; 7]).unwrap();
    }
    drop(stream);
    sluice.closed()["relay"].as_str().unwrap().to_owned()
}

#[test]
fn three_capabilities_are_enough() {
    if !ready("three_capabilities_are_enough") {
        return;
    }
    Backend::echo(BACK);
    let mut sluice = start(&[
        "--bounding-set",
        "-all,+bpf,+net_admin,+net_bind_service",
        "--inh-caps",
        "-all",
        "--no-new-privs",
    ]);
    sluice.expect_log("serving");
    assert_eq!([FRONT, "127.0.0.1:80"].map(|front| relay(&mut sluice, front)), ["kernel", "kernel"]);
    let words = sluice.last_words();
    assert!(!words.contains("\"WARN\"") && !words.contains("\"ERROR\""), "{words}");
}

#[test]
fn without_one_of_two_connections_are_relayed_by_splice() {
    if !ready("without_one_of_two_connections_are_relayed_by_splice") {
        return;
    }
    Backend::echo(BACK);
    for (bounding, missing) in [
        (&["--bounding-set", "-all,+net_admin,+net_bind_service", "--inh-caps", "-all"], "CAP_BPF"),
        (&["--bounding-set", "-all,+bpf,+net_bind_service", "--inh-caps", "-all"], "CAP_NET_ADMIN"),
    ] {
        let mut sluice = start(bounding);
        let told = sluice.expect_log("relaying in userspace");
        assert!(told.contains(&format!("this process lacks {missing}: ")), "{told}");
        sluice.expect_log("serving");
        assert_eq!([FRONT, "127.0.0.1:80"].map(|front| relay(&mut sluice, front)), ["splice", "splice"]);
        // Once, whatever the number of connections.
        let words = sluice.last_words();
        assert!(!words.contains("\"WARN\"") && !words.contains("\"ERROR\""), "{words}");
    }
}

#[test]
fn without_the_third_high_ports_are_the_kernels() {
    if !ready("without_the_third_high_ports_are_the_kernels") {
        return;
    }
    Backend::echo(BACK);
    let mut sluice = start(&["--bounding-set", "-all,+bpf,+net_admin", "--inh-caps", "-all"]);
    sluice.expect_log("127.0.0.1:80 cannot be bound");
    sluice.expect_log("serving");
    assert_eq!(relay(&mut sluice, FRONT), "kernel");
}

/// As an ordinary user, to whom systemd's AmbientCapabilities= give the three.
#[test]
fn an_ordinary_user_can_be_given_them() {
    if !ready("an_ordinary_user_can_be_given_them") {
        return;
    }
    Backend::echo(BACK);
    let mut sluice = start(&[
        "--bounding-set",
        "-all,+bpf,+net_admin,+net_bind_service",
        "--inh-caps",
        "-all,+bpf,+net_admin,+net_bind_service",
        "--ambient-caps",
        "-all,+bpf,+net_admin,+net_bind_service",
        "--securebits",
        "+noroot,+noroot_locked",
        "--no-new-privs",
    ]);
    sluice.expect_log("serving");
    assert_eq!([FRONT, "127.0.0.1:80"].map(|front| relay(&mut sluice, front)), ["kernel", "kernel"]);
}
