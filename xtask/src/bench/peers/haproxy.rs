//! HAProxy, tuned for what is measured.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};

use super::Place;
use crate::cmd;

pub(super) fn command(place: Place<'_>) -> Result<Command> {
    ensure!(cmd::installed("haproxy"), "haproxy is not installed");
    let file = place.folder.join("haproxy.cfg");
    fs::write(&file, config(place))?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Ok(command)
}

/// A thread per core with a listening socket each, buffers of 64 KiB where it does not splice,
/// pipes of 1 MiB where it does. It sets TCP_NODELAY by itself.
fn config(place: Place<'_>) -> String {
    let Place { front, back, cores, .. } = place;
    format!(
        "global\n  nbthread {cores}\n  maxconn 4096\n  tune.bufsize 65536\n  tune.pipesize 1048576\n\
         defaults\n  mode tcp\n  option splice-auto\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         listen bench\n  bind {front} shards by-thread backlog 4096\n  server backend {back}\n"
    )
}
