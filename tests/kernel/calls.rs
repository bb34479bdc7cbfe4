//! System calls: what a short connection costs (proxy/ARCHITECTURE.md lists them), and that none is refused.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::sluice::{Builder, Sluice};
use crate::relay::{BACK, FRONT, Relay, ready};

/// Calls on sockets and maps. How often threads wait and wake each other depends on the load.
const TRACED: &str = "trace=accept4,getsockname,socket,connect,setsockopt,getsockopt,ioctl,bpf,recvfrom,sendto,splice,\
                      shutdown,close,epoll_ctl";

#[test]
fn a_short_connection_takes_few_system_calls() {
    const CONNECTIONS: u64 = 200;
    if !ready("a_short_connection_takes_few_system_calls") {
        return;
    }
    Backend::echo(BACK);
    let mut sluice = Builder::new(&Relay::Kernel.mapping()).flags(&["--join-after", "16KiB"]).start();
    let table_text = traced(&mut sluice, &["-c", "-e", TRACED], |sluice| {
        for _ in 0..CONNECTIONS {
            exchange(sluice, 1);
        }
    });
    println!("{CONNECTIONS} connections:\n{table_text}");
    let total = table_text.lines().find(|line| line.ends_with(" total")).expect("a sum");
    let calls: u64 = total.split_whitespace().nth(3).expect("a column of calls").parse().unwrap();
    // One more for each time that accept(2) is asked and nobody waits.
    let each = calls / CONNECTIONS;
    assert!(each <= 26, "{each} system calls for each connection");
}

/// What `sluice run` has itself forbidden is nothing that a relay needs: it would do without, and slower.
#[test]
fn nothing_that_a_relay_asks_is_forbidden() {
    if !ready("nothing_that_a_relay_asks_is_forbidden") {
        return;
    }
    Backend::echo(BACK);
    for relay in [Relay::Kernel, Relay::Splice] {
        let mut sluice = relay.start();
        let failed = traced(&mut sluice, &["-e", "status=failed"], |sluice| {
            exchange(sluice, 1);
            exchange(sluice, 1000);
        });
        let forbidden: Vec<_> = failed.lines().filter(|line| line.contains("= -1 EPERM")).collect();
        assert!(forbidden.is_empty(), "{relay:?}: {forbidden:?}");
    }
}

/// A connection with so many messages.
fn exchange(sluice: &mut Sluice, messages: usize) {
    let mut stream = connect(FRONT);
    for _ in 0..messages {
        stream.write_all(&[1; 64]).unwrap();
        stream.read_exact(&mut [0; 64]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(sluice.closed()["reason"], "finished");
}

/// What strace(1) with these flags writes of its system calls meanwhile.
fn traced(sluice: &mut Sluice, flags: &[&str], meanwhile: impl FnOnce(&mut Sluice)) -> String {
    let file = std::env::temp_dir().join(format!("sluice-calls-{}", std::process::id()));
    let mut strace = Command::new("strace")
        .args(["-f", "-p", &sluice.pid().to_string()])
        .args(flags)
        .arg("-o")
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(strace.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line.contains("attached")), "strace attaches");
    meanwhile(sluice);
    kill_process(Pid::from_child(&strace), Signal::INT).unwrap();
    let _ = said.count();
    strace.wait().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    text
}
