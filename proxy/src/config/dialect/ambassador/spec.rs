//! The fields of a `TCPMapping`, in the words of its CRD.

use std::net::IpAddr;
use std::time::Duration;

use serde_yaml::Value;

use super::circuit_breaker::{self, CircuitBreaker};
use super::service::{self, Upstream};
use crate::config::dialect::fields::{Fields, boolean, scalar, show};
use crate::config::dialect::report::Report;

/// Ten years: further than any timer is meant, and far from overflow.
pub(super) const LONGEST_MS: u64 = 10 * 365 * 24 * 3600 * 1000;

/// Where the fields of an HTTP Mapping live for TCP.
const HINTS: [(&str, &str); 5] = [
    ("connect_timeout_ms", "use the annotation sluice.dev/connect-timeout-ms"),
    ("load_balancer", "use the annotation sluice.dev/load-balancer, or load_balancer of Module ambassador"),
    ("timeout_ms", "use idle_timeout_ms"),
    ("prefix", "only an HTTP Mapping has it"),
    ("hostname", "use host"),
];

/// A `TCPMapping` as far as its fields are right; the report knows what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) port: Option<u16>,
    pub(super) address: Option<IpAddr>,
    pub(super) host: Option<String>,
    pub(super) service: Option<Upstream>,
    pub(super) tls: Option<Tls>,
    pub(super) resolver: Option<String>,
    pub(super) enable_ipv4: Option<bool>,
    pub(super) enable_ipv6: Option<bool>,
    pub(super) circuit_breakers: Option<CircuitBreaker>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) weight: Option<u16>,
    pub(super) cluster_tag: Option<String>,
    pub(super) stats_name: Option<String>,
}

/// How TLS to the upstream was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tls {
    /// v2 `tls: true`: no client certificate.
    On,
    /// The name of a `TLSContext`.
    Context(String),
}

impl Spec {
    /// Reads every field, and warns of those that no `TCPMapping` has.
    pub(super) fn read(fields: &Fields<'_>, report: &Report) -> Self {
        // Conversions between versions leave v2ExplicitTLS behind; it has no effect of its own.
        fields.ignore(&["ambassador_id", "v2ExplicitTLS"]);
        let spec = Self {
            port: port(fields),
            address: address(fields, report),
            host: fields.filled("host"),
            service: upstream(fields, report),
            tls: tls(fields, report),
            resolver: fields.filled("resolver"),
            enable_ipv4: fields.boolean("enable_ipv4"),
            enable_ipv6: fields.boolean("enable_ipv6"),
            circuit_breakers: circuit_breaker::read(fields, report),
            idle_timeout: milliseconds(fields, "idle_timeout_ms"),
            weight: fields
                .integer("weight", 0..=u16::MAX.into())
                .and_then(|weight| u16::try_from(weight).ok()),
            cluster_tag: fields.filled("cluster_tag"),
            stats_name: fields.filled("stats_name").or_else(|| fields.filled("v3StatsName")),
        };
        fields.ignore(&["v3StatsName"]);
        fields.warn_unknown(&HINTS);
        spec
    }
}

/// A time in which 0 means none.
pub(super) fn milliseconds(fields: &Fields<'_>, name: &'static str) -> Option<Duration> {
    fields.integer(name, 0..=LONGEST_MS).filter(|ms| *ms > 0).map(Duration::from_millis)
}

fn port(fields: &Fields<'_>) -> Option<u16> {
    if fields.raw("port").is_none() {
        fields.missing("port", "give the port to listen on");
    }
    fields.integer("port", 1..=65535).and_then(|port| u16::try_from(port).ok())
}

fn address(fields: &Fields<'_>, report: &Report) -> Option<IpAddr> {
    let text = fields.filled("address")?;
    // Bound as IPv6, a mapped address would be refused: listeners are IPv6 only.
    let address = text.trim().parse::<IpAddr>().map(|address| address.to_canonical());
    if address.is_err() {
        let message =
            format!("{text:?} is no IP address; write one such as 127.0.0.1 or ::1, or leave address out");
        report.discard(fields.path("address"), message);
    }
    address.ok()
}

fn upstream(fields: &Fields<'_>, report: &Report) -> Option<Upstream> {
    if fields.raw("service").is_none() {
        fields.missing("service", "give the upstream as host:port");
    }
    match service::parse(&fields.text("service")?) {
        Ok(upstream) => Some(upstream),
        Err(error) => {
            report.discard(fields.path("service"), error);
            None
        }
    }
}

fn tls(fields: &Fields<'_>, report: &Report) -> Option<Tls> {
    let value = fields.raw("tls")?;
    match (value, boolean(value), scalar(value)) {
        (Value::Bool(_), Some(on), _) => on.then_some(Tls::On),
        (_, _, Some(_)) => fields.filled("tls").map(|name| Tls::Context(name.trim().to_owned())),
        _ => {
            report.discard(
                fields.path("tls"),
                format!("{} is not true, false or the name of a TLSContext", show(value)),
            );
            None
        }
    }
}
