//! The name, help and labels of every metric, each once.

/// A metric family.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($id:ident = $name:literal, $help:literal, $labels:expr;)*) => {
        $(pub(super) const $id: Metric = Metric { name: $name, help: $help, labels: &$labels };)*

        /// Every family, for tests that sweep over all.
        #[cfg(test)]
        pub(super) const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    BUILD_INFO = "sluice_build_info", "Always 1; the labels tell the version and what was built in.", ["version", "features"];

    ACCEPTED = "sluice_accepted_total", "Connections accepted from clients.", ["listener"];
    ACTIVE = "sluice_connections_active", "Connections open at the moment.", ["listener"];
    ACCEPT_ERRORS = "sluice_accept_errors_total",
        "Failures to accept; the connection waits in the kernel's queue.", ["listener", "reason"];
    REFUSED = "sluice_refused_total", "Connections reset at accept because a limit was reached.", ["limit"];

    CONNECTIONS = "sluice_connections_total",
        "Connections relayed, by who moves their bytes.", ["mapping", "relay"];
    CLOSED = "sluice_closed_total",
        "Connections ended, why and by whose doing.", ["mapping", "reason", "side"];
    BYTES = "sluice_bytes_total",
        "Bytes relayed, those of open connections included; received is from the client, sent is to it.",
        ["mapping", "direction", "path"];
    CONNECTION_DURATION = "sluice_connection_duration_seconds",
        "From accept to close.", ["mapping"];
    CONNECT_DURATION = "sluice_connect_duration_seconds",
        "From choosing the mapping to a connected upstream socket.", ["mapping"];
    CONNECT_ATTEMPTS = "sluice_connect_attempts_total",
        "Attempts to connect to an endpoint, and what they came to; a connection may take several.",
        ["mapping", "result"];
    ENDPOINT_UP = "sluice_endpoint_up",
        "1 for an endpoint that takes new connections; 0 ejected, down, drained or disabled.",
        ["mapping", "endpoint"];
    ENDPOINT_ACTIVE = "sluice_endpoint_connections_active",
        "Connections open to an endpoint at the moment.", ["mapping", "endpoint"];
    ENDPOINT_EJECTIONS = "sluice_endpoint_ejections_total",
        "Times that an endpoint was left alone because connections to it failed.", ["mapping"];
    ENDPOINT_CHECKS = "sluice_endpoint_checks_total",
        "Active checks of endpoints, and what they came to.", ["mapping", "result"];
    FALLBACKS = "sluice_relay_fallbacks_total",
        "Connections that the kernel relays not at all or in one direction only, and why.", ["reason"];

    MAPPING_CONNECTIONS = "sluice_mapping_connections",
        "Connections to a mapping's upstream at the moment, those being dialled included.", ["mapping"];
    MAPPING_PENDING = "sluice_mapping_pending_connections",
        "Connections to a mapping's upstream that are being dialled.", ["mapping"];
    MAPPING_SOURCES = "sluice_mapping_sources",
        "Clients that are remembered for limits of their own.", ["mapping"];
    MAPPING_LIMIT = "sluice_mapping_limit",
        "What a mapping may have: connections, connections per second, bytes per second; no series for no limit.",
        ["mapping", "limit"];

    TLS_HANDSHAKES = "sluice_tls_handshakes_total",
        "TLS handshakes, with whom and how they ended.", ["side", "result"];
    TLS_HANDSHAKE_DURATION = "sluice_tls_handshake_duration_seconds",
        "From the first byte of a TLS handshake that succeeded to its last.", ["side"];
    CERTIFICATE_EXPIRY = "sluice_certificate_expiry_timestamp_seconds",
        "When the first certificate of a chain in service expires, in seconds since 1970.", ["source"];

    RESOLUTIONS = "sluice_resolutions_total",
        "Questions about the endpoints of a name; of failures the last good answer stays in use.",
        ["name", "source", "families", "result"];
    RESOLUTION_AGE = "sluice_resolution_age_seconds",
        "How long ago the endpoints in use were told.", ["name", "source", "families"];
    ENDPOINTS = "sluice_resolved_endpoints",
        "Endpoints in use; 0 means that connections fail.", ["name", "source", "families"];

    RELOADS = "sluice_config_reloads_total",
        "Configurations loaded, the first included; partial ones left something out.", ["result"];
    RELOAD_SUCCESS = "sluice_config_last_reload_success_timestamp_seconds",
        "When a configuration was last loaded without error, in seconds since 1970.", [];
    DIAGNOSTICS = "sluice_config_diagnostics",
        "Findings about the configuration in service.", ["severity"];
    LISTENERS = "sluice_listeners", "Addresses in the configuration in service.", [];
    LISTENER_SOCKETS = "sluice_listener_sockets",
        "Sockets that accept on an address; 0 where it could not be bound.", ["listener"];
    MAPPINGS = "sluice_mappings", "Mappings in the configuration in service.", [];

    KERNEL_PAIRS = "sluice_kernel_pairs", "Connections in the kernel relay's tables.", [];
    KERNEL_BUDGET = "sluice_kernel_budget_bytes",
        "Credit of all lanes together: what is handed out, and the most that may be.", ["state"];
    KERNEL_EVENTS_LOST = "sluice_kernel_events_lost_total",
        "Calls of the kernel program to its agent that found the ring full.", [];
    KERNEL_BYTES = "sluice_kernel_redirected_bytes_total",
        "Bytes that the kernel program redirected, by its own count.", ["mapping", "direction"];
    KERNEL_SEGMENTS = "sluice_kernel_redirected_segments_total",
        "Segments that the kernel program redirected, by its own count.", ["mapping"];
    KERNEL_INTEGRITY_FAILURES = "sluice_kernel_integrity_failures_total",
        "Connections reset because the kernel's counters and the bytes disagreed.", [];

    LINES_LOST = "sluice_access_log_lines_lost_total",
        "Access-log lines dropped because standard output was too slow or closed.", [];
    LOG_LINES_LOST = "sluice_log_lines_lost_total",
        "Log lines dropped because standard error was too slow or closed.", [];

    LOG_SINK_LINES = "sluice_log_sink_lines_total",
        "Accounts of connections for sinks of their routes: taken by them, or dropped.", ["sink", "result"];

    // Named as Prometheus' own client libraries name them: dashboards know these.
    PROCESS_CPU = "process_cpu_seconds_total", "User and system CPU time spent, in seconds.", [];
    PROCESS_OPEN_FDS = "process_open_fds", "Open file descriptors.", [];
    PROCESS_MAX_FDS = "process_max_fds", "The limit on open file descriptors.", [];
    PROCESS_RESIDENT = "process_resident_memory_bytes", "Resident memory, in bytes.", [];
    PROCESS_VIRTUAL = "process_virtual_memory_bytes", "Virtual memory, in bytes.", [];
    PROCESS_START = "process_start_time_seconds", "Start of the process, in seconds since 1970.", [];
}
