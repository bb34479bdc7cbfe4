//! Each capability that README names, given and withheld, and what is left of privileges while sluice serves.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};

use rustix::thread::CapabilitySet;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::sluice::{Builder, Sluice};
use crate::relay::{BACK, FRONT, Relay, ready};

/// Two listeners, one of which is on a port for the privileged; with nothing but these capabilities.
fn start(capabilities: &'static [&'static str]) -> Sluice {
    let low = Relay::Kernel.named("low", 80, BACK, "");
    Builder::new(&(Relay::Kernel.mapping() + &low)).privileges(capabilities).spawn()
}

/// What the kernel says of every thread, without repetitions: `CapEff`, `CapPrm`, `CapInh`, `CapAmb`, `CapBnd`,
/// `NoNewPrivs`, `Seccomp`.
fn threads(sluice: &Sluice) -> BTreeSet<[u64; 7]> {
    let tasks = fs::read_dir(format!("/proc/{}/task", sluice.pid())).unwrap();
    let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).unwrap();
    let statuses: Vec<_> = tasks.map(|task| status(task.unwrap())).collect();
    assert!(statuses.len() > 3, "the main thread, workers and two logs: {statuses:?}");
    statuses.iter().map(|status| fields(status)).collect()
}

fn fields(status: &str) -> [u64; 7] {
    ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:", "CapBnd:", "NoNewPrivs:", "Seccomp:"].map(|name| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        // Numbers of one digit are the same in both systems.
        u64::from_str_radix(value, 16).unwrap()
    })
}

/// A process with nothing else, and what it may still be granted.
fn confined(kept: CapabilitySet, bound: CapabilitySet) -> BTreeSet<[u64; 7]> {
    BTreeSet::from([[kept.bits(), kept.bits(), 0, 0, bound.bits(), 1, 2]])
}

/// What the kernel relay and low ports go on needing.
const SERVING: CapabilitySet = CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_BIND_SERVICE);

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
    // Without CAP_SETPCAP the bounding set is not a process's own to change.
    assert_eq!(threads(&sluice), confined(SERVING, SERVING | CapabilitySet::BPF));
    let words = sluice.last_words();
    assert!(!words.contains("\"WARN\"") && !words.contains("\"ERROR\""), "{words}");
}

#[test]
fn root_keeps_what_serving_takes_and_no_more() {
    if !ready("root_keeps_what_serving_takes_and_no_more") {
        return;
    }
    Backend::echo(BACK);
    let mut sluice = start(&[]);
    let told = sluice.expect_log("\"confined\"");
    let names = "CAP_DAC_READ_SEARCH CAP_NET_BIND_SERVICE CAP_NET_ADMIN";
    assert!(told.contains(&format!("\"capabilities\":\"{names}\"")), "{told}");
    sluice.expect_log("serving");
    let left = SERVING | CapabilitySet::DAC_READ_SEARCH;
    assert_eq!(threads(&sluice), confined(left, left));
    assert_eq!([FRONT, "127.0.0.1:80"].map(|front| relay(&mut sluice, front)), ["kernel", "kernel"]);

    // A reload adds a low port, from a file that is somebody else's.
    let low = ["80", "81"].map(|port| Relay::Kernel.named(port, port.parse().unwrap(), BACK, ""));
    sluice.reload_as(&(Relay::Kernel.mapping() + &low.concat()), 65534);
    let fronts = [FRONT, "127.0.0.1:80", "127.0.0.1:81"];
    assert_eq!(fronts.map(|front| relay(&mut sluice, front)), ["kernel"; 3]);
    assert_eq!(threads(&sluice), confined(left, left), "after a reload");
}

#[test]
fn without_the_kernel_relay_its_capability_goes_too() {
    if !ready("without_the_kernel_relay_its_capability_goes_too") {
        return;
    }
    let sluice = Builder::new(&Relay::Kernel.mapping()).flags(&["--kernel-relay", "false"]).start();
    let left = CapabilitySet::NET_BIND_SERVICE | CapabilitySet::DAC_READ_SEARCH;
    assert_eq!(threads(&sluice), confined(left, left));
}

#[test]
fn a_setting_leaves_all_as_it_is() {
    if !ready("a_setting_leaves_all_as_it_is") {
        return;
    }
    let ours = fields(&fs::read_to_string("/proc/self/status").unwrap());
    let mut sluice = Builder::new(&Relay::Kernel.mapping()).flags(&["--confine", "false"]).spawn();
    sluice.expect_log("not confined");
    sluice.expect_log("serving");
    assert_eq!(threads(&sluice), BTreeSet::from([ours]));
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

/// To whom systemd's AmbientCapabilities= give the three.
#[test]
fn an_ordinary_user_can_be_given_them() {
    if !ready("an_ordinary_user_can_be_given_them") {
        return;
    }
    Backend::echo(BACK);
    let mut sluice = start(&[
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "--bounding-set",
        "-all,+bpf,+net_admin,+net_bind_service",
        "--inh-caps",
        "-all,+bpf,+net_admin,+net_bind_service",
        "--ambient-caps",
        "-all,+bpf,+net_admin,+net_bind_service",
        "--no-new-privs",
    ]);
    sluice.expect_log("serving");
    assert_eq!([FRONT, "127.0.0.1:80"].map(|front| relay(&mut sluice, front)), ["kernel", "kernel"]);
    assert_eq!(threads(&sluice), confined(SERVING, SERVING | CapabilitySet::BPF));
}
