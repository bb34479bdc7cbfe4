//! nginx with its stream module, tuned for what is measured.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::{Place, Route};
use crate::bench::tls::Key;
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

/// A worker per core with a listening socket each, buffers of 64 KiB, and as many connections as 20,000 descriptors
/// allow: it counts both sides.
fn config(place: Place<'_>) -> String {
    let Place { cores, folder, .. } = place;
    let head = format!(
        "load_module {MODULE};\nuser root;\ndaemon off;\npid {}/nginx.pid;\nworker_processes {cores};\n\
         events {{ worker_connections 19000; multi_accept on; }}\n\
         stream {{\n",
        folder.display()
    );
    place.routes.iter().fold(head, |head, route| head + &server(*route, folder)) + "}\n"
}

fn server(Route { way, front, back }: Route, folder: &Path) -> String {
    let (ssl, inside) = way.inside().map_or_else(Default::default, |key| (" ssl", tls_in(key, folder)));
    let outside = way.outside().map_or_else(String::new, tls_out);
    format!(
        "server {{\n  listen {front}{ssl} reuseport backlog=4096;\n  proxy_pass {back};\n  \
         proxy_buffer_size 64k;\n  tcp_nodelay on;\n  proxy_half_close on;\n  proxy_timeout 1h;\n{inside}{outside}}}\n"
    )
}

fn tls_in(key: Key, folder: &Path) -> String {
    format!(
        "  ssl_certificate {};\n  ssl_certificate_key {};\n  ssl_protocols TLSv1.3;\n  ssl_ecdh_curve X25519;\n  \
         ssl_session_tickets on;\n  ssl_session_cache shared:tls:10m;\n",
        key.certificate_file(folder).display(),
        key.key_file(folder).display()
    )
}

fn tls_out(key: Key) -> String {
    format!(
        "  proxy_ssl on;\n  proxy_ssl_protocols TLSv1.3;\n  proxy_ssl_verify off;\n  proxy_ssl_session_reuse on;\n  \
         proxy_ssl_server_name on;\n  proxy_ssl_name {};\n",
        key.host()
    )
}
