//! Command lines and settings that are wrong, and those that ask for help.

use crate::command::{file, sluice, sluice_with};

#[test]
fn help_and_version_are_no_failure() {
    for words in [&["--help"][..], &["--version"], &["run", "--help"], &["check", "-h"], &["help", "doctor"]]
    {
        let ended = sluice(words);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{words:?}");
        assert!(ended.stdout.contains("sluice"), "{words:?}: {ended:?}");
    }
}

#[test]
fn a_bad_command_line_exits_64() {
    let cases: [(&[&str], &str); 6] = [
        (&[], "Usage: sluice <COMMAND>"),
        (&["serve"], "unrecognized subcommand 'serve'"),
        (&["run"], "<PATH>..."),
        (&["run", "--drain-tme", "3s", "m.yaml"], "'--drain-time'"),
        (&["run", "--drain-time", "3", "m.yaml"], "'--drain-time <DURATION>': time unit needed"),
        (&["doctor", "--format", "xml"], "[possible values: text, json]"),
    ];
    for (words, expected) in cases {
        let ended = sluice(words);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{words:?}: {ended:?}");
    }
}

#[test]
fn a_bad_variable_is_named() {
    let cases = [
        ("SLUICE_WORKERS", "many", "environment variable SLUICE_WORKERS"),
        ("AMBASSADOR_DRAIN_TIME", "10m", "AMBASSADOR_DRAIN_TIME=\"10m\": not a whole number of seconds"),
    ];
    for (name, value, expected) in cases {
        let ended = sluice_with(&["check", "-"], &[(name, value)], "");
        assert_eq!(ended.code, Some(64), "{name}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{name}: {ended:?}");
    }
}

#[test]
fn a_bad_settings_file_is_explained() {
    let missing = "/nowhere/s.yaml".to_owned();
    let cases = [
        (file("drain-tme: 3s\n"), "line 1: unknown key `drain-tme`; did you mean `drain-time`?"),
        (file("workers: 3\ndrain-time: soon\n"), "drain-time: \"soon\": expected number at 0"),
        (file("log-kernel: 7\n"), "log-kernel: invalid type: integer `7`, expected a boolean"),
        (file("window-start: 1GiB\n"), "not between 64KiB and 64MiB"),
        (file("window-start: 8MiB\n"), "window-start 8MiB is larger than window-max 4MiB (default)"),
        (file("[workers]\n"), "not a mapping"),
        (missing, "No such file or directory"),
    ];
    for (path, expected) in cases {
        let ended = sluice(&["run", "--settings", &path, "m.yaml"]);
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(ended.stderr.contains(expected) && ended.stderr.contains(&path), "{expected}: {ended:?}");
    }
}

#[test]
fn nothing_to_serve_exits_64() {
    let ended = sluice(&["run", "--admin", "none", "--kernel-relay", "false", &file("# nothing\n")]);
    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert!(ended.stderr.contains("nothing to serve"), "{ended:?}");
}
