//! Annotations about the endpoints of a service: whose turn it is, retries, health.

use std::net::IpAddr;
use std::time::Duration;

use super::super::service;
use super::super::spec::{LONGEST_MS, milliseconds};
use super::check;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::{Balancing, Ejection, Policy, SourceAddress};

pub(in crate::config::dialect::ambassador) const POLICY: &str = "sluice.dev/load-balancer";
pub(in crate::config::dialect::ambassador) const ATTEMPTS: &str = "sluice.dev/connect-attempts";
pub(in crate::config::dialect::ambassador) const SOURCE: &str = "sluice.dev/source-address";
pub(in crate::config::dialect::ambassador) const BACKUP: &str = "sluice.dev/backup-service";
pub(in crate::config::dialect::ambassador) const TARGETS: &str = "sluice.dev/targets";
pub(in crate::config::dialect::ambassador) const QUORUM: &str = "sluice.dev/quorum";
pub(in crate::config::dialect::ambassador) const SLOW_START: &str = "sluice.dev/slow-start-ms";
pub(in crate::config::dialect::ambassador) const EJECT_AFTER: &str = "sluice.dev/eject-after";
pub(in crate::config::dialect::ambassador) const EJECT_AFTER_TIMEOUTS: &str =
    "sluice.dev/eject-after-timeouts";
pub(in crate::config::dialect::ambassador) const EJECT: &str = "sluice.dev/eject-ms";
pub(in crate::config::dialect::ambassador) const EJECT_MOST: &str = "sluice.dev/eject-max-ms";
pub(in crate::config::dialect::ambassador) const EJECT_SHARE: &str = "sluice.dev/eject-max-percent";
/// Every one of them.
pub(super) const NAMES: [&str; 12] = [
    POLICY,
    ATTEMPTS,
    SOURCE,
    BACKUP,
    TARGETS,
    QUORUM,
    SLOW_START,
    EJECT_AFTER,
    EJECT_AFTER_TIMEOUTS,
    EJECT,
    EJECT_MOST,
    EJECT_SHARE,
];

/// Most of a target's weight, as in Kong.
const HEAVIEST: u32 = 65_535;

const POLICIES: [(&str, Policy); 5] = [
    ("round-robin", Policy::RoundRobin),
    ("least-connections", Policy::LeastConnections),
    ("random", Policy::Random),
    ("source-hash", Policy::SourceHash),
    ("latency", Policy::Latency),
];

/// What a mapping says of its endpoints, and the port its backup goes by where it names none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct BalancingOverrides {
    /// `None` leaves it to the Module.
    pub(in super::super) policy: Option<Policy>,
    /// As it was written; its defaults are those of the mapping's service.
    pub(in super::super) backup: Option<service::Upstream>,
    /// The same of services in place of the mapping's own, each with its weight; none where it says none.
    pub(in super::super) targets: Vec<(service::Upstream, u32)>,
    rest: Balancing,
}

impl BalancingOverrides {
    /// Where the backup stands.
    pub(in super::super) const BACKUP_FIELD: &'static str = "metadata.annotations.sluice.dev/backup-service";

    /// Where the targets stand.
    pub(in super::super) const TARGETS_FIELD: &'static str = "metadata.annotations.sluice.dev/targets";

    pub(super) fn read(annotations: &Fields<'_>, report: &Report) -> Self {
        let defaults = Balancing::default();
        let slow_start = milliseconds(annotations, SLOW_START).unwrap_or(defaults.slow_start);
        let rest = Balancing {
            attempts: number(annotations, ATTEMPTS, 1, 100).unwrap_or(defaults.attempts),
            source: source(annotations, report),
            ejection: ejection(annotations, defaults.ejection, report),
            check: check::read(annotations, report),
            slow_start,
            quorum: annotations.integer(QUORUM, 0..=100).and_then(|percent| u8::try_from(percent).ok()),
            ..defaults
        };
        Self {
            policy: annotations.choice(POLICY, &POLICIES),
            backup: backup(annotations, report),
            targets: targets(annotations, report),
            rest,
        }
    }

    /// With what only the mapping as a whole knows.
    pub(in super::super) fn lower(
        &self,
        policy: Option<Policy>,
        backup: Option<crate::config::model::Service>,
    ) -> Balancing {
        let policy = self.policy.or(policy).unwrap_or_default();
        Balancing { policy, backup, ..self.rest.clone() }
    }
}

pub(super) fn number(annotations: &Fields<'_>, name: &'static str, least: u32, most: u32) -> Option<u32> {
    let number = annotations.integer(name, least.into()..=most.into())?;
    u32::try_from(number).ok()
}

fn source(annotations: &Fields<'_>, report: &Report) -> SourceAddress {
    let mut source = SourceAddress::default();
    let Some(text) = annotations.filled(SOURCE) else { return source };
    for word in text.split(',').map(str::trim) {
        let path = annotations.path(SOURCE);
        let twice = match word.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(address)) => source.ipv4.replace(address).is_some(),
            Ok(IpAddr::V6(address)) => source.ipv6.replace(address).is_some(),
            Err(_) => {
                let message =
                    format!("{word:?} is no IP address; write one such as 10.0.0.5, or one of each family");
                report.discard(path, message);
                continue;
            }
        };
        if twice {
            report.discard(path, format!("{text:?} has two addresses of one family; keep one of each"));
        }
    }
    source
}

fn backup(annotations: &Fields<'_>, report: &Report) -> Option<service::Upstream> {
    let upstream = service::parse(&annotations.filled(BACKUP)?);
    upstream.map_err(|error| report.discard(annotations.path(BACKUP), error)).ok()
}

fn targets(annotations: &Fields<'_>, report: &Report) -> Vec<(service::Upstream, u32)> {
    let Some(text) = annotations.filled(TARGETS) else { return Vec::new() };
    text.split(',').filter_map(|target| read_target(target, annotations, report)).collect()
}

/// `host:port`, or `host:port weight N`.
fn read_target(target: &str, annotations: &Fields<'_>, report: &Report) -> Option<(service::Upstream, u32)> {
    let path = || annotations.path(TARGETS);
    let words: Vec<_> = target.split_whitespace().collect();
    let weight = match words[..] {
        [_] => Some(1),
        [_, "weight", number] => number.parse().ok().filter(|weight| *weight <= HEAVIEST),
        _ => None,
    };
    let Some(weight) = weight else {
        let message = format!(
            "{:?} is neither host:port nor host:port weight N, an integer from 0 to {HEAVIEST}",
            target.trim()
        );
        report.discard(path(), message);
        return None;
    };
    let upstream = service::parse(words[0]).map_err(|error| report.discard(path(), error)).ok()?;
    Some((upstream, weight))
}

fn ejection(annotations: &Fields<'_>, defaults: Ejection, report: &Report) -> Ejection {
    // 0 has no end.
    let base =
        annotations.integer(EJECT, 0..=LONGEST_MS).map(|ms| (ms > 0).then(|| Duration::from_millis(ms)));
    let base = base.unwrap_or(defaults.base);
    let most = annotations.integer(EJECT_MOST, 1..=LONGEST_MS).map(Duration::from_millis);
    let wrong = most.and_then(|most| match base {
        None => Some(format!("is an end, and {EJECT}: 0 has none; remove one of them")),
        Some(base) if most < base => {
            let (most, base) = (most.as_millis(), base.as_millis());
            Some(format!("{most} ms is less than {EJECT}, which is {base}; raise it"))
        }
        Some(_) => None,
    });
    if let Some(message) = wrong {
        report.discard(annotations.path(EJECT_MOST), message);
    }
    Ejection {
        after: number(annotations, EJECT_AFTER, 0, u32::MAX).unwrap_or(defaults.after),
        after_timeouts: number(annotations, EJECT_AFTER_TIMEOUTS, 0, u32::MAX).or(defaults.after_timeouts),
        base,
        most: most.unwrap_or(base.map_or(defaults.most, |base| defaults.most.max(base))),
        share: number(annotations, EJECT_SHARE, 0, 100).unwrap_or(defaults.share),
    }
}
