//! Annotations about what endpoints are asked at intervals.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use hyper::http::uri::PathAndQuery;

use super::super::spec::LONGEST_MS;
use super::balancing::number;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::{Check, Question};

pub(in crate::config::dialect::ambassador) const CHECK: &str = "sluice.dev/check-interval-ms";
pub(in crate::config::dialect::ambassador) const CHECK_UNHEALTHY_INTERVAL: &str =
    "sluice.dev/check-unhealthy-interval-ms";
pub(in crate::config::dialect::ambassador) const CHECK_TIMEOUT: &str = "sluice.dev/check-timeout-ms";
pub(in crate::config::dialect::ambassador) const CHECK_HEALTHY: &str = "sluice.dev/check-healthy";
pub(in crate::config::dialect::ambassador) const CHECK_UNHEALTHY: &str = "sluice.dev/check-unhealthy";
pub(in crate::config::dialect::ambassador) const CHECK_UNHEALTHY_TIMEOUTS: &str =
    "sluice.dev/check-unhealthy-timeouts";
pub(in crate::config::dialect::ambassador) const CHECK_PORT: &str = "sluice.dev/check-port";
pub(in crate::config::dialect::ambassador) const CHECK_SEND: &str = "sluice.dev/check-send";
pub(in crate::config::dialect::ambassador) const CHECK_EXPECT: &str = "sluice.dev/check-expect";
pub(in crate::config::dialect::ambassador) const CHECK_HTTP: &str = "sluice.dev/check-http";
pub(in crate::config::dialect::ambassador) const CHECK_HTTPS: &str = "sluice.dev/check-https";

/// Every one of them.
pub(super) const NAMES: [&str; 11] = [
    CHECK,
    CHECK_UNHEALTHY_INTERVAL,
    CHECK_TIMEOUT,
    CHECK_HEALTHY,
    CHECK_UNHEALTHY,
    CHECK_UNHEALTHY_TIMEOUTS,
    CHECK_PORT,
    CHECK_SEND,
    CHECK_EXPECT,
    CHECK_HTTP,
    CHECK_HTTPS,
];

/// What Kubernetes takes for a success too.
const GOOD: RangeInclusive<u16> = 200..=399;

/// What is to be asked; nothing where it is not said how often.
pub(super) fn read(annotations: &Fields<'_>, report: &Report) -> Option<Check> {
    if annotations.raw(CHECK).is_none() {
        // Without it the others would say what is never asked.
        for name in NAMES.into_iter().filter(|name| annotations.raw(name).is_some()) {
            let message = format!("says how to check, but not how often; give {CHECK}");
            report.discard(annotations.path(name), message);
        }
        return None;
    }
    let span = |name, least| annotations.integer(name, least..=LONGEST_MS).map(Duration::from_millis);
    let interval = span(CHECK, 0)?;
    let unhealthy_interval = span(CHECK_UNHEALTHY_INTERVAL, 0).unwrap_or(interval);
    let shortest = [interval, unhealthy_interval].into_iter().filter(|span| !span.is_zero()).min();
    let Some(shortest) = shortest else {
        let message = format!(
            "is 0, which asks no healthy endpoint; give {CHECK_UNHEALTHY_INTERVAL} to ask the others"
        );
        report.discard(annotations.path(CHECK), message);
        return None;
    };
    let times = |name| number(annotations, name, 0, 1000);
    Some(Check {
        interval,
        unhealthy_interval,
        timeout: span(CHECK_TIMEOUT, 1).unwrap_or(Duration::from_secs(2).min(shortest)),
        healthy: times(CHECK_HEALTHY).unwrap_or(2),
        unhealthy: times(CHECK_UNHEALTHY).unwrap_or(3),
        unhealthy_timeouts: times(CHECK_UNHEALTHY_TIMEOUTS),
        port: number(annotations, CHECK_PORT, 1, u16::MAX.into()).and_then(|port| u16::try_from(port).ok()),
        question: question(annotations, report),
    })
}

fn question(annotations: &Fields<'_>, report: &Report) -> Question {
    let http = [(CHECK_HTTP, false), (CHECK_HTTPS, true)]
        .map(|(name, tls)| annotations.filled(name).map(|text| (name, tls, text)));
    let asked: Vec<_> = http.into_iter().flatten().collect();
    let [] = asked[..] else {
        let (name, tls, text) = &asked[0];
        for other in [CHECK_SEND, CHECK_EXPECT, CHECK_HTTPS].into_iter().filter(|other| other != name) {
            if annotations.raw(other).is_some() {
                report.discard(
                    annotations.path(other),
                    format!("asks something else than {name}; remove one of them"),
                );
            }
        }
        return get(annotations, name, *tls, text, report);
    };
    Question::Exchange {
        send: bytes(annotations, CHECK_SEND, report),
        expect: bytes(annotations, CHECK_EXPECT, report),
    }
}

/// `/healthz`, or `/healthz 200-299,404`.
fn get(annotations: &Fields<'_>, name: &str, tls: bool, text: &str, report: &Report) -> Question {
    let words: Vec<_> = text.split_whitespace().collect();
    let statuses = match words[..] {
        [_] => Some(vec![GOOD]),
        [_, statuses] => statuses.split(',').map(read_statuses).collect(),
        _ => None,
    };
    let path = words.first().filter(|path| path.starts_with('/') && PathAndQuery::try_from(**path).is_ok());
    match (path, statuses) {
        (Some(path), Some(statuses)) => Question::Http { tls, path: (*path).into(), statuses },
        _ => {
            let message = format!(
                "{text:?} is no path with statuses behind it; write one such as /healthz, or /healthz 200-299,404"
            );
            report.discard(annotations.path(name), message);
            Question::Http { tls, path: "/".into(), statuses: Vec::new() }
        }
    }
}

/// `204`, or `200-399`.
fn read_statuses(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |digits: &str| digits.parse().ok().filter(|status| (100..=599).contains(status));
    let range = status(first)?..=status(last)?;
    (!range.is_empty()).then_some(range)
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
