//! Annotations about the endpoints of a service: whose turn it is, retries, health.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::super::service;
use super::super::spec::{LONGEST_MS, milliseconds};
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::{Balancing, Check, Ejection, Policy, SourceAddress};

pub(in crate::config::dialect::ambassador) const POLICY: &str = "sluice.dev/load-balancer";
pub(in crate::config::dialect::ambassador) const ATTEMPTS: &str = "sluice.dev/connect-attempts";
pub(in crate::config::dialect::ambassador) const SOURCE: &str = "sluice.dev/source-address";
pub(in crate::config::dialect::ambassador) const BACKUP: &str = "sluice.dev/backup-service";
pub(in crate::config::dialect::ambassador) const SLOW_START: &str = "sluice.dev/slow-start-ms";
pub(in crate::config::dialect::ambassador) const EJECT_AFTER: &str = "sluice.dev/eject-after";
pub(in crate::config::dialect::ambassador) const EJECT: &str = "sluice.dev/eject-ms";
pub(in crate::config::dialect::ambassador) const EJECT_MOST: &str = "sluice.dev/eject-max-ms";
pub(in crate::config::dialect::ambassador) const EJECT_SHARE: &str = "sluice.dev/eject-max-percent";
pub(in crate::config::dialect::ambassador) const CHECK: &str = "sluice.dev/check-interval-ms";
pub(in crate::config::dialect::ambassador) const CHECK_TIMEOUT: &str = "sluice.dev/check-timeout-ms";
pub(in crate::config::dialect::ambassador) const CHECK_HEALTHY: &str = "sluice.dev/check-healthy";
pub(in crate::config::dialect::ambassador) const CHECK_UNHEALTHY: &str = "sluice.dev/check-unhealthy";
pub(in crate::config::dialect::ambassador) const CHECK_SEND: &str = "sluice.dev/check-send";
pub(in crate::config::dialect::ambassador) const CHECK_EXPECT: &str = "sluice.dev/check-expect";

/// Every one of them.
pub(super) const NAMES: [&str; 15] = [
    POLICY,
    ATTEMPTS,
    SOURCE,
    BACKUP,
    SLOW_START,
    EJECT_AFTER,
    EJECT,
    EJECT_MOST,
    EJECT_SHARE,
    CHECK,
    CHECK_TIMEOUT,
    CHECK_HEALTHY,
    CHECK_UNHEALTHY,
    CHECK_SEND,
    CHECK_EXPECT,
];

/// Without [`CHECK`] these would say what is never asked.
const OF_CHECKS: [&str; 5] = [CHECK_TIMEOUT, CHECK_HEALTHY, CHECK_UNHEALTHY, CHECK_SEND, CHECK_EXPECT];

const POLICIES: [(&str, Policy); 4] = [
    ("round-robin", Policy::RoundRobin),
    ("least-connections", Policy::LeastConnections),
    ("random", Policy::Random),
    ("source-hash", Policy::SourceHash),
];

/// What a mapping says of its endpoints, and the port its backup goes by where it names none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct BalancingOverrides {
    /// `None` leaves it to the Module.
    pub(in super::super) policy: Option<Policy>,
    /// As it was written; its defaults are those of the mapping's service.
    pub(in super::super) backup: Option<service::Upstream>,
    rest: Balancing,
}

impl BalancingOverrides {
    /// Where the backup stands.
    pub(in super::super) const BACKUP_FIELD: &'static str = "metadata.annotations.sluice.dev/backup-service";

    pub(super) fn read(annotations: &Fields<'_>, report: &Report) -> Self {
        let defaults = Balancing::default();
        let slow_start = milliseconds(annotations, SLOW_START).unwrap_or(defaults.slow_start);
        let rest = Balancing {
            attempts: number(annotations, ATTEMPTS, 1, 100).unwrap_or(defaults.attempts),
            source: source(annotations, report),
            ejection: ejection(annotations, defaults.ejection, report),
            check: check(annotations, report),
            slow_start,
            ..defaults
        };
        Self { policy: annotations.choice(POLICY, &POLICIES), backup: backup(annotations, report), rest }
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

fn number(annotations: &Fields<'_>, name: &'static str, least: u32, most: u32) -> Option<u32> {
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

fn ejection(annotations: &Fields<'_>, defaults: Ejection, report: &Report) -> Ejection {
    let span = |name| annotations.integer(name, 1..=LONGEST_MS).map(Duration::from_millis);
    let base = span(EJECT).or(defaults.base);
    let most = span(EJECT_MOST);
    if let (Some(most), Some(base)) = (most, base)
        && most < base
    {
        let message =
            format!("{} ms is less than {EJECT}, which is {}; raise it", most.as_millis(), base.as_millis());
        report.discard(annotations.path(EJECT_MOST), message);
    }
    Ejection {
        after: number(annotations, EJECT_AFTER, 0, u32::MAX).unwrap_or(defaults.after),
        after_timeouts: None,
        base,
        most: most.unwrap_or(base.map_or(defaults.most, |base| defaults.most.max(base))),
        share: number(annotations, EJECT_SHARE, 0, 100).unwrap_or(defaults.share),
    }
}

fn check(annotations: &Fields<'_>, report: &Report) -> Option<Check> {
    let Some(interval) = annotations.integer(CHECK, 1..=LONGEST_MS) else {
        for name in OF_CHECKS.into_iter().filter(|name| annotations.raw(name).is_some()) {
            // Of one that is wrong itself that is said.
            if annotations.raw(CHECK).is_none() {
                report.discard(
                    annotations.path(name),
                    format!("says how to check, but not how often; give {CHECK}"),
                );
            }
        }
        return None;
    };
    let interval = Duration::from_millis(interval);
    let timeout = annotations.integer(CHECK_TIMEOUT, 1..=LONGEST_MS).map(Duration::from_millis);
    let times = |name, default| number(annotations, name, 1, 1000).unwrap_or(default);
    Some(Check {
        interval,
        unhealthy_interval: interval,
        timeout: timeout.unwrap_or(Duration::from_secs(2).min(interval)),
        healthy: times(CHECK_HEALTHY, 2),
        unhealthy: times(CHECK_UNHEALTHY, 3),
        unhealthy_timeouts: None,
        port: None,
        send: bytes(annotations, CHECK_SEND, report),
        expect: bytes(annotations, CHECK_EXPECT, report),
    })
}

fn bytes(annotations: &Fields<'_>, name: &'static str, report: &Report) -> Arc<[u8]> {
    let text = annotations.text(name).unwrap_or_default();
    match unescape(&text) {
        Ok(bytes) => bytes.into(),
        Err(escape) => {
            let message = format!("{escape:?} is none of \\r, \\n, \\t, \\0, \\\\ and \\x00 to \\xff");
            report.discard(annotations.path(name), message);
            Arc::default()
        }
    }
}

/// Text as bytes, with escapes for those that are none; an escape that is none is the error.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let mut escape = behind.chars();
        let byte = match escape.next() {
            Some('r') => Some(b'\r'),
            Some('n') => Some(b'\n'),
            Some('t') => Some(b'\t'),
            Some('0') => Some(0),
            Some('\\') => Some(b'\\'),
            Some('x') => {
                let digits =
                    [escape.next(), escape.next()].map(|digit| digit.and_then(|digit| digit.to_digit(16)));
                match digits {
                    [Some(high), Some(low)] => u8::try_from(high << 4 | low).ok(),
                    _ => None,
                }
            }
            _ => None,
        };
        match byte {
            Some(byte) => bytes.push(byte),
            None => return Err(format!("\\{}", behind.chars().take(3).collect::<String>())),
        }
        rest = escape.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}
