//! A network of the bench's own: every port is free, and nothing else is on its loopback.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cmd;

/// Room for a client's and a proxy's connections to linger in TIME_WAIT; listeners are below.
const PORTS: &str = "10000 65535";

/// This bench again, as root and in a network of its own, with these arguments.
pub(super) fn enter(load: &Path, arguments: &[String]) -> Result<Command> {
    let target = cmd::target_dir();
    let mut command = cmd::as_root("unshare", &[("CARGO_TARGET_DIR", &target.to_string_lossy())])?;
    command.args(["--net", "--"]).arg(load).args(["bench-part", "inside"]).args(arguments);
    Ok(command)
}

/// Makes the network usable, once inside.
pub(super) fn prepare() -> Result<()> {
    cmd::run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    for (key, value) in [("ip_local_port_range", PORTS), ("tcp_tw_reuse", "1")] {
        let path = format!("/proc/sys/net/ipv4/{key}");
        fs::write(&path, value).with_context(|| path.clone())?;
    }
    Ok(())
}
