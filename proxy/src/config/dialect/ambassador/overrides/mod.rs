//! Annotations `sluice.dev/…`: what a `TCPMapping` can ask of sluice beyond its CRD, and the Module for all.

mod balancing;
mod limits;
mod tls;

use std::time::Duration;

pub(super) use balancing::BalancingOverrides;
pub(super) use tls::TlsOverrides;

use super::proxy_protocol;
use super::spec::{LONGEST_MS, milliseconds};
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::words::nearest;
use crate::config::model::{Limits, ProxyVersion, RelayChoice, Timeouts};

const PREFIX: &str = "sluice.dev/";
pub(in crate::config::dialect::ambassador) const RELAY: &str = "sluice.dev/relay";
pub(in crate::config::dialect::ambassador) const CONNECT: &str = "sluice.dev/connect-timeout-ms";
pub(in crate::config::dialect::ambassador) const HALF_CLOSED: &str = "sluice.dev/half-closed-timeout-ms";
pub(in crate::config::dialect::ambassador) const MAX_AGE: &str = "sluice.dev/max-connection-age-ms";
pub(in crate::config::dialect::ambassador) const IDLE: &str = "sluice.dev/idle-timeout-ms";
/// How long and how much: a mapping's, and the Module's for all that do not say.
const BOUNDS: [&str; 9] = [
    CONNECT,
    HALF_CLOSED,
    MAX_AGE,
    limits::RATE,
    limits::BURST,
    limits::PER_SOURCE,
    limits::SOURCE_RATE,
    limits::SOURCE_BURST,
    limits::BANDWIDTH,
];
/// A mapping's alone, besides those about its endpoints.
const OWN: [&str; 8] =
    [RELAY, tls::MODE, tls::ALPN, tls::STARTTLS, tls::SANS, tls::SNI, tls::DEPTH, proxy_protocol::SEND];

/// All of a mapping's.
fn of_mapping() -> Vec<&'static str> {
    [&OWN[..], &BOUNDS, &balancing::NAMES].concat()
}

/// All of the Module's. For idle time a mapping has a field of its CRD.
fn of_module() -> Vec<&'static str> {
    [&[IDLE], &BOUNDS[..]].concat()
}

/// What annotations are called.
pub(super) mod names {
    pub(in crate::config::dialect::ambassador) use super::super::proxy_protocol::SEND;
    pub(in crate::config::dialect::ambassador) use super::balancing::*;
    pub(in crate::config::dialect::ambassador) use super::limits::*;
    pub(in crate::config::dialect::ambassador) use super::tls::{ALPN, DEPTH, MODE, SANS, SNI, STARTTLS};
    pub(in crate::config::dialect::ambassador) use super::{CONNECT, HALF_CLOSED, MAX_AGE, RELAY};
}

const METADATA: [&str; 16] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "generateName",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "finalizers",
    "managedFields",
    "clusterName",
];

/// How long and how much of a mapping there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
}

impl Bounds {
    /// Lays the Module's annotations over the settings'.
    pub(super) fn of_module(self, module: &Resource<'_>, report: &Report) -> Self {
        let mut defaults = self;
        let annotations = module.metadata(report).and_then(|metadata| metadata.child("annotations"));
        let Some(annotations) = annotations else {
            return defaults;
        };
        if annotations.raw(IDLE).is_some() {
            defaults.timeouts.idle = milliseconds(&annotations, IDLE);
        }
        defaults.apply(&annotations, report);
        let known = of_module();
        for name in annotations.names() {
            if name.starts_with(PREFIX) && !known.contains(&name.as_str()) {
                let hint = if of_mapping().contains(&name.as_str()) {
                    "only a TCPMapping has it".to_owned()
                } else {
                    hint(&name, &known)
                };
                report.warn(
                    annotations.path(&name),
                    format!("the Module's annotation {name:?} is ignored; {hint}"),
                );
            }
        }
        defaults
    }

    fn apply(&mut self, annotations: &Fields<'_>, report: &Report) {
        if let Some(connect) = annotations.integer(CONNECT, 1..=LONGEST_MS) {
            self.timeouts.connect = Duration::from_millis(connect);
        }
        if annotations.raw(HALF_CLOSED).is_some() {
            self.timeouts.half_closed = milliseconds(annotations, HALF_CLOSED);
        }
        if annotations.raw(MAX_AGE).is_some() {
            self.timeouts.max_age = milliseconds(annotations, MAX_AGE);
        }
        limits::apply(annotations, &mut self.limits, report);
    }
}

/// What a mapping's annotations come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overrides {
    pub(super) relay: RelayChoice,
    pub(super) bounds: Bounds,
    pub(super) tls: TlsOverrides,
    pub(super) proxy_protocol: Option<ProxyVersion>,
    pub(super) balancing: BalancingOverrides,
}

impl Overrides {
    /// Lays a mapping's annotations over what is in force without them.
    pub(super) fn read(resource: &Resource<'_>, defaults: Bounds, report: &Report) -> Self {
        let (relay, tls, balancing) = Default::default();
        let mut overrides = Self { relay, bounds: defaults, tls, proxy_protocol: None, balancing };
        let Some(metadata) = resource.metadata(report) else {
            return overrides;
        };
        metadata.ignore(&METADATA);
        metadata.warn_unknown(&[]);
        if let Some(annotations) = metadata.child("annotations") {
            overrides.apply(&annotations, report);
            warn_unknown(&annotations, report);
        }
        overrides
    }

    fn apply(&mut self, annotations: &Fields<'_>, report: &Report) {
        self.bounds.apply(annotations, report);
        self.tls = TlsOverrides::read(annotations, report);
        self.proxy_protocol = proxy_protocol::sent(annotations);
        self.balancing = BalancingOverrides::read(annotations, report);
        let relays = [("auto", RelayChoice::Auto), ("splice", RelayChoice::Splice)];
        if let Some(relay) = annotations.choice(RELAY, &relays) {
            self.relay = relay;
        }
    }
}

fn warn_unknown(annotations: &Fields<'_>, report: &Report) {
    let known = of_mapping();
    for name in annotations.names() {
        let path = annotations.path(&name);
        if !name.starts_with(PREFIX) || known.contains(&name.as_str()) {
            continue;
        }
        if name == proxy_protocol::FROM {
            // Left out, everybody would be believed.
            let message = "is for the Listener of this mapping's port, which has PROXY in its protocolStack; write it \
                           there";
            report.discard(path, message);
            continue;
        }
        let hint = if name == IDLE { "use spec.idle_timeout_ms".to_owned() } else { hint(&name, &known) };
        report.warn(path, format!("unknown annotation {name:?} is ignored; {hint}"));
    }
}

fn hint(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known are {}", known.join(", ")),
    }
}
