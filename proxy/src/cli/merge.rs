//! From what each source says to proven settings: flag, `SLUICE_`, `AMBASSADOR_` and `KONG_`, file, kong.conf, default.

use std::fmt;
use std::path::PathBuf;

use super::overrides::{Overrides, WindowSize};
use super::values::in_bytes;
use crate::config::settings::Settings;

/// Where a setting was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag, or its `SLUICE_` variable where the flag is not given.
    Flag,
    /// An `AMBASSADOR_` variable.
    Ambassador,
    /// A `KONG_` variable.
    Kong,
    /// The settings file.
    File(PathBuf),
    /// Kong's own.
    KongConf(PathBuf),
    /// Nowhere.
    Default,
}

/// Everything one source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Who says it.
    pub source: Source,
    /// What it says.
    pub says: Overrides,
}

/// Settings that are each in order and do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Windows start small and grow.
    #[error(
        "{start_source}: window-start {start} is larger than window-max {max} ({max_source}); \
         lower window-start, or raise window-max to {start} or more",
        start = in_bytes((*.start).into()), max = in_bytes((*.max).into())
    )]
    Windows {
        /// What windows start with.
        start: u32,
        /// Who says so.
        start_source: Source,
        /// What they may grow to.
        max: u32,
        /// Who says so.
        max_source: Source,
    },
    /// A connection has two windows.
    #[error(
        "{budget_source}: budget {budget} does not hold one connection, two windows of {start} \
         ({start_source}); raise budget to {least} or more, or set 0 to have it derived from memory",
        budget = in_bytes(*.budget), start = in_bytes((*.start).into()), least = in_bytes(u64::from(*.start) * 2)
    )]
    Budget {
        /// Sum of all windows.
        budget: u64,
        /// Who says so.
        budget_source: Source,
        /// What each window starts with.
        start: u32,
        /// Who says so.
        start_source: Source,
    },
}

/// Lays the sources over the defaults. `layers` come in order of precedence, the strongest first.
///
/// # Errors
/// Settings that contradict each other.
pub fn merge(layers: &[Layer]) -> Result<Settings, Conflict> {
    let mut settings = Settings::default();
    for layer in layers.iter().rev() {
        lay(&layer.says, &mut settings);
    }
    let source = |says: fn(&Overrides) -> bool| {
        layers.iter().find(|layer| says(&layer.says)).map_or(Source::Default, |layer| layer.source.clone())
    };
    let kernel = settings.kernel;
    let start_source = || source(|o| o.window_start.is_some());
    if kernel.window_start > kernel.window_max {
        return Err(Conflict::Windows {
            start: kernel.window_start,
            start_source: start_source(),
            max: kernel.window_max,
            max_source: source(|o| o.window_max.is_some()),
        });
    }
    if kernel.budget > 0 && kernel.budget < u64::from(kernel.window_start) * 2 {
        return Err(Conflict::Budget {
            budget: kernel.budget,
            budget_source: source(|o| o.budget.is_some()),
            start: kernel.window_start,
            start_source: start_source(),
        });
    }
    Ok(settings)
}

/// Writes down what one source says.
fn lay(says: &Overrides, settings: &mut Settings) {
    lay_process(says, settings);
    lay_ambassador(says, settings);
    lay_kong(says, settings);
    set(&mut settings.upstream_tls_verify, says.upstream_tls_verify.map(Into::into));
    set(
        &mut settings.certificate_map,
        says.certificate_map.clone().map(|map| map.0.map(|map| map.0).unwrap_or_default()),
    );
    let Settings { timeouts, handshakes, limits, sockets, kernel, names, .. } = settings;
    set(&mut names.servers, says.dns_servers.as_ref().map(|v| v.0.clone().map(|s| s.0).unwrap_or_default()));
    set(&mut names.resolv_conf, says.resolv_conf.clone());
    set(&mut names.hosts, says.hosts_file.clone());
    set(&mut handshakes.hello, says.client_hello_timeout.map(|span| span.0));
    set(&mut handshakes.timeout, says.handshake_timeout.map(|span| span.0));
    set(&mut handshakes.most, says.max_handshakes.map(|n| n.0));
    set(&mut timeouts.connect, says.connect_timeout.map(|span| span.0));
    set(&mut timeouts.idle, says.idle_timeout.map(|v| v.0.map(|span| span.0)));
    set(&mut timeouts.half_closed, says.half_closed_timeout.map(|v| v.0.map(|span| span.0)));
    set(&mut timeouts.max_age, says.max_connection_age.map(|v| v.0.map(|span| span.0)));
    set(&mut limits.connections, says.max_connections.map(|n| n.0));
    set(&mut limits.connections_per_listener, says.max_connections_per_listener.map(|n| n.0));
    set(&mut limits.connections_per_source, says.max_connections_per_source.map(|n| n.0));
    set(&mut limits.file_bytes, says.max_file_size.map(|size| size.0));
    set(&mut sockets.backlog, says.backlog.map(|n| n.0));
    set(&mut sockets.shards, says.shards.map(|n| n.0));
    set(&mut sockets.freebind, says.freebind);
    set(&mut sockets.user_timeout, says.user_timeout.map(|v| v.0.map(|span| span.0).unwrap_or_default()));
    set(&mut sockets.keepalive_time, says.keepalive_time.map(|v| v.0.map(|span| span.0)));
    set(&mut sockets.keepalive_interval, says.keepalive_interval.map(|span| span.0));
    set(&mut sockets.keepalive_probes, says.keepalive_probes.map(|n| n.0));
    set(&mut kernel.enabled, says.kernel_relay);
    set(&mut kernel.join_after, says.join_after.map(|size| size.0));
    set(&mut kernel.window_start, says.window_start.map(window));
    set(&mut kernel.window_max, says.window_max.map(window));
    set(&mut kernel.budget, says.budget.map(|size| size.0));
}

fn lay_process(says: &Overrides, settings: &mut Settings) {
    let Settings { log, admin, workers, drain, confine, .. } = settings;
    set(&mut log.format, says.log_format.map(Into::into));
    set(&mut log.filter, says.log_filter.as_ref().map(|filter| filter.0.clone()));
    set(&mut log.kernel, says.log_kernel);
    set(&mut log.access.close, says.access_log.map(|when| when.close));
    set(&mut log.access.open, says.access_log.map(|when| when.open));
    set(&mut log.access.every, says.access_log_interval.map(|v| v.0.map(|span| span.0)));
    set(admin, says.admin.map(|address| address.0));
    set(workers, says.workers.map(|n| n.0 as usize));
    set(drain, says.drain_time.map(|span| span.0));
    set(confine, says.confine);
}

fn lay_ambassador(says: &Overrides, settings: &mut Settings) {
    set(&mut settings.gateway_controllers, says.gateway_controllers.as_ref().map(|names| names.0.clone()));
    let ambassador = &mut settings.ambassador;
    set(&mut ambassador.id, says.ambassador_id.clone());
    set(&mut ambassador.namespace, says.ambassador_namespace.clone());
    set(&mut ambassador.single_namespace, says.single_namespace);
    set(&mut ambassador.certs_single_namespace, says.certs_single_namespace.map(|v| v.0));
    set(&mut ambassador.label_selector, says.label_selector.as_ref().map(|selector| selector.0.clone()));
    set(&mut ambassador.bind_address, says.bind_address.as_ref().map(|addresses| addresses.0.clone()));
    set(&mut ambassador.force_secret_validation, says.force_secret_validation);
}

fn lay_kong(says: &Overrides, settings: &mut Settings) {
    let kong = &mut settings.kong;
    set(&mut kong.stream_listen, says.kong_stream_listen.clone());
    set(&mut kong.router_flavor, says.kong_router_flavor.clone());
    set(&mut kong.trusted_ips, says.kong_trusted_ips.clone());
    set(&mut kong.port_maps, says.kong_port_maps.clone());
    set(&mut kong.ssl_cert, says.kong_ssl_cert.clone());
    set(&mut kong.ssl_cert_key, says.kong_ssl_cert_key.clone());
    set(&mut kong.trusted_certificate, says.kong_lua_ssl_trusted_certificate.clone());
    // Exact: 64 at most.
    set(&mut kong.verify_depth, says.kong_lua_ssl_verify_depth.and_then(|n| u8::try_from(n.0).ok()));
    set(&mut kong.proxy_ssl_verify, says.kong_proxy_ssl_verify);
    set(&mut kong.proxy_protocol, says.kong_proxy_protocol);
}

/// Exact: a window is 64 MiB at most.
fn window(size: WindowSize) -> u32 {
    u32::try_from(size.0).unwrap_or(u32::MAX)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag or SLUICE_ variable"),
            Self::Ambassador => f.write_str("AMBASSADOR_ variable"),
            Self::Kong => f.write_str("KONG_ variable"),
            Self::File(path) => write!(f, "settings file {}", path.display()),
            Self::KongConf(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}
