//! Settings in force, as a settings file would have them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::CertificateMap;
use crate::config::material::is_pem;
use crate::config::model::Timeouts;
use crate::config::settings::{
    AccessLog, Ambassador, Handshakes, Kernel, Kong, Limits, Log, LogFormat, Names, Settings, Sockets,
    UpstreamTlsVerify,
};

/// Every key of a settings file with the value in force, written as the file takes it.
#[must_use]
pub fn show(settings: &Settings) -> Map<String, Value> {
    // Taken apart field by field, here and below, so that no setting to come is left out.
    let Settings {
        paths: _,
        ambassador,
        gateway_controllers,
        kong,
        timeouts,
        upstream_tls_verify,
        certificate_map,
        handshakes,
        limits,
        sockets,
        names,
        kernel,
        drain,
        admin,
        workers,
        confine,
        log,
    } = settings;
    let process = json!({
        "admin": admin.map_or_else(none, |address| address.to_string()),
        "workers": workers,
        "drain-time": span(*drain),
        "confine": confine,
    });
    [
        process,
        of_log(log),
        of_limits(limits),
        of_kernel(kernel),
        of_timeouts(timeouts),
        of_tls(*upstream_tls_verify, certificate_map, handshakes),
        of_sockets(sockets),
        of_names(names),
        json!({ "gateway-controllers": gateway_controllers.join(",") }),
        of_ambassador(ambassador),
        of_kong(kong),
    ]
    .into_iter()
    .filter_map(|part| match part {
        Value::Object(part) => Some(part),
        _ => None,
    })
    .flatten()
    .collect()
}

fn of_log(Log { filter, format, access: AccessLog { close, open, every }, kernel }: &Log) -> Value {
    let format = match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    let when = match (close, open) {
        (true, true) => "close,open",
        (true, false) => "close",
        (false, true) => "open",
        (false, false) => "none",
    };
    json!({
        "log-filter": filter,
        "log-format": format,
        "log-kernel": kernel,
        "access-log": when,
        "access-log-interval": span_or_none(*every),
    })
}

fn of_limits(limits: &Limits) -> Value {
    let Limits { connections, connections_per_listener, connections_per_source, file_bytes } = limits;
    json!({
        "max-connections": connections,
        "max-connections-per-listener": connections_per_listener,
        "max-connections-per-source": connections_per_source,
        "max-file-size": file_bytes,
    })
}

fn of_kernel(Kernel { enabled, join_after, window_start, window_max, budget }: &Kernel) -> Value {
    json!({
        "kernel-relay": enabled,
        "join-after": join_after,
        "window-start": window_start,
        "window-max": window_max,
        "budget": budget,
    })
}

fn of_timeouts(Timeouts { connect, idle, half_closed, max_age }: &Timeouts) -> Value {
    json!({
        "connect-timeout": span(*connect),
        "idle-timeout": span_or_none(*idle),
        "half-closed-timeout": span_or_none(*half_closed),
        "max-connection-age": span_or_none(*max_age),
    })
}

fn of_tls(
    upstream_tls_verify: UpstreamTlsVerify,
    certificate_map: &CertificateMap,
    handshakes: &Handshakes,
) -> Value {
    let Handshakes { hello, timeout, most } = handshakes;
    let word = match upstream_tls_verify {
        UpstreamTlsVerify::None => "none",
        UpstreamTlsVerify::System => "system",
    };
    json!({
        "upstream-tls-verify": word,
        "certificate-map": if certificate_map.is_empty() { none() } else { certificate_map.to_string() },
        "client-hello-timeout": span(*hello),
        "handshake-timeout": span(*timeout),
        "max-handshakes": most,
    })
}

fn of_sockets(sockets: &Sockets) -> Value {
    let Sockets {
        backlog,
        shards,
        freebind,
        user_timeout,
        keepalive_time,
        keepalive_interval,
        keepalive_probes,
    } = sockets;
    json!({
        "backlog": backlog,
        "shards": shards,
        "freebind": freebind,
        "user-timeout": span_or_none(Some(*user_timeout).filter(|t| !t.is_zero())),
        "keepalive-time": span_or_none(*keepalive_time),
        "keepalive-interval": span(*keepalive_interval),
        "keepalive-probes": keepalive_probes,
    })
}

fn of_names(Names { servers, resolv_conf, hosts }: &Names) -> Value {
    let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
    json!({
        "dns-servers": if servers.is_empty() { none() } else { servers.join(",") },
        "resolv-conf": resolv_conf,
        "hosts-file": hosts,
    })
}

fn of_ambassador(ambassador: &Ambassador) -> Value {
    let Ambassador {
        id,
        namespace,
        single_namespace,
        certs_single_namespace,
        label_selector,
        bind_address,
        force_secret_validation,
    } = ambassador;
    json!({
        "ambassador-id": id,
        "ambassador-namespace": namespace,
        "single-namespace": single_namespace,
        "certs-single-namespace": certs_single_namespace.map_or_else(|| none().into(), Value::Bool),
        "label-selector": label_selector,
        "bind-address": bind_address.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        "force-secret-validation": force_secret_validation,
    })
}

fn of_kong(kong: &Kong) -> Value {
    let Kong {
        stream_listen,
        router_flavor,
        trusted_ips,
        port_maps,
        ssl_cert,
        ssl_cert_key,
        trusted_certificate,
        verify_depth,
        proxy_ssl_verify,
        proxy_protocol,
    } = kong;
    json!({
        // What it says stands in the other keys.
        "kong-conf": "",
        "kong-stream-listen": stream_listen,
        "kong-router-flavor": router_flavor,
        "kong-trusted-ips": trusted_ips,
        "kong-port-maps": port_maps,
        "kong-ssl-cert": file(ssl_cert),
        "kong-ssl-cert-key": file(ssl_cert_key),
        "kong-lua-ssl-trusted-certificate": file(trusted_certificate),
        "kong-lua-ssl-verify-depth": verify_depth,
        "kong-proxy-ssl-verify": proxy_ssl_verify,
        "kong-proxy-protocol": proxy_protocol,
    })
}

/// Kong takes a key itself in the place of its file's name, and that is for nobody else to read.
fn file(text: &str) -> &str {
    if is_pem(text) || text.contains('\n') { "(a PEM text)" } else { text }
}

fn span(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

fn span_or_none(maybe: Option<Duration>) -> String {
    maybe.map_or_else(none, span)
}

fn none() -> String {
    "none".to_owned()
}
