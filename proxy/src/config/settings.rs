//! What an operator sets for the process as a whole, after flags, environment and file were merged.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::certificate_map::CertificateMap;
use super::model::Timeouts;

/// Whom sluice stands for unless told otherwise: itself, and Amazon's controller, whose Gateways then run as they are.
pub const GATEWAY_CONTROLLERS: [&str; 2] = ["sluice.dev/gateway", "gateway.k8s.aws/nlb"];

/// Everything a running sluice needs to know besides its mappings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Files, directories or `-`, read in this order.
    pub paths: Vec<PathBuf>,
    /// Which resources are meant for this process.
    pub ambassador: Ambassador,
    /// Controllers whose GatewayClasses are served (`spec.controllerName`).
    pub gateway_controllers: Vec<String>,
    /// What Kong keeps in kong.conf; apart, since settings are handed about by value.
    pub kong: Box<Kong>,
    /// Defaults for mappings that say nothing.
    pub timeouts: Timeouts,
    /// What is asked of the certificates of upstreams for which nobody names an authority.
    pub upstream_tls_verify: UpstreamTlsVerify,
    /// Local certificates for those that Gateways name by ARN.
    pub certificate_map: CertificateMap,
    /// What clients may take before their connection is served.
    pub handshakes: Handshakes,
    /// Sizes and counts that bound what sluice takes.
    pub limits: Limits,
    /// Options of the sockets on both sides.
    pub sockets: Sockets,
    /// How names of upstreams are resolved.
    pub names: Names,
    /// The in-kernel relay.
    pub kernel: Kernel,
    /// How long open connections may go on after SIGTERM.
    pub drain: Duration,
    /// Where the admin endpoint listens; `None` has none.
    pub admin: Option<SocketAddr>,
    /// Worker threads; 0 takes the number of cores.
    pub workers: usize,
    /// Whether privileges that serving does not need are given up, and system calls that it does not make.
    pub confine: bool,
    /// What is written, and how.
    pub log: Log,
}

/// The Ambassador variables that choose and qualify resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambassador {
    /// `AMBASSADOR_ID`: resources without this id are somebody else's.
    pub id: String,
    /// `AMBASSADOR_NAMESPACE`.
    pub namespace: String,
    /// `AMBASSADOR_SINGLE_NAMESPACE`: resources of other namespaces are left out.
    pub single_namespace: bool,
    /// `AMBASSADOR_CERTS_SINGLE_NAMESPACE`: Secrets of other namespaces are left out; `None` goes by
    /// `single_namespace`.
    pub certs_single_namespace: Option<bool>,
    /// `AMBASSADOR_LABEL_SELECTOR`: resources that do not match are left out; empty takes all.
    pub label_selector: String,
    /// `AMBASSADOR_ENVOY_BIND_ADDRESS`: where a mapping without `address` listens, on all of them; at least one.
    pub bind_address: Vec<IpAddr>,
    /// `AMBASSADOR_FORCE_SECRET_VALIDATION`: certificates out of date are refused.
    pub force_secret_validation: bool,
}

/// What Kong keeps in kong.conf, as it is written there; only the dialect knows what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kong {
    /// `stream_listen`: where files of Kong's listen, with commas; `off` nowhere.
    pub stream_listen: String,
    /// `router_flavor`: which of its routes comes first.
    pub router_flavor: String,
    /// `trusted_ips`: whose PROXY headers are believed, with commas; empty believes nobody's.
    pub trusted_ips: String,
    /// `port_maps`: what clients take the ports of `stream_listen` for, such as `80:8000`, with commas.
    pub port_maps: String,
    /// `ssl_cert`: files of certificates for clients that ask for no name that has one, with commas.
    pub ssl_cert: String,
    /// `ssl_cert_key`: files of their keys, in the same order; like those of certificates they may be PEM texts instead.
    pub ssl_cert_key: String,
    /// `lua_ssl_trusted_certificate`: authorities of upstreams whose service names none; `system`, files and PEM texts.
    pub trusted_certificate: String,
    /// `lua_ssl_verify_depth`: certificates between an upstream's own and its root.
    pub verify_depth: u8,
    /// `nginx_sproxy_proxy_ssl_verify`: upstreams' certificates are verified unless a service says otherwise.
    pub proxy_ssl_verify: bool,
    /// `nginx_sproxy_proxy_protocol`: upstreams hear a PROXY header of version 1.
    pub proxy_protocol: bool,
}

/// What is asked of an upstream's certificate where its mapping names no authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpstreamTlsVerify {
    /// Nothing, as in Ambassador.
    #[default]
    None,
    /// A chain to one of the system's authorities, and the name sent, else the host dialled.
    System,
}

/// What clients may take before their connection is served, where their TLS is looked at or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshakes {
    /// From accept to a complete ClientHello, a PROXY header before it included; without one, to the header alone.
    pub hello: Duration,
    /// From accept to the end of the handshake.
    pub timeout: Duration,
    /// Handshakes at a time; one more is refused. 0 sets no bound.
    pub most: u32,
}

/// Upper bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in total; 0 derives it from the descriptor limit.
    pub connections: u32,
    /// Open connections of one listener; 0 sets no bound of its own.
    pub connections_per_listener: u32,
    /// Open connections of one client, an IPv4 address or a /64 of IPv6; 0 sets no bound.
    pub connections_per_source: u32,
    /// Bytes of one configuration file.
    pub file_bytes: u64,
}

/// Options of listening sockets, and of those on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sockets {
    /// Pending connections a listener may queue (listen(2)).
    pub backlog: u32,
    /// Sockets that each listener accepts from (`SO_REUSEPORT`); 0 takes one per worker thread.
    pub shards: u32,
    /// Listen on addresses that no interface has (`IP_FREEBIND`).
    pub freebind: bool,
    /// `TCP_USER_TIMEOUT`: unacknowledged data older than this ends the connection; 0 leaves it to the kernel.
    pub user_timeout: Duration,
    /// Idle time before the first keepalive probe; `None` sends none.
    pub keepalive_time: Option<Duration>,
    /// Time between probes.
    pub keepalive_interval: Duration,
    /// Unanswered probes that end the connection.
    pub keepalive_probes: u32,
}

/// How names of upstreams are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Servers asked instead of those that resolv.conf names; empty asks those.
    pub servers: Vec<SocketAddr>,
    /// Search domains, options and servers (resolv.conf(5)).
    pub resolv_conf: PathBuf,
    /// Names that DNS is not asked for (hosts(5)).
    pub hosts: PathBuf,
}

impl Default for Names {
    fn default() -> Self {
        Self { servers: Vec::new(), resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
    }
}

/// The in-kernel relay's switch and sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// Off relays everything in userspace.
    pub enabled: bool,
    /// Bytes that a connection moves in userspace before the kernel takes it, each message counting
    /// 1 KiB more; 0 has the kernel take it at once.
    pub join_after: u64,
    /// Credit a lane starts with, in bytes.
    pub window_start: u32,
    /// Credit a lane may grow to, in bytes.
    pub window_max: u32,
    /// Bytes of credit over all lanes; 0 takes min(10 % of memory, 25 % of tcp_mem).
    pub budget: u64,
}

/// What is written, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A tracing filter, such as `info` or `sluice::relay=debug`.
    pub filter: String,
    /// Shape of log lines and of the access log.
    pub format: LogFormat,
    /// When the access log has lines.
    pub access: AccessLog,
    /// Forward the kernel program's own lines.
    pub kernel: bool,
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// When the access log has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLog {
    /// One at close.
    pub close: bool,
    /// One at open.
    pub open: bool,
    /// One every so often while a connection lives.
    pub every: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            ambassador: Ambassador {
                id: "default".into(),
                namespace: "default".into(),
                single_namespace: false,
                certs_single_namespace: None,
                label_selector: String::new(),
                bind_address: vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
                force_secret_validation: false,
            },
            gateway_controllers: GATEWAY_CONTROLLERS.map(str::to_owned).to_vec(),
            kong: Box::new(Kong {
                stream_listen: "off".into(),
                router_flavor: "traditional_compatible".into(),
                trusted_ips: String::new(),
                port_maps: String::new(),
                ssl_cert: String::new(),
                ssl_cert_key: String::new(),
                trusted_certificate: "system".into(),
                verify_depth: 1,
                proxy_ssl_verify: false,
                proxy_protocol: false,
            }),
            timeouts: Timeouts {
                connect: Duration::from_secs(3),
                idle: None,
                half_closed: Some(Duration::from_secs(3600)),
                max_age: None,
            },
            upstream_tls_verify: UpstreamTlsVerify::None,
            certificate_map: CertificateMap::default(),
            handshakes: Handshakes {
                hello: Duration::from_secs(5),
                timeout: Duration::from_secs(10),
                most: 4096,
            },
            limits: Limits {
                connections: 0,
                connections_per_listener: 0,
                connections_per_source: 0,
                file_bytes: 16 << 20,
            },
            sockets: Sockets {
                backlog: 4096,
                shards: 0,
                freebind: false,
                user_timeout: Duration::ZERO,
                keepalive_time: Some(Duration::from_secs(300)),
                keepalive_interval: Duration::from_secs(30),
                keepalive_probes: 5,
            },
            names: Names::default(),
            kernel: Kernel {
                enabled: true,
                join_after: 16 << 10,
                window_start: 256 << 10,
                window_max: 4 << 20,
                budget: 0,
            },
            drain: Duration::from_secs(600),
            admin: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9915))),
            workers: 0,
            confine: true,
            log: Log {
                filter: "info".into(),
                format: LogFormat::Text,
                access: AccessLog { close: true, open: false, every: None },
                kernel: false,
            },
        }
    }
}
