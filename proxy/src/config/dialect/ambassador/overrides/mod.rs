//! Annotations `sluice.dev/…`: what a `TCPMapping` can ask of sluice beyond its CRD.

mod balancing;
mod tls;

use std::time::Duration;

pub(super) use balancing::BalancingOverrides;
pub(super) use tls::TlsOverrides;

use super::spec::{LONGEST_MS, milliseconds};
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::words::nearest;
use crate::config::model::{RelayChoice, Timeouts};

const PREFIX: &str = "sluice.dev/";
const RELAY: &str = "sluice.dev/relay";
const CONNECT: &str = "sluice.dev/connect-timeout-ms";
const HALF_CLOSED: &str = "sluice.dev/half-closed-timeout-ms";
const MAX_AGE: &str = "sluice.dev/max-connection-age-ms";
const KNOWN: [&str; 8] =
    [RELAY, CONNECT, HALF_CLOSED, MAX_AGE, tls::MODE, tls::ALPN, tls::STARTTLS, tls::SANS];

/// Their behaviour comes later; without it the mapping would be served half.
const LATER: [&str; 1] = ["sluice.dev/proxy-protocol-from"];

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

/// The relay, the timeouts, the TLS and the endpoints of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overrides {
    pub(super) relay: RelayChoice,
    pub(super) timeouts: Timeouts,
    pub(super) tls: TlsOverrides,
    pub(super) balancing: BalancingOverrides,
}

impl Overrides {
    /// Starts from the settings; `idle` is what the CRD's own field says.
    pub(super) fn read(
        resource: &Resource<'_>,
        defaults: Timeouts,
        idle: Option<Duration>,
        report: &Report,
    ) -> Self {
        let mut overrides = Self {
            relay: RelayChoice::default(),
            timeouts: Timeouts { idle, ..defaults },
            tls: TlsOverrides::default(),
            balancing: BalancingOverrides::default(),
        };
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
        self.tls = TlsOverrides::read(annotations, report);
        self.balancing = BalancingOverrides::read(annotations, report);
        let relays = [("auto", RelayChoice::Auto), ("splice", RelayChoice::Splice)];
        if let Some(relay) = annotations.choice(RELAY, &relays) {
            self.relay = relay;
        }
        if let Some(connect) = annotations.integer(CONNECT, 1..=LONGEST_MS) {
            self.timeouts.connect = Duration::from_millis(connect);
        }
        if annotations.raw(HALF_CLOSED).is_some() {
            self.timeouts.half_closed = milliseconds(annotations, HALF_CLOSED);
        }
        if annotations.raw(MAX_AGE).is_some() {
            self.timeouts.max_age = milliseconds(annotations, MAX_AGE);
        }
    }
}

fn warn_unknown(annotations: &Fields<'_>, report: &Report) {
    for name in annotations.names() {
        let path = annotations.path(&name);
        if !name.starts_with(PREFIX)
            || KNOWN.contains(&name.as_str())
            || balancing::NAMES.contains(&name.as_str())
        {
            continue;
        }
        if LATER.contains(&name.as_str()) {
            report.discard(path, format!("{name} is not served by this version of sluice"));
            continue;
        }
        let hint = if name == "sluice.dev/idle-timeout-ms" {
            "use spec.idle_timeout_ms".to_owned()
        } else {
            let known = [&KNOWN[..], &balancing::NAMES].concat();
            match nearest(&name, &known) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known are {}", known.join(", ")),
            }
        };
        report.warn(path, format!("unknown annotation {name:?} is ignored; {hint}"));
    }
}
