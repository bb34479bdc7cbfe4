//! HAProxy, tuned for what is measured.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::{Place, Route};
use crate::cmd;

pub(super) fn command(place: Place<'_>) -> Result<Command> {
    ensure!(cmd::installed("haproxy"), "haproxy is not installed");
    let file = place.folder.join("haproxy.cfg");
    fs::write(&file, config(place))?;
    let mut command = Command::new("haproxy");
    // With a master, which takes the signal to reload and hands the listening sockets on.
    command.args(["-W", "-db"]).arg("-f").arg(file);
    Ok(command)
}

/// A thread per core with a listening socket each, buffers of 64 KiB where it does not splice,
/// pipes of 1 MiB where it does, and as many connections as 20,000 descriptors allow. It sets TCP_NODELAY by itself. Tickets, and sessions kept for the backend, are its
/// default.
fn config(place: Place<'_>) -> String {
    let (cores, socket) = (place.cores, place.folder.join("haproxy.sock"));
    let head = format!(
        "global\n  nbthread {cores}\n  maxconn 9500\n  maxpipes 256\n  stats socket {} expose-fd listeners\n  \
         tune.bufsize 65536\n  tune.pipesize 1048576\n\
         defaults\n  mode tcp\n  option splice-auto\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
",
        socket.display()
    );
    place.routes.iter().fold(head, |head, route| head + &listen(*route, place.folder))
}

fn listen(Route { way, front, back }: Route, folder: &Path) -> String {
    let inside = way.inside().map_or_else(String::new, |key| {
        format!(
            " ssl crt {} ssl-min-ver TLSv1.3 curves X25519 ciphersuites TLS_AES_128_GCM_SHA256",
            key.certificate_file(folder).display()
        )
    });
    let outside = way.outside().map_or_else(String::new, |key| {
        format!(
            " ssl verify none sni str({}) ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256",
            key.host()
        )
    });
    format!(
        "listen {}\n  bind {front} shards by-thread backlog 4096{inside}\n  server backend {back}{outside}\n",
        way.name()
    )
}
