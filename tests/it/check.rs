//! `sluice check`.

use serde_json::Value;

use crate::command::{file, sluice, sluice_with};

const GOOD: &str = "\
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata: {name: db}
spec: {port: 5432, service: db:5432}
";

const BAD: &str = "\
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata: {name: broken}
spec: {port: none, service: db:5432}
";

#[test]
fn a_good_file_is_counted() {
    let ended = sluice(&["check", &file(GOOD)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "1 listener, 1 mapping, 0 errors, 0 warnings\n");
    assert_eq!(ended.stderr, "");
}

#[test]
fn standard_input_is_a_path() {
    let ended = sluice_with(&["check", "-"], &[], GOOD);
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 1), "{ended:?}");
}

#[test]
fn a_mapping_in_error_is_named_and_the_others_counted() {
    let path = file(&format!("{GOOD}---\n{BAD}"));
    let ended = sluice(&["check", &path]);
    assert_eq!(ended.code, Some(64), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let begin = format!("error: {path}#2: TCPMapping default/broken: spec.port: ");
    assert!(lines[0].starts_with(&begin), "{ended:?}");
    assert_eq!(*lines.last().unwrap(), "1 listener, 1 mapping, 1 error, 0 warnings");
}

#[test]
fn json_says_the_same() {
    let path = file(&format!("{GOOD}---\n{BAD}"));
    let ended = sluice(&["check", "--format", "json", &path]);
    assert_eq!(ended.code, Some(64), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&report["listeners"], &report["mappings"], &report["discarded"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(report["diagnostics"][0]["severity"], "error");
    assert_eq!(report["diagnostics"][0]["document"], 2);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let cases = ["/nowhere/mappings.yaml".to_owned(), file("kind: [\n"), file("\0")];
    for path in cases {
        let ended = sluice(&["check", &path]);
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(ended.stdout.starts_with(&format!("error: {path}")), "{ended:?}");
    }
}

#[test]
fn settings_reach_the_check() {
    let staging = GOOD.replace("spec: {", "spec: {ambassador_id: staging, ");
    let path = file(&staging);
    let count = |words: &[&str], variables: &[(&str, &str)]| {
        let words = [&["check", "--format", "json", &path], words].concat();
        let report: Value = serde_json::from_str(&sluice_with(&words, variables, "").stdout).unwrap();
        report["mappings"].as_u64().unwrap()
    };
    let settings = file("ambassador-id: staging\n");
    let from_file: &[&str] = &["--settings", &settings];
    assert_eq!(count(&[], &[]), 0);
    assert_eq!(count(from_file, &[]), 1);
    assert_eq!(count(&[], &[("SLUICE_SETTINGS", &settings)]), 1);
    assert_eq!(count(&[], &[("AMBASSADOR_ID", "staging")]), 1);
    assert_eq!(count(from_file, &[("AMBASSADOR_ID", "other")]), 0);
    assert_eq!(count(&[], &[("AMBASSADOR_ID", "other"), ("SLUICE_AMBASSADOR_ID", "staging")]), 1);
    assert_eq!(count(&["--ambassador-id", "staging"], &[("SLUICE_AMBASSADOR_ID", "other")]), 1);
}

#[test]
fn endpoints_are_asked_for_where_somebody_wants_to_know() {
    let hosts = file("10.0.0.7 db\nfd00::7 db\n");
    let six = GOOD.replace("name: db", "name: six").replace("port: 5432,", "port: 1, enable_ipv4: false,");
    let nowhere =
        GOOD.replace("name: db", "name: no").replace("db:5432", "10.0.0.8").replace("port: 5432", "port: 2");
    let path = file(&[GOOD, &six, &nowhere].join("---\n"));
    let flags = ["--resolve", "--hosts-file", &hosts, "--resolv-conf", "/dev/null"];
    let ended = sluice(&[&["check", &path], &flags[..]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let expected = [
        "TCPMapping default/six: db:5432 is at [fd00::7]:5432",
        "TCPMapping default/no: 10.0.0.8:80 is at 10.0.0.8:80",
        "TCPMapping default/db: db:5432 is at [fd00::7]:5432, 10.0.0.7:5432",
        "3 listeners, 3 mappings, 0 errors, 0 warnings",
    ];
    assert_eq!(lines, expected);

    let (path, options) = (file(&GOOD.replace("db:", "db.test:")), file("options timeout:1 attempts:1\n"));
    let flags = ["--resolve", "--resolv-conf", &options, "--dns-servers", "127.0.0.1:1", "--format", "json"];
    let missing = sluice(&[&["check", &path], &flags[..]].concat());
    assert_eq!(missing.code, Some(0), "what cannot be resolved now may be later: {missing:?}");
    let report: Value = serde_json::from_str(&missing.stdout).unwrap();
    let resolved = &report["resolved"][0];
    assert_eq!(
        (&resolved["mapping"], &resolved["service"]),
        (&"TCPMapping default/db".into(), &"db.test:5432".into())
    );
    assert_eq!(resolved["endpoints"], serde_json::json!([]));
    assert!(resolved["error"].as_str().unwrap().starts_with("db.test has no address"), "{resolved}");
}
