//! `cargo xtask run`: sluice, built and started, with something behind it to try.

use std::env;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{cmd, setup};

/// The example, where it listens, and the upstream it names.
const EXAMPLE: &str = "config/examples/quickstart.yaml";
const LISTENER: &str = "0.0.0.0:7000";
const UPSTREAM: &str = "127.0.0.1:7001";

const TRY: &str = "
sluice relays 127.0.0.1:7000 to an echo server on 127.0.0.1:7001. In another terminal:

    nc 127.0.0.1 7000                        type a line: it comes back through the relay
    head -c 1G /dev/zero | nc -N 127.0.0.1 7000 | wc -c

Then put your own mapping in a file, say service: 127.0.0.1:22 (or :5432) and port: 7022, and

    cargo xtask run my-mapping.yaml
    ssh -p 7022 127.0.0.1                    or: psql -h 127.0.0.1 -p 7022

Ctrl-C stops sluice. Each connection is reported when it ends:
";

/// Sets up, builds, and becomes `sluice run` with these arguments.
pub(crate) fn run(debug: bool, args: &[String]) -> Result<()> {
    setup::run(setup::Scope::Build)?;
    let profile = if debug { "dev" } else { "release" };
    cmd::run(&mut cmd::cargo(&["build", "--package", "proxy", "--bin", "sluice", "--profile", profile]))?;
    let sluice = cmd::target_dir().join(if debug { "debug/sluice" } else { "release/sluice" });

    let mut command = privileged(&sluice.to_string_lossy());
    command.arg("run");
    if args.is_empty() {
        free(LISTENER, "the example's listener")?;
        free(UPSTREAM, "the example's upstream")?;
        upstream()?;
        command.arg(cmd::root().join(EXAMPLE));
        eprintln!("{TRY}");
    } else {
        command.args(args);
    }
    cmd::show(&command);
    // In our place: signals reach sluice itself, and its exit status the caller.
    Err(command.exec()).context("starting sluice")
}

/// sluice as root, since the kernel relay needs it; as ourselves where there is no way.
fn privileged(sluice: &str) -> Command {
    if cmd::is_root() {
        return Command::new(sluice);
    }
    if cmd::installed("sudo") {
        let mut sudo = Command::new("sudo");
        // Its settings may come by environment.
        sudo.args(["--preserve-env", "--", sluice]);
        return sudo;
    }
    eprintln!("run: not root, and no sudo: sluice will relay in userspace only");
    Command::new(sluice)
}

fn upstream() -> Result<()> {
    let itself = env::current_exe().context("where xtask is")?;
    Command::new(itself)
        .args(["echo", UPSTREAM, &std::process::id().to_string()])
        .stdin(Stdio::null())
        .spawn()
        .context("starting the echo upstream")?;
    Ok(())
}

fn free(address: &str, what: &str) -> Result<()> {
    let address: SocketAddr = address.parse().context("an address of the example")?;
    match TcpListener::bind(address) {
        Err(e) if e.kind() == ErrorKind::AddrInUse => bail!(
            "port {} is in use, and {what} needs it: stop what listens there (`ss -ltnp sport = :{}` tells)",
            address.port(),
            address.port()
        ),
        _ => Ok(()),
    }
}
