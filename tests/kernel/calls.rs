//! What a short connection costs in system calls; proxy/ARCHITECTURE.md lists them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::sluice::Builder;
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
    let table = std::env::temp_dir().join(format!("sluice-calls-{}", std::process::id()));
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-e", TRACED, "-p", &sluice.pid().to_string(), "-o"])
        .arg(&table)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(strace.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line.contains("attached")), "strace attaches");

    for _ in 0..CONNECTIONS {
        let mut stream = connect(FRONT);
        stream.write_all(&[1; 64]).unwrap();
        stream.read_exact(&mut [0; 64]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        assert_eq!(sluice.closed()["reason"], "finished");
    }
    kill_process(Pid::from_child(&strace), Signal::INT).unwrap();
    let _ = said.count();
    strace.wait().unwrap();

    let table_text = fs::read_to_string(&table).unwrap();
    fs::remove_file(&table).unwrap();
    println!("{CONNECTIONS} connections:\n{table_text}");
    let total = table_text.lines().find(|line| line.ends_with(" total")).expect("a sum");
    let calls: u64 = total.split_whitespace().nth(3).expect("a column of calls").parse().unwrap();
    // One more for each time that accept(2) is asked and nobody waits.
    let each = calls / CONNECTIONS;
    assert!(each <= 26, "{each} system calls for each connection");
}
