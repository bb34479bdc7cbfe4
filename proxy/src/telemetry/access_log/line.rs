//! One line of the access log, for machines or for people.

use std::fmt::Write;
use std::net::SocketAddr;

use serde::Serialize;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::super::{ConnSnapshot, Side};
use super::Event;
use crate::config::settings::LogFormat;

/// The line, without its end.
pub(super) fn render(format: LogFormat, event: Event, conn: &ConnSnapshot) -> String {
    match format {
        LogFormat::Json => json(event, conn),
        LogFormat::Text => text(event, conn),
    }
}

/// The keys and their order.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    time: String,
    id: u64,
    mapping: Option<&'a str>,
    listener: SocketAddr,
    peer: SocketAddr,
    proxy: Option<SocketAddr>,
    sni: Option<&'a str>,
    alpn: Option<&'a str>,
    tls_version: Option<&'static str>,
    tls_cipher: Option<&'a str>,
    tls_resumed: Option<bool>,
    client_subject: Option<&'a str>,
    upstream: Option<SocketAddr>,
    attempts: u32,
    upstream_tls_version: Option<&'static str>,
    upstream_tls_cipher: Option<&'a str>,
    relay: Option<&'static str>,
    fallback: Option<&'static str>,
    bandwidth: Option<u64>,
    received: u64,
    sent: u64,
    received_in_kernel: u64,
    sent_in_kernel: u64,
    duration_ms: u64,
    connect_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'static str>,
}

fn json(event: Event, conn: &ConnSnapshot) -> String {
    let ended = match event {
        Event::Close(reason) => Some(reason),
        Event::Open | Event::Alive => None,
    };
    let (tls, upstream_tls) = (conn.tls.as_deref(), conn.upstream_tls.as_deref());
    let line = Line {
        event: word(event),
        time: now(),
        id: conn.id,
        mapping: conn.mapping.as_deref(),
        listener: conn.listener,
        peer: conn.peer,
        proxy: conn.proxy,
        sni: conn.sni.as_deref(),
        alpn: tls.and_then(|tls| tls.alpn.as_deref()),
        tls_version: tls.map(|tls| tls.version),
        tls_cipher: tls.map(|tls| &*tls.cipher),
        tls_resumed: tls.map(|tls| tls.resumed),
        client_subject: tls.and_then(|tls| tls.subject.as_deref()),
        upstream: conn.upstream,
        attempts: conn.attempts,
        upstream_tls_version: upstream_tls.map(|tls| tls.version),
        upstream_tls_cipher: upstream_tls.map(|tls| &*tls.cipher),
        relay: conn.relay,
        fallback: conn.fallback,
        bandwidth: conn.bandwidth,
        received: conn.received,
        sent: conn.sent,
        received_in_kernel: conn.received_in_kernel,
        sent_in_kernel: conn.sent_in_kernel,
        duration_ms: conn.duration_ms,
        connect_us: conn.connect_us,
        reason: ended.map(|r| r.as_str()),
        side: ended.map(|r| r.side().as_str()),
    };
    // Numbers, strings and addresses: there is nothing in it that JSON could refuse.
    serde_json::to_string(&line).unwrap_or_default()
}

/// `2026-01-01T00:00:00Z close #7 TCPMapping default/pay 10.0.0.1:5000 -> [::]:443 -> 10.0.0.2:80
/// sni=pay.example.com tls=TLSv1.3 upstream_tls=TLSv1.2 relay=kernel received=1.2MiB sent=3.0GiB in_kernel=100% 12.5s 250.3MiB/s connect=0.8ms finished`
fn text(event: Event, conn: &ConnSnapshot) -> String {
    let mapping = conn.mapping.as_deref().unwrap_or("-");
    let mut line = format!("{} {} #{} {mapping} {}", now(), word(event), conn.id, conn.peer);
    // Writing to a String cannot fail.
    if let Some(proxy) = conn.proxy {
        let _ = write!(line, " via {proxy}");
    }
    let _ = write!(line, " -> {}", conn.listener);
    if let Some(upstream) = conn.upstream {
        let _ = write!(line, " -> {upstream}");
    }
    // The usual one says nothing.
    if conn.attempts > 1 {
        let _ = write!(line, " attempts={}", conn.attempts);
    }
    security(&mut line, conn);
    if let Some(relay) = conn.relay {
        let _ = write!(line, " relay={relay}");
    }
    if let Some(reason) = conn.fallback {
        let _ = write!(line, " ({reason})");
    }
    if let Some(bandwidth) = conn.bandwidth {
        let _ = write!(line, " bandwidth={}/s", bytes(bandwidth));
    }
    if event != Event::Open {
        amounts(&mut line, conn);
    }
    if let Event::Close(reason) = event {
        let _ = write!(line, " {}", reason.as_str());
        if reason.side() != Side::None {
            let _ = write!(line, " by {}", reason.side().as_str());
        }
    }
    line
}

fn security(line: &mut String, conn: &ConnSnapshot) {
    if let Some(sni) = &conn.sni {
        let _ = write!(line, " sni={sni}");
    }
    if let Some(tls) = &conn.tls {
        let _ = write!(line, " tls={} {}", tls.version, tls.cipher);
        // Quoted, since peers have a say in them.
        if let Some(alpn) = &tls.alpn {
            let _ = write!(line, " alpn={alpn:?}");
        }
        if let Some(subject) = &tls.subject {
            let _ = write!(line, " client={subject:?}");
        }
    }
    if let Some(tls) = &conn.upstream_tls {
        let _ = write!(line, " upstream_tls={} {}", tls.version, tls.cipher);
    }
}

fn amounts(line: &mut String, conn: &ConnSnapshot) {
    let _ = write!(line, " received={} sent={}", bytes(conn.received), bytes(conn.sent));
    let all = conn.received + conn.sent;
    if all > 0 {
        let in_kernel = conn.received_in_kernel + conn.sent_in_kernel;
        let per_second = u128::from(all) * 1000 / u128::from(conn.duration_ms.max(1));
        let per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
        let percent = u128::from(in_kernel) * 100 / u128::from(all);
        let _ = write!(line, " in_kernel={percent}% {}/s", bytes(per_second));
    }
    let _ = write!(line, " after {}", millis(conn.duration_ms));
    if conn.connect_us > 0 {
        let _ = write!(line, " connect={:.1}ms", conn.connect_us as f64 / 1000.0);
    }
}

fn word(event: Event) -> &'static str {
    match event {
        Event::Open => "open",
        Event::Alive => "alive",
        Event::Close(_) => "close",
    }
}

/// RFC 3339, as the log's own lines have it.
fn now() -> String {
    let mut time = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

/// `0B`, `999B`, `1.5KiB`, `2.0GiB`.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n}B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    // What would be written as 1024.0 is one of the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1}{}", UNITS[unit])
}

/// `12ms`, `3.4s`, `5m06s`, `7h08m`, `9d10h`.
pub(super) fn millis(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        _ if ms < 1000 => format!("{ms}ms"),
        _ if s < 60 => format!("{s}.{}s", ms % 1000 / 100),
        _ if s < 3600 => format!("{}m{:02}s", s / 60, s % 60),
        _ if s < 86_400 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d{:02}h", s / 86_400, s / 3600 % 24),
    }
}
