//! What a mapping asks of sluice beyond its CRD, as annotations, and its circuit breakers.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::overrides::names as n;
use super::Standing;
use super::mapping::passes_through;
use crate::config::dialect::log_to;
use crate::config::dialect::write::Draft;
use crate::config::model::{
    Balancing, Check, Ejection, Mapping, Matcher, Prelude, ProxyVersion, Question, Rate, RelayChoice,
    Resolution, Route, SanPattern,
};

type Notes = Map<String, Value>;

/// The annotations, and `circuit_breakers`.
pub(super) fn of(standing: &Standing<'_>, draft: &mut Draft<'_>) -> (Notes, Value) {
    let Standing { prelude, route, mapping, .. } = standing;
    let mut notes = Notes::new();
    if mapping.relay == RelayChoice::Splice {
        note(&mut notes, n::RELAY, "splice");
    }
    if passes_through(route) {
        note(&mut notes, n::MODE, "passthrough");
    }
    if let Matcher::Tls { alpn, .. } = &route.matcher
        && !alpn.is_empty()
    {
        let alpn: Vec<_> = alpn.iter().map(|protocol| String::from_utf8_lossy(protocol)).collect();
        note(&mut notes, n::ALPN, alpn.join(","));
    }
    // One word for both sides.
    if let Some(Prelude::Postgres) = mapping.prelude.or(*prelude) {
        note(&mut notes, n::STARTTLS, "postgres");
    }
    if let Some(version) = mapping.proxy_protocol {
        note(&mut notes, n::SEND, ProxyVersion::as_str(version));
    }
    timeouts(mapping, draft, &mut notes);
    limits(mapping, &mut notes);
    balancing(mapping, &mut notes);
    to_route(route, mapping, draft, &mut notes);
    let breakers = &mapping.limits;
    let said = breakers.connections.or(breakers.pending).or(breakers.retries).is_some();
    let breakers = said.then(|| {
        json!([{
            "max_connections": breakers.connections,
            "max_pending_requests": breakers.pending,
            "max_retries": breakers.retries,
        }])
    });
    (notes, json!(breakers))
}

/// What the whole route has, and so each of its mappings says.
fn to_route(route: &Route, mapping: &Mapping, draft: &mut Draft<'_>, notes: &mut Notes) {
    for (name, networks) in [(n::ALLOW, &route.access.allow), (n::DENY, &route.access.deny)] {
        let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
        if !networks.is_empty() {
            note(notes, name, networks.join(","));
        }
    }
    let urls: Option<Vec<_>> = route.logs.sinks.iter().map(|sink| log_to::url(sink)).collect();
    match urls {
        Some(urls) if urls.is_empty() => {}
        Some(urls) => note(notes, n::LOG_TO, urls.join(",")),
        None => draft.lose(
            &mapping.name.0,
            "tells sinks of its connections in a way that no URL says; write sluice.dev/log-to yourself",
        ),
    }
}

/// Text, since Kubernetes takes nothing else in annotations.
pub(super) fn note(notes: &mut Notes, name: &str, value: impl ToString) {
    notes.insert(name.to_owned(), json!(value.to_string()));
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Names to look for in the upstream's certificate.
pub(super) fn sans(names: &[SanPattern]) -> String {
    let words = names.iter().map(|name| match name {
        SanPattern::Dns(name) => format!("dns:{name}"),
        SanPattern::Uri(uri) => format!("uri:{uri}"),
        SanPattern::Ip(ip) => format!("ip:{ip}"),
    });
    words.collect::<Vec<_>>().join(",")
}

fn timeouts(mapping: &Mapping, draft: &Draft<'_>, notes: &mut Notes) {
    let (own, default) = (&mapping.timeouts, &draft.settings.timeouts);
    if own.connect != default.connect {
        note(notes, n::CONNECT, millis(own.connect));
    }
    let spans =
        [(n::HALF_CLOSED, own.half_closed, default.half_closed), (n::MAX_AGE, own.max_age, default.max_age)];
    for (name, own, default) in spans {
        if own != default {
            note(notes, name, own.map_or(0, millis));
        }
    }
}

fn limits(mapping: &Mapping, notes: &mut Notes) {
    let limits = &mapping.limits;
    rate(limits.rate, [n::RATE, n::BURST], notes);
    rate(limits.source.rate, [n::SOURCE_RATE, n::SOURCE_BURST], notes);
    if let Some(most) = limits.source.connections {
        note(notes, n::PER_SOURCE, most);
    }
    if let Some(bandwidth) = limits.bandwidth {
        note(notes, n::BANDWIDTH, bandwidth);
    }
}

/// In the smallest unit that tells the interval exactly enough to be read as it was.
fn rate(rate: Option<Rate>, [name, burst_name]: [&str; 2], notes: &mut Notes) {
    let Some(Rate { interval, burst }) = rate else { return };
    for (unit, word) in [(1, "s"), (60, "m"), (3600, "h")] {
        let unit = Duration::from_secs(unit);
        let number = (unit.as_nanos() + interval.as_nanos() / 2) / interval.as_nanos().max(1);
        let Some(number) = u32::try_from(number).ok().and_then(NonZeroU32::new) else { continue };
        if unit / number.get() == interval {
            note(notes, name, format!("{number}/{word}"));
            note(notes, burst_name, burst);
            return;
        }
    }
}

fn balancing(mapping: &Mapping, notes: &mut Notes) {
    let default = Balancing::default();
    let Balancing { policy, attempts, backup, source, ejection, check, slow_start, quorum } =
        &mapping.balancing;
    if *policy != default.policy {
        note(notes, n::POLICY, policy.as_str());
    }
    if *attempts != default.attempts {
        note(notes, n::ATTEMPTS, attempts);
    }
    if let Some(backup) = backup {
        let scheme = if mapping.originate.is_some() { "https://" } else { "" };
        note(notes, n::BACKUP, format!("{scheme}{backup}"));
    }
    let sources: Vec<_> = source
        .ipv4
        .map(|ip| ip.to_string())
        .into_iter()
        .chain(source.ipv6.map(|ip| ip.to_string()))
        .collect();
    if !sources.is_empty() {
        note(notes, n::SOURCE, sources.join(","));
    }
    if *slow_start != default.slow_start {
        note(notes, n::SLOW_START, millis(*slow_start));
    }
    if let Some(quorum) = quorum {
        note(notes, n::QUORUM, quorum);
    }
    if let Resolution::Targets(targets) = &mapping.resolution {
        let words = targets.iter().map(|target| format!("{} weight {}", target.service, target.weight));
        note(notes, n::TARGETS, words.collect::<Vec<_>>().join(", "));
    }
    eject(ejection, &default.ejection, notes);
    if let Some(check) = check {
        self::check(check, notes);
    }
}

fn eject(own: &Ejection, default: &Ejection, notes: &mut Notes) {
    let Ejection { after, after_timeouts, base, most, share } = own;
    if *after != default.after {
        note(notes, n::EJECT_AFTER, after);
    }
    if let Some(after) = after_timeouts {
        note(notes, n::EJECT_AFTER_TIMEOUTS, after);
    }
    match base {
        None => note(notes, n::EJECT, 0),
        Some(base) if (own.base, most) != (default.base, &default.most) => {
            note(notes, n::EJECT, millis(*base));
            note(notes, n::EJECT_MOST, millis(*most));
        }
        Some(_) => {}
    }
    if *share != default.share {
        note(notes, n::EJECT_SHARE, share);
    }
}

fn check(check: &Check, notes: &mut Notes) {
    let Check {
        interval,
        unhealthy_interval,
        timeout,
        healthy,
        unhealthy,
        unhealthy_timeouts,
        port,
        question,
    } = check;
    note(notes, n::CHECK, millis(*interval));
    if unhealthy_interval != interval {
        note(notes, n::CHECK_UNHEALTHY_INTERVAL, millis(*unhealthy_interval));
    }
    note(notes, n::CHECK_TIMEOUT, millis(*timeout));
    note(notes, n::CHECK_HEALTHY, healthy);
    note(notes, n::CHECK_UNHEALTHY, unhealthy);
    if let Some(timeouts) = unhealthy_timeouts {
        note(notes, n::CHECK_UNHEALTHY_TIMEOUTS, timeouts);
    }
    if let Some(port) = port {
        note(notes, n::CHECK_PORT, port);
    }
    match question {
        Question::Exchange { send, expect } => {
            for (name, bytes) in [(n::CHECK_SEND, send), (n::CHECK_EXPECT, expect)] {
                if !bytes.is_empty() {
                    note(notes, name, escape(bytes));
                }
            }
        }
        Question::Http { tls, path, statuses } => {
            let ranges = statuses.iter().map(|range| format!("{}-{}", range.start(), range.end()));
            let ranges = ranges.collect::<Vec<_>>().join(",");
            note(notes, if *tls { n::CHECK_HTTPS } else { n::CHECK_HTTP }, format!("{path} {ranges}"));
        }
    }
}

/// As `check-send` takes it: whatever is not plain ASCII as `\x00`.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\\' => text += "\\\\",
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text += &format!("\\x{byte:02x}"),
        }
    }
    text
}
