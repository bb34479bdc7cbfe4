use std::path::PathBuf;
use std::time::Duration;

use super::super::{Layer, Source, merge};
use super::{file, flags};
use crate::config::settings::{LogFormat, Settings};

fn layers(flag: &[&str], ambassador: &str, in_file: &str) -> [Layer; 3] {
    [
        Layer { source: Source::Flag, says: flags(flag).unwrap() },
        Layer { source: Source::Ambassador, says: file(ambassador) },
        Layer { source: Source::File(PathBuf::from("s.yaml")), says: file(in_file) },
    ]
}

fn merged(flag: &[&str], ambassador: &str, in_file: &str) -> Settings {
    merge(&layers(flag, ambassador, in_file)).unwrap()
}

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(merged(&[], "{}", "{}"), Settings::default());
}

#[test]
fn each_source_overrides_those_below() {
    let in_file =
        r#"{"drain-time": "1s", "ambassador-id": "file", "single-namespace": false, "bind-address": "::3"}"#;
    let ambassador =
        r#"{"drain-time": "2s", "ambassador-id": "env", "single-namespace": true, "bind-address": "::2"}"#;
    let flag = ["--drain-time=3s", "--ambassador-id=flag", "--single-namespace=false", "--bind-address=::1"];
    let seen = |settings: Settings| {
        let ambassador = settings.ambassador;
        let ip = ambassador.bind_address[0].to_string();
        (settings.drain.as_secs(), ambassador.id, ambassador.single_namespace, ip)
    };
    assert_eq!(seen(merged(&[], "{}", in_file)), (1, "file".into(), false, "::3".into()));
    assert_eq!(seen(merged(&[], ambassador, in_file)), (2, "env".into(), true, "::2".into()));
    assert_eq!(seen(merged(&flag, ambassador, in_file)), (3, "flag".into(), false, "::1".into()));
}

#[test]
fn a_flag_overrides_the_file_for_every_type() {
    let in_file = r#"{
        "log-format": "json", "access-log": "open", "admin": "127.0.0.1:1", "idle-timeout": "1s",
        "window-start": "128KiB", "workers": 2, "kernel-relay": false, "log-filter": "warn",
        "label-selector": "a=b", "max-file-size": 4096
    }"#;
    let settings = merged(&[], "{}", in_file);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert!(settings.log.access.open && !settings.log.access.close);
    assert_eq!(settings.admin, Some("127.0.0.1:1".parse().unwrap()));
    assert_eq!(settings.timeouts.idle, Some(Duration::from_secs(1)));
    assert_eq!((settings.kernel.window_start, settings.workers), (128 << 10, 2));
    assert_eq!((settings.log.filter.as_str(), settings.limits.file_bytes), ("warn", 4096));
    assert_eq!((settings.ambassador.label_selector.as_str(), settings.kernel.enabled), ("a=b", false));

    let words = "--log-format=text --access-log=none --admin=none --idle-timeout=none --window-start=512KiB \
                 --workers=0 --kernel-relay=true --log-filter=info --label-selector= --max-file-size=16MiB";
    let settings = merged(&words.split(' ').collect::<Vec<_>>(), "{}", in_file);
    let mut expected = Settings { admin: None, ..Settings::default() };
    expected.kernel.window_start = 512 << 10;
    expected.log.access.close = false;
    assert_eq!(settings, expected);
}

#[test]
fn contradictions_name_who_said_what() {
    let cases: [(&[&str], &str, &str); 4] = [
        (
            &["--window-start=8MiB"],
            "{}",
            "flag or SLUICE_ variable: window-start 8MiB is larger than window-max 4MiB (default); \
             lower window-start, or raise window-max to 8MiB or more",
        ),
        (
            &["--window-max=128KiB"],
            r#"{"window-start": "1MiB"}"#,
            "settings file s.yaml: window-start 1MiB is larger than window-max 128KiB \
             (flag or SLUICE_ variable); lower window-start, or raise window-max to 1MiB or more",
        ),
        (
            &[],
            r#"{"window-max": "128KiB"}"#,
            "default: window-start 256KiB is larger than window-max 128KiB (settings file s.yaml); \
             lower window-start, or raise window-max to 256KiB or more",
        ),
        (
            &["--budget=100KiB"],
            "{}",
            "flag or SLUICE_ variable: budget 100KiB does not hold one connection, two windows of 256KiB \
             (default); raise budget to 512KiB or more, or set 0 to have it derived from memory",
        ),
    ];
    for (flag, in_file, expected) in cases {
        let error = merge(&layers(flag, "{}", in_file)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
