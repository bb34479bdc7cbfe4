//! HAProxy, nginx and Envoy as the other side, in both directions.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::{listener, start};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, read_all};
use crate::harness::eventually;
use crate::harness::tls::{echoed, finish, hello};
use crate::tls::{Site, material};

/// A proxy of somebody else's; killed when dropped.
struct Peer {
    child: Child,
    folder: PathBuf,
}

impl Peer {
    /// Starts it and waits until it listens everywhere; `None` where it is not installed.
    fn start(
        name: &str,
        config: &str,
        words: &[&str],
        files: &[(&str, &str)],
        ports: &[String],
    ) -> Option<Self> {
        let program = match name {
            "envoy" => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/envoy/envoy/_bin/envoy"),
            other => PathBuf::from(other),
        };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let place = folder.to_str().unwrap();
        let extension = if name == "envoy" { "yaml" } else { "conf" };
        let file = folder.join(format!("peer.{extension}"));
        fs::write(&file, config.replace("FOLDER", place)).unwrap();
        for (file, text) in files {
            fs::write(folder.join(file), text).unwrap();
        }
        let log = fs::File::create(folder.join("log")).unwrap();
        let spawned = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(&program)
            .args(words)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let mut peer = Self { child: spawned.unwrap(), folder };
        let there = eventually("a peer that listens", || {
            if peer.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            ports.iter().all(|port| listens(port.parse().unwrap())).then_some(true)
        });
        if !there {
            let log = fs::read_to_string(peer.folder.join("log")).unwrap();
            // setpriv says so of programs that it does not find.
            assert!(log.contains("No such file"), "{name}: {log}");
            println!("skipped: {name} is not installed");
            return None;
        }
        Some(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("peer: {}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether somebody listens there: asked of the kernel, since a connection would be passed on.
fn listens(address: SocketAddr) -> bool {
    let SocketAddr::V4(address) = address else { return false };
    let ip = u32::from_le_bytes(address.ip().octets());
    let line = format!(" {ip:08X}:{:04X} 00000000:0000 0A ", address.port());
    fs::read_to_string("/proc/net/tcp").unwrap().contains(&line)
}

/// Through a peer's port to sluice: it takes the client for the client.
fn expect_introduced(site: &Site, sluice: &mut crate::harness::sluice::Sluice, port: u16) {
    let mut client = connect(&site.at(port));
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    let own = client.local_addr().unwrap().to_string();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), b"");
    let record = sluice.closed();
    assert_eq!((&record["peer"], &record["received"]), (&own.into(), &5.into()), "{port}: {record}");
    assert!(record["proxy"].is_string(), "{record}");
}

/// A site that echoes whatever comes behind a header.
fn introduced() -> (Site, Backend) {
    let site = Site::new();
    let echo = Backend::echo(&site.at(7001));
    let service = site.at(7001);
    (listener(site, "", "[PROXY, TCP]").mapping("a", &service, ""), echo)
}

/// A mapping for each version, from ports 7000 on, to a peer's port 9001.
fn introducing() -> Site {
    let mut site = Site::new();
    let service = site.at(9001);
    for (version, port) in [("v1", 7000), ("v2", 7001), ("v2-crc32c", 7002)] {
        let host = site.host.clone();
        site = site.with(&format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\n\
             metadata: {{name: {version}, annotations: {{sluice.dev/proxy-protocol: {version}}}}}\n\
             spec: {{address: {host}, port: {port}, service: \"{service}\"}}\n"
        ));
    }
    site
}

/// Through sluice to a peer that tells whom it takes for the client, and where it takes it to have connected to.
fn expect_told(site: &Site, request: &[u8]) {
    for port in [7000, 7001, 7002] {
        let mut client = connect(&site.at(port));
        client.write_all(request).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        let (own, front) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        assert!(answer.contains(&format!("from {own} to {front}")), "{port}: {own} {front}: {answer}");
    }
}

const HAPROXY: &str = "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn haproxy_introduces_clients_to_us() {
    let (site, _echo) = introduced();
    let (ca, leaf) = material();
    let (front, certificate) = (site.front(), leaf.chain.clone() + &leaf.key);
    let ports = [site.at(8001), site.at(8002), site.at(8003), site.at(8004)];
    let config = format!(
        "{HAPROXY}listen one\n  bind {}\n  server s {front} send-proxy\n\
         listen two\n  bind {}\n  server s {front} send-proxy-v2\n\
         listen summed\n  bind {}\n  server s {front} send-proxy-v2 proxy-v2-options crc32c,unique-id\n\
         listen tls\n  bind {} ssl crt FOLDER/pem alpn h2\n  \
         server s {front} send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,authority,crc32c\n",
        ports[0], ports[1], ports[2], ports[3]
    );
    let mut sluice = start(&site, &[]);
    let Some(_peer) = Peer::start("haproxy", &config, &["-db", "-f"], &[("pem", &certificate)], &ports)
    else {
        return;
    };
    for port in [8001, 8002, 8003] {
        expect_introduced(&site, &mut sluice, port);
    }
    // With all that it knows of the client's TLS, and a checksum over it.
    let mut client = hello(&ports[3], "pay.example.com", &Arc::new(ca.client(None))).unwrap();
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    let own = client.sock.local_addr().unwrap().to_string();
    finish(&mut client);
    drop(client);
    assert_eq!(sluice.closed()["peer"], own);
}

#[test]
fn haproxy_is_told_of_our_clients() {
    let site = introducing();
    let port = site.at(9001);
    let config = format!(
        "{HAPROXY}frontend in\n  mode http\n  bind {port} accept-proxy\n  \
         http-request return status 200 content-type text/plain lf-string \"from %[src]:%[src_port] to %[dst]:%[dst_port]\"\n"
    );
    let _sluice = start(&site, &[]);
    if let Some(_peer) = Peer::start("haproxy", &config, &["-db", "-f"], &[], &[port]) {
        expect_told(&site, REQUEST);
    }
}

#[test]
fn haproxy_is_told_the_name_and_the_tls() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let port = site.at(9001);
    let site =
        site.annotated("a", "sluice.dev/proxy-protocol: v2-crc32c", &port, "  host: pay.example.com\n");
    let config = format!(
        "{HAPROXY}frontend in\n  mode http\n  bind {port} accept-proxy\n  \
         http-request return status 200 content-type text/plain lf-string \"from %[src]:%[src_port] for %[fc_pp_authority]\"\n"
    );
    let _sluice = start(&site, &[]);
    let Some(_peer) = Peer::start("haproxy", &config, &["-db", "-f"], &[], &[port]) else { return };
    let mut client = hello(&site.front(), "pay.example.com", &Arc::new(ca.client(None))).unwrap();
    client.write_all(REQUEST).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let own = client.sock.local_addr().unwrap();
    assert!(answer.contains(&format!("from {own} for pay.example.com")), "{answer}");
}

/// What a module is loaded from where it is one, and nothing where nginx has it built in.
fn nginx(stream: &str) -> String {
    let module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let load = if Path::new(module).exists() { format!("load_module {module};\n") } else { String::new() };
    format!(
        "{load}daemon off;\nmaster_process off;\npid FOLDER/pid;\nerror_log stderr;\nevents {{}}\n\
         stream {{\n{stream}}}\n"
    )
}

#[test]
fn nginx_introduces_clients_to_us() {
    let (site, _echo) = introduced();
    let port = site.at(8001);
    let config =
        nginx(&format!("server {{ listen {port}; proxy_pass {}; proxy_protocol on; }}\n", site.front()));
    let mut sluice = start(&site, &[]);
    if let Some(_peer) = Peer::start("nginx", &config, &["-c"], &[], &[port]) {
        expect_introduced(&site, &mut sluice, 8001);
    }
}

#[test]
fn nginx_is_told_of_our_clients() {
    let site = introducing();
    let port = site.at(9001);
    let answer = "from $proxy_protocol_addr:$proxy_protocol_port to \
                  $proxy_protocol_server_addr:$proxy_protocol_server_port";
    let config = nginx(&format!("server {{ listen {port} proxy_protocol; return \"{answer}\"; }}\n"));
    let _sluice = start(&site, &[]);
    if let Some(_peer) = Peer::start("nginx", &config, &["-c"], &[], &[port]) {
        expect_told(&site, b"");
    }
}

/// Its words, and where it is told something.
const ENVOY: [&str; 7] =
    ["--disable-hot-restart", "--log-level", "warn", "--concurrency", "1", "--use-dynamic-base-id", "-c"];

fn envoy_address(site: &Site, port: u16) -> String {
    format!("{{socket_address: {{address: {}, port_value: {port}}}}}", site.host)
}

#[test]
fn envoy_introduces_clients_to_us() {
    let (site, _echo) = introduced();
    let (mut listeners, mut clusters) = (String::new(), String::new());
    for (version, port) in [("V1", 8001), ("V2", 8002)] {
        listeners += &format!(
            "  - address: {}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: {version}
          cluster: {version}
",
            envoy_address(&site, port)
        );
        clusters += &format!(
            "  - name: {version}
    type: STATIC
    load_assignment:
      cluster_name: {version}
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {}}}}}]}}]
    transport_socket:
      name: envoy.transport_sockets.upstream_proxy_protocol
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
        config: {{version: {version}}}
        transport_socket:
          name: envoy.transport_sockets.raw_buffer
          typed_config:
            \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer
",
            envoy_address(&site, 7000)
        );
    }
    let config = format!("static_resources:\n  listeners:\n{listeners}  clusters:\n{clusters}");
    let mut sluice = start(&site, &[]);
    let ports = [site.at(8001), site.at(8002)];
    let Some(_peer) = Peer::start("envoy", &config, &ENVOY, &[], &ports) else { return };
    for port in [8001, 8002] {
        expect_introduced(&site, &mut sluice, port);
    }
}

#[test]
fn envoy_is_told_of_our_clients() {
    let site = introducing();
    let config = format!(
        "static_resources:
  listeners:
  - address: {}
    listener_filters:
    - name: envoy.filters.listener.proxy_protocol
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          route_config:
            virtual_hosts:
            - name: all
              domains: [\"*\"]
              routes:
              - match: {{prefix: /}}
                direct_response: {{status: 200}}
                response_headers_to_add:
                - header: {{key: x-ends, value: \"from %DOWNSTREAM_REMOTE_ADDRESS% to %DOWNSTREAM_LOCAL_ADDRESS%\"}}
",
        envoy_address(&site, 9001)
    );
    let _sluice = start(&site, &[]);
    if let Some(_peer) = Peer::start("envoy", &config, &ENVOY, &[], &[site.at(9001)]) {
        expect_told(&site, REQUEST);
    }
}
