//! The Module `ambassador`: defaults for mappings that say nothing.

use serde_yaml::{Mapping, Value};

use super::circuit_breaker::{self, CircuitBreaker};
use super::overrides::Bounds;
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::fields::{Fields, boolean, scalar, show};
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::words::nearest;
use crate::config::model::{Limits, Policy};
use crate::config::settings::Settings;

const READ: [&str; 7] = [
    "enable_ipv4",
    "enable_ipv6",
    "resolver",
    "circuit_breakers",
    "load_balancer",
    "use_ambassador_namespace_for_service_resolution",
    "defaults",
];

/// Keys that change TCP connections in Ambassador and nothing here yet.
const NOT_YET: [(&str, &str); 6] = [
    ("keepalive", "keepalive is a setting of sluice for both sides, see sockets in config/sluice.yaml"),
    ("tls", "give the certificates to a TLSContext"),
    ("cluster_idle_timeout_ms", "it is HTTP's; TCP has the Module's annotation sluice.dev/idle-timeout-ms"),
    ("listener_idle_timeout_ms", "it is HTTP's; TCP has the Module's annotation sluice.dev/idle-timeout-ms"),
    (
        "cluster_max_connection_lifetime_ms",
        "it is HTTP's; TCP has the Module's annotation sluice.dev/max-connection-age-ms",
    ),
    ("connect_timeout_ms", "no Module has it; use its annotation sluice.dev/connect-timeout-ms"),
];

/// What the Module says about TCP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) enable_ipv4: Option<bool>,
    pub(super) enable_ipv6: Option<bool>,
    pub(super) resolver: Option<String>,
    pub(super) circuit_breakers: Option<CircuitBreaker>,
    /// What its annotations make of the settings' defaults.
    annotated: Option<Bounds>,
    /// For mappings that do not say so themselves.
    pub(super) load_balancer: Option<Policy>,
    pub(super) own_namespace_resolution: bool,
    /// `defaults.tls_secret_namespacing`.
    pub(super) secret_namespacing: Option<bool>,
}

impl Module {
    /// Reads the Module that counts: the last of its namespace, of several the first or Ambassador's own.
    pub(super) fn read(
        modules: Vec<(&Resource<'_>, Report)>,
        settings: &Settings,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let named = |resource: &Resource<'_>| resource.name().as_deref() == Some("ambassador");
        let own = |resource: &Resource<'_>| {
            resource.namespace().is_none_or(|namespace| namespace == settings.ambassador.namespace)
        };
        let candidates = || modules.iter().enumerate().filter(|(_, (resource, _))| named(resource));
        let chosen = candidates().filter(|(_, (resource, _))| own(resource)).last();
        let chosen = chosen.or_else(|| candidates().next()).map(|(index, _)| index);
        let mut module = Self::default();
        for (index, (resource, report)) in modules.into_iter().enumerate() {
            if chosen == Some(index) {
                module = config(resource, &report, found);
                module.annotated = Some(annotated(resource, &report, settings, found));
            } else if named(resource) {
                report.error("", "another Module ambassador takes its place; keep one; this one is ignored");
            } else {
                report.info("metadata.name", "only the Module ambassador concerns TCP; passed over");
            }
            found.extend(report.into_diagnostics());
        }
        module
    }

    /// What is in force where a mapping says nothing.
    pub(super) fn defaults(&self, settings: &Settings) -> Bounds {
        let mut defaults = self.annotated.unwrap_or_else(|| of(settings));
        if let Some(breaker) = self.circuit_breakers {
            breaker.apply(&mut defaults.limits);
        }
        defaults
    }
}

fn of(settings: &Settings) -> Bounds {
    Bounds { timeouts: settings.timeouts, limits: Limits::default() }
}

/// What the Module's annotations come to; none of them where one is wrong.
fn annotated(
    resource: &Resource<'_>,
    report: &Report,
    settings: &Settings,
    found: &mut Vec<Diagnostic>,
) -> Bounds {
    let own = part_of(report, "list of annotations");
    let defaults = of(settings).of_module(resource, &own);
    let failed = own.failed();
    found.extend(own.into_diagnostics());
    if failed { of(settings) } else { defaults }
}

/// A report on a part of the Module that is discarded alone: the rest of it counts.
fn part_of(report: &Report, noun: &'static str) -> Report {
    Report::new(report.place().clone(), report.resource().to_owned(), noun)
}

/// The breakers, unless they are wrong.
fn breakers(
    config: &Mapping,
    path: &str,
    report: &Report,
    found: &mut Vec<Diagnostic>,
) -> Option<CircuitBreaker> {
    let own = part_of(report, "list");
    let breaker = circuit_breaker::read(&Fields::new(config, path, &own), &own);
    let failed = own.failed();
    found.extend(own.into_diagnostics());
    breaker.filter(|_| !failed)
}

fn config(resource: &Resource<'_>, report: &Report, found: &mut Vec<Diagnostic>) -> Module {
    let spec = resource.body.get("spec").and_then(Value::as_mapping);
    let (home, path) = spec.map_or((&*resource.body, ""), |spec| (spec, "spec"));
    let top = Fields::new(home, path, report);
    let Some(fields) = top.child("config") else {
        return Module::default();
    };
    let config = home.get("config").and_then(Value::as_mapping);
    let breakers = config.and_then(|config| breakers(config, &top.path("config"), report, found));
    warn_slips(&fields, report);
    let defaults = fields.raw("defaults").and_then(Value::as_mapping);
    let defaults = defaults.map(|map| Fields::new(map, fields.path("defaults"), report));
    Module {
        enable_ipv4: truth(&fields, "enable_ipv4", report),
        enable_ipv6: truth(&fields, "enable_ipv6", report),
        // Whatever stands there is not the default resolver, so mappings that rely on it fall with it.
        resolver: fields.raw("resolver").map(|value| scalar(value).unwrap_or_else(|| show(value))),
        circuit_breakers: breakers,
        annotated: None,
        load_balancer: load_balancer(&fields, report),
        own_namespace_resolution: truth(&fields, "use_ambassador_namespace_for_service_resolution", report)
            .unwrap_or(false),
        secret_namespacing: defaults.and_then(|defaults| truth(&defaults, "tls_secret_namespacing", report)),
    }
}

/// `load_balancer`: Ambassador's words for policies. Hashes of HTTP's headers and cookies are what Ambassador makes
/// them for TCP: random.
fn load_balancer(fields: &Fields<'_>, report: &Report) -> Option<Policy> {
    let value = fields.raw("load_balancer")?;
    let path = fields.path("load_balancer");
    let policy = value.get("policy").and_then(scalar);
    let Some(policy) = policy else {
        report.error(path, format!("{} names no policy; the key is ignored", show(value)));
        return None;
    };
    match policy.as_str() {
        "round_robin" => Some(Policy::RoundRobin),
        "least_request" => Some(Policy::LeastConnections),
        "ring_hash" | "maglev" if value.get("source_ip").and_then(boolean) == Some(true) => {
            Some(Policy::SourceHash)
        }
        "ring_hash" | "maglev" => {
            let message = "hashes what only HTTP has; for TCP endpoints are random, as in Ambassador: write \
                           source_ip: true to hash the client's address";
            report.warn(path, message);
            Some(Policy::Random)
        }
        other => {
            let known = "round_robin, least_request, ring_hash, maglev";
            report
                .error(format!("{path}.policy"), format!("{other:?} is none of {known}; the key is ignored"));
            None
        }
    }
}

fn truth(fields: &Fields<'_>, name: &'static str, report: &Report) -> Option<bool> {
    let value = fields.raw(name)?;
    let truth = boolean(value);
    if truth.is_none() {
        report.error(fields.path(name), format!("{} is not true or false; the key is ignored", show(value)));
    }
    truth
}

/// The Module takes any key, most of them about HTTP: only near misses are worth a word.
fn warn_slips(fields: &Fields<'_>, report: &Report) {
    for name in fields.names() {
        let path = fields.path(&name);
        if let Some((_, instead)) = NOT_YET.iter().find(|(key, _)| *key == name) {
            report.warn(path, format!("is ignored by this version of sluice: {instead}"));
        } else if !READ.contains(&name.as_str())
            && let Some(near) = nearest(&name, &READ)
        {
            report.warn(path, format!("unknown key {name:?} is ignored; did you mean {near:?}?"));
        }
    }
}
