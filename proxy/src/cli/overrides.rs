//! Every setting there is, as flag, environment variable and key of the settings file at once.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::values::{
    AccessLogWhen, Addresses, Certificates, Controllers, Filter, OrNone, Selector, Servers, Size, Span, Whole,
};
use crate::config::settings::{LogFormat, UpstreamTlsVerify};

/// The longest any duration may be, ten years, in milliseconds: sums with the time of day stay in range.
const LONGEST: u64 = 10 * 31_557_600_000;
/// The most seconds `TCP_KEEPIDLE` and `TCP_KEEPINTVL` take, in milliseconds.
const KEEPALIVE: u64 = 32_767_000;
/// The most that fits into `TCP_USER_TIMEOUT`, in milliseconds.
const C_INT: u64 = 2_147_483_647;

/// A duration that may be zero.
pub(super) type AnySpan = Span<0, LONGEST>;
/// A duration that is at least a millisecond.
pub(super) type PositiveSpan = Span<1, LONGEST>;
/// A size a lane's window may have: credit is given in steps of 64 KiB, and SO_SNDBUF must hold it.
pub(super) type WindowSize = Size<{ 64 << 10 }, { 64 << 20 }>;

/// What one source of settings says; `None` leaves it to the sources below.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Overrides {
    /// Shape of log lines and of the access log [default: text]
    #[arg(long, env = "SLUICE_LOG_FORMAT", value_enum, help_heading = "Logging")]
    pub log_format: Option<Format>,
    /// Which log lines: a level, or levels by module, such as `info,sluice::relay=debug` [default: info]
    #[arg(long, env = "SLUICE_LOG_FILTER", value_name = "FILTER", help_heading = "Logging")]
    pub log_filter: Option<Filter>,
    /// Log every verdict of the kernel program: for debugging, slow [default: false]
    #[arg(long, env = "SLUICE_LOG_KERNEL", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", help_heading = "Logging")]
    pub log_kernel: Option<bool>,
    /// When the access log (standard output) has a line: close, open, both with a comma, or none [default: close]
    #[arg(long, env = "SLUICE_ACCESS_LOG", value_name = "WHEN", help_heading = "Logging")]
    pub access_log: Option<AccessLogWhen>,
    /// A line about each open connection every so often, such as 10m, or none [default: none]
    #[arg(long, env = "SLUICE_ACCESS_LOG_INTERVAL", value_name = "DURATION", help_heading = "Logging")]
    pub access_log_interval: Option<OrNone<Span<1_000, LONGEST>>>,

    /// Where health, metrics and runtime control listen, or none [default: 127.0.0.1:9915]
    #[arg(long, env = "SLUICE_ADMIN", value_name = "ADDR", help_heading = "Process")]
    pub admin: Option<OrNone<SocketAddr>>,
    /// Worker threads; 0 takes one per core [default: 0]
    #[arg(long, env = "SLUICE_WORKERS", value_name = "N", help_heading = "Process")]
    pub workers: Option<Whole<0, 1024>>,
    /// How long open connections may go on after SIGTERM, such as 30s; 0s ends them at once [default: 10m]
    #[arg(long, env = "SLUICE_DRAIN_TIME", value_name = "DURATION", help_heading = "Process")]
    pub drain_time: Option<AnySpan>,
    /// Give up privileges that serving does not need, and system calls that it does not make; false for debugging [default: true]
    #[arg(long, env = "SLUICE_CONFINE", value_name = "BOOL", value_parser = BoolishValueParser::new(), help_heading = "Process")]
    pub confine: Option<bool>,

    /// Open connections in total; 0 takes what the descriptor limit allows [default: 0]
    #[arg(long, env = "SLUICE_MAX_CONNECTIONS", value_name = "N", help_heading = "Limits")]
    pub max_connections: Option<Whole<0, { u32::MAX }>>,
    /// Open connections of each listener; 0 sets no bound but the total [default: 0]
    #[arg(long, env = "SLUICE_MAX_CONNECTIONS_PER_LISTENER", value_name = "N", help_heading = "Limits")]
    pub max_connections_per_listener: Option<Whole<0, { u32::MAX }>>,
    /// Open connections of each client, an IPv4 address or a /64 of IPv6; 0 sets no bound [default: 0]
    #[arg(long, env = "SLUICE_MAX_CONNECTIONS_PER_SOURCE", value_name = "N", help_heading = "Limits")]
    pub max_connections_per_source: Option<Whole<0, { u32::MAX }>>,
    /// Largest configuration file that is read [default: 16MiB]
    #[arg(long, env = "SLUICE_MAX_FILE_SIZE", value_name = "SIZE", help_heading = "Limits")]
    pub max_file_size: Option<Size<1, { 4 << 30 }>>,

    /// Relay in the kernel where it works; false relays everything in userspace [default: true]
    #[arg(long, env = "SLUICE_KERNEL_RELAY", value_name = "BOOL", value_parser = BoolishValueParser::new(), help_heading = "Kernel relay")]
    pub kernel_relay: Option<bool>,
    /// Bytes a connection moves in userspace before the kernel takes it, 1KiB more for each message; 0 at once [default: 16KiB]
    #[arg(long, env = "SLUICE_JOIN_AFTER", value_name = "SIZE", help_heading = "Kernel relay")]
    pub join_after: Option<Size<0, { 1 << 40 }>>,
    /// Bytes each direction may have on its way in the kernel at first, 64KiB to 64MiB [default: 256KiB]
    #[arg(long, env = "SLUICE_WINDOW_START", value_name = "SIZE", help_heading = "Kernel relay")]
    pub window_start: Option<WindowSize>,
    /// What a busy direction's window may grow to, 64KiB to 64MiB [default: 4MiB]
    #[arg(long, env = "SLUICE_WINDOW_MAX", value_name = "SIZE", help_heading = "Kernel relay")]
    pub window_max: Option<WindowSize>,
    /// Sum of all windows, such as 1GiB; 0 takes 10 % of memory or 25 % of tcp_mem, the smaller [default: 0]
    #[arg(long, env = "SLUICE_BUDGET", value_name = "SIZE", help_heading = "Kernel relay")]
    pub budget: Option<Size<0, { 1 << 40 }>>,

    /// Longest that connecting to an upstream may take, all attempts together [default: 3s]
    #[arg(long, env = "SLUICE_CONNECT_TIMEOUT", value_name = "DURATION", help_heading = "Timeouts")]
    pub connect_timeout: Option<PositiveSpan>,
    /// Ends a connection without a byte in either direction, such as 1h, or none [default: none]
    #[arg(long, env = "SLUICE_IDLE_TIMEOUT", value_name = "DURATION", help_heading = "Timeouts")]
    pub idle_timeout: Option<OrNone<PositiveSpan>>,
    /// Ends a half-closed connection without a byte in the open direction, or none [default: 1h]
    #[arg(long, env = "SLUICE_HALF_CLOSED_TIMEOUT", value_name = "DURATION", help_heading = "Timeouts")]
    pub half_closed_timeout: Option<OrNone<PositiveSpan>>,
    /// Ends any connection at this age, such as 7d, or none [default: none]
    #[arg(long, env = "SLUICE_MAX_CONNECTION_AGE", value_name = "DURATION", help_heading = "Timeouts")]
    pub max_connection_age: Option<OrNone<PositiveSpan>>,

    /// Certificates of upstreams without an authority of their own: checked against the system's, or none [default: none]
    #[arg(long, env = "SLUICE_UPSTREAM_TLS_VERIFY", value_enum, help_heading = "TLS")]
    pub upstream_tls_verify: Option<Verify>,
    /// Certificates for those that Gateways name by ARN: ARN=SECRET or ARN=CHAIN.pem,KEY.pem, with ; between, or none [default: none]
    #[arg(long, env = "SLUICE_CERTIFICATE_MAP", value_name = "MAP", help_heading = "TLS")]
    pub certificate_map: Option<OrNone<Certificates>>,
    /// Longest that a client may take for its PROXY header and ClientHello, from accept on [default: 5s]
    #[arg(long, env = "SLUICE_CLIENT_HELLO_TIMEOUT", value_name = "DURATION", help_heading = "TLS")]
    pub client_hello_timeout: Option<PositiveSpan>,
    /// Longest that a client may take for its whole TLS handshake, from accept on [default: 10s]
    #[arg(long, env = "SLUICE_HANDSHAKE_TIMEOUT", value_name = "DURATION", help_heading = "TLS")]
    pub handshake_timeout: Option<PositiveSpan>,
    /// TLS handshakes with clients at a time, of which one more is refused; 0 sets no bound [default: 4096]
    #[arg(long, env = "SLUICE_MAX_HANDSHAKES", value_name = "N", help_heading = "TLS")]
    pub max_handshakes: Option<Whole<0, { u32::MAX }>>,

    /// Connections that may wait to be accepted, of each listening socket; net.core.somaxconn caps it [default: 4096]
    #[arg(long, env = "SLUICE_BACKLOG", value_name = "N", help_heading = "Sockets")]
    pub backlog: Option<Whole<1, 2_147_483_647>>,
    /// Sockets that each listener accepts from (SO_REUSEPORT); 0 takes one per worker thread [default: 0]
    #[arg(long, env = "SLUICE_SHARDS", value_name = "N", help_heading = "Sockets")]
    pub shards: Option<Whole<0, 1024>>,
    /// Listen on addresses that no interface has yet (IP_FREEBIND) [default: false]
    #[arg(long, env = "SLUICE_FREEBIND", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", help_heading = "Sockets")]
    pub freebind: Option<bool>,
    /// TCP_USER_TIMEOUT, such as 30s: data unacknowledged for longer ends the connection; none leaves it to the kernel [default: none]
    #[arg(long, env = "SLUICE_USER_TIMEOUT", value_name = "DURATION", help_heading = "Sockets")]
    pub user_timeout: Option<OrNone<Span<1, C_INT>>>,
    /// Idle time before the first keepalive probe, whole seconds, or none [default: 5m]
    #[arg(long, env = "SLUICE_KEEPALIVE_TIME", value_name = "DURATION", help_heading = "Sockets")]
    pub keepalive_time: Option<OrNone<Span<1_000, KEEPALIVE>>>,
    /// Time between keepalive probes, whole seconds [default: 30s]
    #[arg(long, env = "SLUICE_KEEPALIVE_INTERVAL", value_name = "DURATION", help_heading = "Sockets")]
    pub keepalive_interval: Option<Span<1_000, KEEPALIVE>>,
    /// Unanswered keepalive probes that end the connection, 1 to 127 [default: 5]
    #[arg(long, env = "SLUICE_KEEPALIVE_PROBES", value_name = "N", help_heading = "Sockets")]
    pub keepalive_probes: Option<Whole<1, 127>>,

    /// Servers asked instead of those in resolv.conf, such as 10.0.0.53,10.0.0.54:5353, or none [default: none]
    #[arg(long, env = "SLUICE_DNS_SERVERS", value_name = "ADDRS", help_heading = "Names")]
    pub dns_servers: Option<OrNone<Servers>>,
    /// Where search domains, options and servers of DNS are read, and read again after a change [default: /etc/resolv.conf]
    #[arg(long, env = "SLUICE_RESOLV_CONF", value_name = "FILE", help_heading = "Names")]
    pub resolv_conf: Option<PathBuf>,
    /// Names that DNS is not asked for, read again after a change [default: /etc/hosts]
    #[arg(long, env = "SLUICE_HOSTS_FILE", value_name = "FILE", help_heading = "Names")]
    pub hosts_file: Option<PathBuf>,

    /// Resources with another ambassador_id are passed over (AMBASSADOR_ID) [default: default]
    #[arg(long, env = "SLUICE_AMBASSADOR_ID", value_name = "ID", help_heading = "Ambassador")]
    pub ambassador_id: Option<String>,
    /// Namespace of resources that state none (AMBASSADOR_NAMESPACE) [default: default]
    #[arg(long, env = "SLUICE_AMBASSADOR_NAMESPACE", value_name = "NAME", help_heading = "Ambassador")]
    pub ambassador_namespace: Option<String>,
    /// Pass over resources of other namespaces (AMBASSADOR_SINGLE_NAMESPACE) [default: false]
    #[arg(long, env = "SLUICE_SINGLE_NAMESPACE", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", help_heading = "Ambassador")]
    pub single_namespace: Option<bool>,
    /// Pass over Secrets of other namespaces, or none to go by single-namespace (AMBASSADOR_CERTS_SINGLE_NAMESPACE) [default: none]
    #[arg(long, env = "SLUICE_CERTS_SINGLE_NAMESPACE", value_name = "BOOL", help_heading = "Ambassador")]
    pub certs_single_namespace: Option<OrNone<bool>>,
    /// Pass over resources whose labels do not match, such as `app=db,tier!=cache` (AMBASSADOR_LABEL_SELECTOR) [default: ""]
    #[arg(long, env = "SLUICE_LABEL_SELECTOR", value_name = "SELECTOR", help_heading = "Ambassador")]
    pub label_selector: Option<Selector>,
    /// Where mappings without an address listen, such as `0.0.0.0,::` for both families (AMBASSADOR_ENVOY_BIND_ADDRESS) [default: 0.0.0.0]
    #[arg(long, env = "SLUICE_BIND_ADDRESS", value_name = "IP[,IP]", help_heading = "Ambassador")]
    pub bind_address: Option<Addresses>,
    /// Refuse certificates that are out of date (AMBASSADOR_FORCE_SECRET_VALIDATION) [default: false]
    #[arg(long, env = "SLUICE_FORCE_SECRET_VALIDATION", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", help_heading = "Ambassador")]
    pub force_secret_validation: Option<bool>,

    /// GatewayClasses of which controllers are served, with commas between [default: sluice.dev/gateway,gateway.k8s.aws/nlb]
    #[arg(long, env = "SLUICE_GATEWAY_CONTROLLERS", value_name = "NAMES", help_heading = "Gateway API")]
    pub gateway_controllers: Option<Controllers>,
    /// Kong's own settings, read for what the flags below, their variables and the settings file do not say (KONG_CONF) [default: ""]
    #[arg(long, env = "SLUICE_KONG_CONF", value_name = "FILE", help_heading = "Kong")]
    pub kong_conf: Option<String>,
    /// Where files of Kong's listen, such as `0.0.0.0:5432, 0.0.0.0:8443 ssl`, or off (KONG_STREAM_LISTEN) [default: off]
    #[arg(long, env = "SLUICE_KONG_STREAM_LISTEN", value_name = "LIST", help_heading = "Kong")]
    pub kong_stream_listen: Option<String>,
    /// Which of Kong's routes comes first: traditional_compatible or traditional (KONG_ROUTER_FLAVOR) [default: traditional_compatible]
    #[arg(long, env = "SLUICE_KONG_ROUTER_FLAVOR", value_name = "FLAVOR", help_heading = "Kong")]
    pub kong_router_flavor: Option<String>,
    /// Whose PROXY headers are believed, addresses and networks with commas; the others' do not count (KONG_TRUSTED_IPS) [default: ""]
    #[arg(long, env = "SLUICE_KONG_TRUSTED_IPS", value_name = "NETWORKS", help_heading = "Kong")]
    pub kong_trusted_ips: Option<String>,
    /// What clients take ports of kong-stream-listen for, such as 80:8000,443:8443 (KONG_PORT_MAPS) [default: ""]
    #[arg(long, env = "SLUICE_KONG_PORT_MAPS", value_name = "MAPS", help_heading = "Kong")]
    pub kong_port_maps: Option<String>,
    /// Certificates for clients that ask for no name that has one, files or PEM; none named, one of localhost is made (KONG_SSL_CERT) [default: ""]
    #[arg(long, env = "SLUICE_KONG_SSL_CERT", value_name = "FILES", help_heading = "Kong")]
    pub kong_ssl_cert: Option<String>,
    /// Their keys, in the same order, files or PEM (KONG_SSL_CERT_KEY) [default: ""]
    #[arg(long, env = "SLUICE_KONG_SSL_CERT_KEY", value_name = "FILES", help_heading = "Kong")]
    pub kong_ssl_cert_key: Option<String>,
    /// Authorities of upstreams whose service names none, with commas: files, PEM or system (KONG_LUA_SSL_TRUSTED_CERTIFICATE) [default: system]
    #[arg(
        long,
        env = "SLUICE_KONG_LUA_SSL_TRUSTED_CERTIFICATE",
        value_name = "FILES",
        help_heading = "Kong"
    )]
    pub kong_lua_ssl_trusted_certificate: Option<String>,
    /// Certificates between an upstream's own and its root, 0 to 64 (KONG_LUA_SSL_VERIFY_DEPTH) [default: 1]
    #[arg(long, env = "SLUICE_KONG_LUA_SSL_VERIFY_DEPTH", value_name = "N", help_heading = "Kong")]
    pub kong_lua_ssl_verify_depth: Option<Whole<0, 64>>,
    /// Verify upstreams whose service does not say tls_verify (KONG_NGINX_SPROXY_PROXY_SSL_VERIFY) [default: false]
    #[arg(long, env = "SLUICE_KONG_PROXY_SSL_VERIFY", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", help_heading = "Kong")]
    pub kong_proxy_ssl_verify: Option<bool>,
    /// Send every upstream of Kong's a PROXY header of version 1 (KONG_NGINX_SPROXY_PROXY_PROTOCOL) [default: false]
    #[arg(long, env = "SLUICE_KONG_PROXY_PROTOCOL", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", help_heading = "Kong")]
    pub kong_proxy_protocol: Option<bool>,
}

/// Text for people, or JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

/// What vouches for an upstream where its mapping names no authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Nobody.
    #[default]
    None,
    /// The system's authorities.
    System,
}

impl From<Verify> for UpstreamTlsVerify {
    fn from(verify: Verify) -> Self {
        match verify {
            Verify::None => Self::None,
            Verify::System => Self::System,
        }
    }
}

impl Overrides {
    /// The keys of the settings file, which are the names of the flags.
    #[must_use]
    pub fn keys() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new("keys"));
        command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)).collect()
    }
}
