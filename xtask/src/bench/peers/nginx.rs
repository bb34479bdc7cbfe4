//! nginx with its stream module, tuned for what is measured.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::Place;
use crate::cmd;

/// Where Debian's libnginx-mod-stream puts it.
pub(in crate::bench) const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

pub(super) fn command(place: Place<'_>) -> Result<Command> {
    ensure!(cmd::installed("nginx"), "nginx is not installed");
    ensure!(Path::new(MODULE).is_file(), "nginx has no stream module here: {MODULE} is missing");
    let file = place.folder.join("nginx.conf");
    fs::write(&file, config(place))?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(place.folder).args(["-e", "stderr", "-c"]).arg(file);
    Ok(command)
}

/// A worker per core with a listening socket each, buffers of 64 KiB.
fn config(place: Place<'_>) -> String {
    let Place { front, back, cores, folder } = place;
    format!(
        "load_module {MODULE};\nuser root;\ndaemon off;\npid {}/nginx.pid;\nworker_processes {cores};\n\
         events {{ worker_connections 4096; multi_accept on; }}\n\
         stream {{ server {{\n  listen {front} reuseport backlog=4096;\n  proxy_pass {back};\n\
         proxy_buffer_size 64k;\n  tcp_nodelay on;\n  proxy_half_close on;\n  proxy_timeout 1h;\n}} }}\n",
        folder.display()
    )
}
