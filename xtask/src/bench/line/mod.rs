//! A long line between the client and everybody else: two TUN devices, the far one in a network of its own, and a
//! process that carries packets between them as a line of that rate, delay and queue would. Many kernels, this
//! project's among them, are built without netem.

mod pipe;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::field::itself;
use super::service::Service;
use crate::cmd;
use pipe::Pipe;

/// The end where the proxies and the backend are.
pub(super) const NEAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The client's end.
const FAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// Bytes of a packet at most: as with jumbo frames, a sixth of the packets, since two cores carry them besides
/// everything else.
const MTU: u16 = 9_000;

/// What reports call it.
pub(super) const WHAT: &str = "the client 50 ms (there and back) and 1 Gbit/s away: packets of 9,000 B, a queue of 50 ms, TCP buffers to 32 MiB";

/// Room for what is under way on such a line, several times: TCP's own limits are for shorter ones.
const BUFFERS: &str = "4096 131072 33554432";

/// By when both ends are up.
const START: Duration = Duration::from_secs(30);

/// The line, while it is there.
#[derive(Debug)]
pub(super) struct Line {
    /// Holds the client's network.
    far: Service,
    _carrier: Service,
}

impl Line {
    /// Lays it.
    pub(super) fn lay(folder: &Path) -> Result<Self> {
        stretch_buffers(Path::new("/proc/sys/net/ipv4"))?;
        let mut holder = Command::new("unshare");
        holder.args(["--net", "--", "sleep", "infinity"]);
        let far = Service::start("far", &holder, folder)?;
        let ours = network("self")?;
        await_until("a network for the client", || Ok(network(&far.id().to_string())? != ours))?;
        // Before all others: a line does not wait for a processor.
        let mut command = Command::new("nice");
        let carry = itself("line")?;
        command.args(["-n", "-19"]).arg(carry.get_program()).args(carry.get_args()).arg(far.id().to_string());
        let mut carrier = Service::start("line", &command, folder)?;
        let line_is_up = || match carrier.epitaph() {
            Some(epitaph) => Err(anyhow!(epitaph)),
            None => Ok(carrier.says(READY)),
        };
        await_until("the line", line_is_up)?;
        Ok(Self { far, _carrier: carrier })
    }

    /// The command, run at the far end.
    pub(super) fn at_far_end(&self, command: &Command) -> Command {
        let mut there = enter(self.far.id());
        there.arg(command.get_program()).args(command.get_args());
        there
    }
}

/// Said when packets are carried.
const READY: &str = "the line is up";

/// Carries packets between this network and that of a process, until it is killed.
pub(super) fn run(far: u32) -> Result<()> {
    let (near, away) = (device("near")?, device("far")?);
    cmd::run(Command::new("ip").args(["link", "set", "far", "netns", &far.to_string()]))?;
    configure(Command::new("ip"), "near", NEAR)?;
    let inside = || {
        let mut command = enter(far);
        command.arg("ip");
        command
    };
    cmd::run(inside().args(["link", "set", "lo", "up"]))?;
    configure(inside(), "far", FAR)?;
    let mut tune = enter(far);
    tune.args(["sysctl", "-q", "-w"]);
    tune.args(["tcp_rmem", "tcp_wmem"].map(|name| format!("net.ipv4.{name}={BUFFERS}")));
    cmd::run(&mut tune)?;
    let (near, away) = (Arc::new(near), Arc::new(away));
    let forth = thread::spawn({
        let (near, away) = (Arc::clone(&near), Arc::clone(&away));
        move || carry(&near, &away)
    });
    let back = thread::spawn(move || carry(&away, &near));
    eprintln!("{READY}");
    for direction in [forth, back] {
        direction.join().unwrap_or_else(|_| bail!("a thread panicked"))?;
    }
    Ok(())
}

fn device(name: &str) -> Result<SyncDevice> {
    let device = DeviceBuilder::new().name(name).mtu(MTU).enable(false).build_sync();
    device.with_context(|| format!("the TUN device {name}"))
}

fn configure(mut ip: Command, name: &str, address: Ipv4Addr) -> Result<()> {
    let mut up = Command::new(ip.get_program());
    up.args(ip.get_args()).args(["link", "set", name, "up"]);
    cmd::run(ip.args(["address", "add", &format!("{address}/24"), "dev", name]))?;
    cmd::run(&mut up)
}

fn stretch_buffers(folder: &Path) -> Result<()> {
    ["tcp_rmem", "tcp_wmem"].into_iter().try_for_each(|name| {
        let path = folder.join(name);
        fs::write(&path, BUFFERS).with_context(|| path.display().to_string())
    })
}

/// One direction: a thread takes packets in at once, so that no queue but the line's own fills.
fn carry(from: &SyncDevice, to: &Arc<SyncDevice>) -> Result<()> {
    let (sender, receiver) = channel();
    let to = Arc::clone(to);
    let out = thread::spawn(move || deliver(&receiver, &to));
    let taken = take(from, &sender);
    drop(sender);
    out.join().unwrap_or_else(|_| bail!("a thread panicked"))?;
    taken
}

fn take(from: &SyncDevice, line: &Sender<(Instant, Vec<u8>)>) -> Result<()> {
    let mut pipe = Pipe::new();
    let mut packet = vec![0; usize::from(MTU)];
    loop {
        let n = from.recv(&mut packet).context("taking a packet")?;
        if let Some(arrival) = pipe.take(Instant::now(), n) {
            line.send((arrival, packet[..n].to_vec())).context("nobody delivers any more")?;
        }
    }
}

fn deliver(line: &Receiver<(Instant, Vec<u8>)>, to: &SyncDevice) -> Result<()> {
    while let Ok((arrival, packet)) = line.recv() {
        thread::sleep(arrival.saturating_duration_since(Instant::now()));
        // Lost where the other side is down or full, as on any line: TCP sends it again.
        let _ = to.send(&packet);
    }
    Ok(())
}

/// A command inside the network of a process.
fn enter(far: u32) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--net", "--target", &far.to_string(), "--"]);
    command
}

fn network(process: &str) -> Result<String> {
    Ok(fs::read_link(format!("/proc/{process}/ns/net"))?.to_string_lossy().into_owned())
}

fn await_until(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + START;
    while !done()? {
        ensure!(Instant::now() < deadline, "{what} was not there in time");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
