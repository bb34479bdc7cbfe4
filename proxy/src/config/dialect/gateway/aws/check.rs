//! `healthCheckConfig` as a check.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::{Check, Question};

/// How targets are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Http,
    Https,
}

/// Statuses that are good where nobody says which.
const STATUSES: RangeInclusive<u16> = 200..=399;

/// Reads it with the controller's defaults.
pub(super) fn read(fields: &Fields<'_>, report: &Report) -> Check {
    let protocols = [("TCP", Protocol::Tcp), ("HTTP", Protocol::Http), ("HTTPS", Protocol::Https)];
    let protocol = fields.choice("healthCheckProtocol", &protocols).unwrap_or(Protocol::Tcp);
    let seconds = |name, default, least, most| {
        Duration::from_secs(fields.integer(name, least..=most).unwrap_or(default))
    };
    let interval = seconds("healthCheckInterval", 15, 5, 300);
    let timeout = seconds("healthCheckTimeout", 5, 2, 120);
    let count = |name| {
        let count = fields.integer(name, 2..=10).unwrap_or(3);
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let check = Check {
        interval,
        unhealthy_interval: interval,
        timeout,
        healthy: count("healthyThresholdCount"),
        unhealthy: count("unhealthyThresholdCount"),
        unhealthy_timeouts: None,
        port: port(fields, report),
        question: question(fields, protocol, report),
    };
    fields.warn_unknown(&[]);
    check
}

fn question(fields: &Fields<'_>, protocol: Protocol, report: &Report) -> Question {
    let path = fields.filled("healthCheckPath").unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') || path.contains(|c: char| !c.is_ascii_graphic()) {
        let message = format!("{path:?} is no path, such as /healthz");
        report.discard(fields.path("healthCheckPath"), message);
    }
    let statuses = fields.child("matcher").and_then(|matcher| {
        let text = matcher.filled("httpCode");
        if matcher.raw("grpcCode").is_some() {
            report.discard(matcher.path("grpcCode"), "is for application load balancers; write httpCode");
        }
        matcher.warn_unknown(&[]);
        let text = text?;
        let statuses = statuses(&text);
        if statuses.is_none() {
            let message = format!("{text:?} is no list of statuses, such as 200,202 or 200-399");
            report.discard(matcher.path("httpCode"), message);
        }
        statuses
    });
    if protocol == Protocol::Tcp {
        let (send, expect) = Default::default();
        return Question::Exchange { send, expect };
    }
    let statuses = statuses.unwrap_or_else(|| vec![STATUSES]);
    Question::Http { tls: protocol == Protocol::Https, path: path.into(), statuses }
}

/// `200,202` or `200-399`.
fn statuses(text: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let status = |text: &str| text.trim().parse().ok().filter(|status| (200..=599_u16).contains(status));
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = status(first)?..=status(last)?;
        (!range.is_empty()).then_some(range)
    };
    text.split(',').map(range).collect()
}

/// `None` is the port that connections go to.
fn port(fields: &Fields<'_>, report: &Report) -> Option<u16> {
    let text = fields.filled("healthCheckPort")?;
    match text.trim().parse() {
        Ok(port) if port > 0 => Some(port),
        _ if text.trim() == "traffic-port" => None,
        _ => {
            let message = format!("{text:?} is neither a port from 1 to 65535 nor traffic-port");
            report.discard(fields.path("healthCheckPort"), message);
            None
        }
    }
}
