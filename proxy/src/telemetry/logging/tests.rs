use std::io::{self, Write};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::subscriber::with_default;
use tracing_subscriber::fmt::MakeWriter;

use super::writer::Lines;
use super::{LogError, LogHandle, subscriber};
use crate::config::settings::{Log, LogFormat, Settings};
use crate::telemetry::Telemetry;
use crate::telemetry::queue::Queue;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Buffer {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

fn log(filter: &str, format: LogFormat) -> Log {
    Log { filter: filter.into(), format, ..Settings::default().log }
}

#[test]
fn the_filter_changes_while_running_and_a_bad_one_leaves_it() {
    let buffer = Buffer::default();
    let (subscriber, handle) = subscriber(&log("info", LogFormat::Text), buffer.clone()).unwrap();
    with_default(subscriber, || {
        let written = || {
            tracing::info!("loud");
            tracing::debug!("quiet");
            let text = buffer.take();
            (text.contains("loud"), text.contains("quiet"))
        };
        assert_eq!(handle.current(), "info");
        assert_eq!(written(), (true, false));
        handle.set_filter("warn,sluice::telemetry=debug").unwrap();
        assert_eq!(written(), (true, true));
        assert!(handle.set_filter("debgu").is_err());
        assert_eq!(written(), (true, true));
        handle.set_filter("off").unwrap();
        assert_eq!(written(), (false, false));
        assert_eq!(handle.current(), "off");
    });
}

#[test]
fn json_lines_are_objects() {
    let buffer = Buffer::default();
    let (subscriber, _handle) = subscriber(&log("info", LogFormat::Json), buffer.clone()).unwrap();
    with_default(subscriber, || tracing::info!(listeners = 2, "serving"));
    let line: serde_json::Value = serde_json::from_str(&buffer.take()).unwrap();
    assert_eq!((&line["message"], &line["listeners"]), (&"serving".into(), &2.into()));
}

/// Writes nothing until it is woken.
struct Asleep(Receiver<()>, Buffer);

impl Write for Asleep {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _woken = self.0.recv_timeout(Duration::from_secs(20));
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_sleeps_holds_up_nobody_who_logs() {
    let (wake, woken) = channel();
    let buffer = Buffer::default();
    let (queue, guard) = Queue::start("log", 4, Asleep(woken, buffer.clone()), None, || {});
    let lines = Lines::new(Arc::clone(&queue));
    let (subscriber, _handle) = subscriber(&log("info", LogFormat::Json), lines).unwrap();
    with_default(subscriber, || (0..100).for_each(|n| tracing::info!(n, "noise")));
    // Four wait, and no more than four are with the writer.
    let lost = queue.lost();
    assert!((92..=96).contains(&lost), "lost {lost}");
    drop(wake);
    drop(guard);
    let written = buffer.take();
    for line in written.lines() {
        assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["message"], "noise");
    }
    assert_eq!(written.lines().count() as u64, 100 - lost);
}

#[test]
fn filters_that_would_silence_by_mistake_are_refused() {
    for filter in ["debgu", "info,sluice", "", "info,,", "info=loud", "sluice=debug,=x=y"] {
        let refused = subscriber(&log(filter, LogFormat::Text), Buffer::default()).err();
        assert!(refused.is_some(), "{filter:?}");
    }
    for filter in ["info", "WARN", "off", "info, sluice::relay=debug", "sluice[conn]=trace", "2"] {
        let refused = subscriber(&log(filter, LogFormat::Text), Buffer::default()).err();
        assert!(refused.is_none(), "{filter:?}: {refused:?}");
    }
    let Err(LogError::NotALevel(word)) = LogHandle::detached().set_filter("info,debgu") else { panic!() };
    assert_eq!(word, "debgu");
}

#[test]
fn a_handle_to_nothing_says_so() {
    let handle = LogHandle::detached();
    assert!(matches!(handle.set_filter("debug"), Err(LogError::NotRunning)));
    assert_eq!(handle.current(), "");
}

#[test]
fn a_reason_against_the_kernel_relay_is_told_once() {
    let buffer = Buffer::default();
    let (subscriber, _handle) = subscriber(&log("info", LogFormat::Json), buffer.clone()).unwrap();
    let telemetry = Telemetry::default();
    with_default(subscriber, || {
        for reason in ["urgent", "configured", "urgent", "configured"] {
            telemetry.fell_back(reason);
        }
    });
    let lines = buffer.take();
    let lines: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|l| (l["level"].as_str(), l["reason"].as_str())).collect();
    assert_eq!(told, [(Some("WARN"), Some("urgent")), (Some("INFO"), Some("configured"))]);
    assert!(telemetry.metrics().contains("\nsluice_relay_fallbacks_total{reason=\"urgent\"} 2\n"));
}
