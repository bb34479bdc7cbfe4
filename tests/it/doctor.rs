//! `sluice doctor`: whatever the machine allows, it is told in full.

use serde_json::Value;

use crate::command::{Ended, sluice};

#[test]
fn json_and_exit_code_agree() {
    let Ended { code, stdout, stderr } = sluice(&["doctor", "--format", "json", "--log-filter", "error"]);
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout} {stderr}"));
    let works = report["kernel_relay"].as_bool().unwrap();
    assert_eq!(code, Some(i32::from(!works)), "{stdout}");
    let findings = report["findings"].as_array().unwrap();
    for what in ["kernel version", "CAP_BPF", "relay self-test", "splice(2) between sockets", "local ports"] {
        assert!(findings.iter().any(|finding| finding["what"] == what), "{what}: {stdout}");
    }
    for finding in findings.iter().filter(|finding| finding["state"] != "ok") {
        assert_ne!(finding["remedy"], "", "{finding}");
    }
}

#[test]
fn a_backlog_that_the_kernel_cuts_short_is_degraded() {
    let ended = sluice(&["doctor", "--format", "json", "--backlog", "2147483647"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"));
    let findings = report["findings"].as_array().unwrap();
    let backlog = findings.iter().find(|finding| finding["what"] == "backlog of listening sockets").unwrap();
    assert_eq!(backlog["state"], "degraded", "{backlog}");
    assert!(backlog["remedy"].as_str().unwrap().starts_with("sysctl -w net.core.somaxconn="), "{backlog}");
}

#[test]
fn the_table_has_a_line_a_finding_and_a_verdict() {
    let ended = sluice(&["doctor"]);
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
    let (table, verdict) = ended.stdout.split_once("\n\n").unwrap();
    for line in table.lines() {
        let state = line.split_whitespace().next().unwrap();
        assert!(["ok", "missing", "degraded"].contains(&state), "{line}");
    }
    assert!(verdict.starts_with("sluice "), "{verdict}");
}

#[test]
fn a_relay_that_is_switched_off_is_degraded() {
    let ended = sluice(&["doctor", "--kernel-relay", "false"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("kernel-relay is false"), "{ended:?}");
}
