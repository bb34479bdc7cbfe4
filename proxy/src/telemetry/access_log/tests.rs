use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};

use super::line::{bytes, millis, render};
use super::{AccessLog, Event};
use crate::config::settings::{self, LogFormat, Settings};
use crate::telemetry::queue::Guard;
use crate::telemetry::{CloseReason, ConnSnapshot, LogHandle, Telemetry, TlsFacts};

const PATIENCE: Duration = Duration::from_secs(10);

fn conn(id: u64) -> ConnSnapshot {
    ConnSnapshot {
        id,
        listener: "127.0.0.1:80".parse().unwrap(),
        peer: "10.0.0.1:5000".parse().unwrap(),
        proxy: None,
        mapping: Some("TCPMapping default/pay".into()),
        stats_name: Some("pay".into()),
        sni: None,
        tls: None,
        upstream: Some("[::1]:8080".parse().unwrap()),
        attempts: 1,
        upstream_tls: None,
        relay: Some("kernel"),
        fallback: None,
        bandwidth: None,
        received: 1536,
        sent: 3 << 30,
        received_in_kernel: 1536,
        sent_in_kernel: 3 << 29,
        duration_ms: 12_500,
        connect_us: 840,
        routed: None,
    }
}

fn settings(access: settings::AccessLog) -> settings::Log {
    settings::Log { format: LogFormat::Json, access, ..Settings::default().log }
}

/// Hands over what is written, piece by piece.
struct Pipe(Sender<Vec<u8>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_gone| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines(written: &Receiver<Vec<u8>>) -> Vec<Map<String, Value>> {
    let text = String::from_utf8(written.try_iter().flatten().collect()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_json_line_has_exactly_these_keys() {
    let keys = |event| {
        let line: Value = serde_json::from_str(&render(LogFormat::Json, event, &conn(7))).unwrap();
        let line = line.as_object().unwrap().clone();
        let mut keys: Vec<_> = line.keys().cloned().collect();
        keys.sort();
        (line, keys)
    };
    let mut expected = "alpn attempts bandwidth client_subject connect_us duration_ms event fallback id listener mapping peer \
                        proxy received received_in_kernel relay sent sent_in_kernel sni time tls_cipher tls_resumed \
                        tls_version upstream upstream_tls_cipher upstream_tls_version"
        .split_whitespace()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    for (event, word) in [(Event::Open, "open"), (Event::Alive, "alive")] {
        let (line, keys) = keys(event);
        assert_eq!(keys, expected);
        assert_eq!(line["event"], word);
    }
    let (line, keys) = keys(Event::Close(CloseReason::UpstreamReset));
    expected.extend(["reason".to_owned(), "side".to_owned()]);
    expected.sort();
    assert_eq!(keys, expected);
    assert_eq!(
        (&line["event"], &line["reason"], &line["side"]),
        (&"close".into(), &"upstream_reset".into(), &"upstream".into())
    );
    assert_eq!((&line["id"], &line["fallback"], &line["received"]), (&7.into(), &Value::Null, &1536.into()));
    let time = line["time"].as_str().unwrap();
    assert!(time.starts_with("20") && time.contains('T') && time.ends_with('Z'), "{time}");
}

#[test]
fn a_text_line_reads_at_a_glance() {
    let close = render(LogFormat::Text, Event::Close(CloseReason::UpstreamReset), &conn(7));
    let (time, rest) = close.split_once(' ').unwrap();
    assert!(time.ends_with('Z'), "{close}");
    assert_eq!(
        rest,
        "close #7 TCPMapping default/pay 10.0.0.1:5000 -> 127.0.0.1:80 -> [::1]:8080 relay=kernel \
         received=1.5KiB sent=3.0GiB in_kernel=50% 245.8MiB/s after 12.5s connect=0.8ms upstream_reset by upstream"
    );
    let proxied = ConnSnapshot { proxy: Some("192.0.2.9:81".parse().unwrap()), ..conn(7) };
    let line = render(LogFormat::Text, Event::Alive, &proxied);
    assert!(line.contains(" 10.0.0.1:5000 via 192.0.2.9:81 -> 127.0.0.1:80 -> "), "{line}");
    let held = render(LogFormat::Text, Event::Alive, &ConnSnapshot { bandwidth: Some(10 << 20), ..conn(9) });
    assert!(held.contains(" relay=kernel bandwidth=10.0MiB/s received="), "{held}");
    let stray = ConnSnapshot { mapping: None, upstream: None, relay: None, ..conn(8) };
    let open = render(LogFormat::Text, Event::Open, &stray);
    assert!(open.ends_with("Z open #8 - 10.0.0.1:5000 -> 127.0.0.1:80"), "{open}");
}

#[test]
fn a_line_tells_of_tls_on_both_sides() {
    let tls = TlsFacts {
        version: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256".into(),
        alpn: Some("h2".to_owned()),
        subject: Some("CN=alice\nO=x".to_owned()),
        common_name: Some("alice".to_owned()),
        resumed: true,
    };
    let upstream_tls = TlsFacts { version: "TLSv1.2", alpn: None, subject: None, ..tls.clone() };
    let conn = ConnSnapshot {
        sni: Some("pay.example.com".into()),
        tls: Some(tls.into()),
        upstream_tls: Some(upstream_tls.into()),
        relay: Some("tls"),
        ..conn(7)
    };
    let line: Value = serde_json::from_str(&render(LogFormat::Json, Event::Alive, &conn)).unwrap();
    for (key, expected) in [
        ("sni", "pay.example.com"),
        ("alpn", "h2"),
        ("tls_version", "TLSv1.3"),
        ("tls_cipher", "TLS_AES_128_GCM_SHA256"),
        ("client_subject", "CN=alice\nO=x"),
        ("upstream_tls_version", "TLSv1.2"),
        ("upstream_tls_cipher", "TLS_AES_128_GCM_SHA256"),
    ] {
        assert_eq!(line[key], expected, "{key}");
    }
    assert_eq!(line["tls_resumed"], true);
    let text = render(LogFormat::Text, Event::Open, &conn);
    assert!(
        text.ends_with(
            " -> [::1]:8080 sni=pay.example.com tls=TLSv1.3 TLS_AES_128_GCM_SHA256 alpn=\"h2\" \
             client=\"CN=alice\\nO=x\" upstream_tls=TLSv1.2 TLS_AES_128_GCM_SHA256 relay=tls"
        ),
        "{text}"
    );
}

#[test]
fn sizes_and_times_are_humanised() {
    for (n, expected) in [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.0KiB"),
        (1536, "1.5KiB"),
        (1024 * 1024 - 1, "1.0MiB"),
        (5 << 40, "5.0TiB"),
        (u64::MAX, "16.0EiB"),
    ] {
        assert_eq!(bytes(n), expected);
    }
    for (ms, expected) in [
        (0, "0ms"),
        (999, "999ms"),
        (59_999, "59.9s"),
        (306_000, "5m06s"),
        (25_680_000, "7h08m"),
        (813_600_000, "9d10h"),
    ] {
        assert_eq!(millis(ms), expected);
    }
}

#[test]
fn only_what_the_settings_ask_for_is_written() {
    for (open, close, expected) in [
        (true, true, vec!["open", "close"]),
        (false, true, vec!["close"]),
        (true, false, vec!["open"]),
        (false, false, vec![]),
    ] {
        let (sender, written) = channel();
        let log = settings(settings::AccessLog { close, open, every: None });
        let (access, guard) = AccessLog::start(&log, Pipe(sender), Arc::default());
        let telemetry = Telemetry::with(Some(access), LogHandle::detached(), Arc::default());
        telemetry.opened(&conn(1));
        telemetry.relayed(&conn(1));
        telemetry.closed(&conn(1), CloseReason::Finished);
        drop(guard);
        let events: Vec<_> = lines(&written).iter().map(|line| line["event"].clone()).collect();
        assert_eq!(events, expected, "open {open}, close {close}");
    }
}

#[test]
fn connections_that_live_long_are_told_of_again_and_again() {
    let (sender, written) = channel();
    let every = Some(Duration::from_millis(20));
    let log = settings(settings::AccessLog { close: false, open: false, every });
    let connections = Arc::new(OnceLock::new());
    let young = ConnSnapshot { duration_ms: 19, ..conn(2) };
    let _ = connections.set(Box::new(move || vec![conn(1), young.clone()]) as _);
    let (_access, _guard) = AccessLog::start(&log, Pipe(sender), connections);
    for _ in 0..3 {
        let text = String::from_utf8(written.recv_timeout(PATIENCE).unwrap()).unwrap();
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["event"], &line["id"]), (&"alive".into(), &1.into()), "{text}");
    }
}

/// A writer that stands still until told otherwise, and tells when it was entered.
struct Stuck {
    entered: Sender<()>,
    go: Receiver<()>,
    out: Pipe,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.entered.send(());
        let _ = self.go.recv();
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stuck(capacity: usize) -> (AccessLog, Guard, Receiver<()>, Sender<()>, Receiver<Vec<u8>>) {
    let (entered, is_entered) = channel();
    let (let_go, go) = channel();
    let (sender, written) = channel();
    let log = settings(settings::AccessLog { close: true, open: false, every: None });
    let out = Stuck { entered, go, out: Pipe(sender) };
    let (access, guard) = AccessLog::with_capacity(capacity, &log, out, Arc::default());
    (access, guard, is_entered, let_go, written)
}

#[test]
fn a_stuck_reader_costs_lines_and_nobody_waits() {
    let (access, guard, entered, let_go, written) = stuck(4);
    let telemetry = Telemetry::with(Some(access), LogHandle::detached(), Arc::default());
    let close = |id| telemetry.closed(&conn(id), CloseReason::Finished);
    close(0);
    entered.recv_timeout(PATIENCE).unwrap();
    (1..=10).for_each(close);
    assert!(telemetry.metrics().contains("\nsluice_access_log_lines_lost_total 6\n"));

    drop(let_go);
    drop(guard);
    let ids: Vec<_> = lines(&written).iter().map(|line| line["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4], "what was accepted is written, in order");
    close(11);
    assert!(telemetry.metrics().contains("\nsluice_access_log_lines_lost_total 7\n"), "none after the end");
}

#[test]
fn a_stuck_reader_does_not_keep_the_process_from_ending() {
    let (access, guard, entered, _let_go, _written) = stuck(4);
    access.write(Event::Close(CloseReason::Finished), &conn(1));
    entered.recv_timeout(PATIENCE).unwrap();
    let begun = std::time::Instant::now();
    drop(guard);
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn lines_for_a_closed_pipe_are_lost_and_counted() {
    let (sender, written) = channel();
    drop(written);
    let log = settings(settings::AccessLog { close: true, open: false, every: None });
    let (access, guard) = AccessLog::start(&log, Pipe(sender), Arc::default());
    access.write(Event::Close(CloseReason::Finished), &conn(1));
    drop(guard);
    assert_eq!(access.lost(), 1);
}
