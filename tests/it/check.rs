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
    let expected = "0.0.0.0:5432\n  every connection, as it comes\n    to db:5432 (TCPMapping default/db)\n\
                    recognised: Ambassador: 1 TCPMapping\n1 listener, 1 mapping, 0 errors, 0 warnings\n";
    assert_eq!(ended.stdout, expected);
    assert_eq!(ended.stderr, "");
}

#[test]
fn standard_input_is_a_path() {
    let ended = sluice_with(&["check", "-"], &[], GOOD);
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 5), "{ended:?}");
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

/// Whoever brings the files of another system is told what they were taken for.
#[test]
fn what_was_recognised_is_summed_up_and_what_was_not() {
    const OTHERS: &str = "\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec: {tcp: []}
---
apiVersion: getambassador.io/v3alpha1
kind: Mapping
metadata: {name: http}
spec: {prefix: /, service: web}
---
apiVersion: v1
kind: Service
metadata: {name: db}
---
services: {web: {image: nginx}}
volumes: {}
";
    const KONG: &str = "\
_format_version: '3.0'
services:
- {name: a, url: 'tcp://db:5432', routes: [{name: a, protocols: [tcp], destinations: [{port: 5433}]}]}
";
    const HAPROXY: &str = "\
frontend db
    bind *:5432
    default_backend pg
backend pg
    server a 10.0.0.1:5432
";
    let texts = [GOOD, OTHERS, GOOD.trim_end(), "---", KONG].join("\n---\n");
    // Of the same name the last one stays; both were recognised.
    let paths = [file(&texts), file(HAPROXY), file("a: [\n")];
    let words = |format| {
        ["check", "--format", format, "--kong-stream-listen", "0.0.0.0:5433", &paths[0], &paths[1], &paths[2]]
            .map(str::to_owned)
    };
    let run = |format| sluice(&words(format).each_ref().map(String::as_str));
    let ended = run("text");
    assert_eq!(ended.code, Some(64), "{ended:?}");
    let summed: Vec<_> = ended.stdout.lines().filter(|line| line.contains("recognised: ")).collect();
    let expected = [
        "recognised: Ambassador: 2 TCPMapping; Kong: 1 route, 1 service; Kubernetes: 1 Service",
        "not recognised: 1 Mapping (getambassador.io/v3alpha1), 1 VirtualService (networking.istio.io/v1), 1 document \
         that is no YAML, 1 document with services, volumes, 1 text without any field",
    ];
    assert_eq!(summed, expected, "{ended:?}");
    let report: Value = serde_json::from_str(&run("json").stdout).unwrap();
    assert_eq!(report["recognised"]["Kong"]["route"], 1);
    assert_eq!(report["recognised"]["Ambassador"]["TCPMapping"], 2);
    assert_eq!(report["unrecognised"]["VirtualService (networking.istio.io/v1)"], 1);
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

/// A mapping of port 7000 that passes a host's TLS through.
fn passed(name: &str, host: &str, annotation: &str) -> String {
    format!(
        "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\n\
         metadata: {{name: {name}, annotations: {{sluice.dev/tls-mode: passthrough{annotation}}}}}\n\
         spec: {{port: 7000, host: \"{host}\", service: \"{name}:1\"}}\n"
    )
}

#[test]
fn routes_stand_in_the_order_in_which_they_are_tried() {
    let documents = passed("any", "*", "")
        + &passed("wide", "*.com", "")
        + &passed("narrow", "*.example.com", "")
        + &passed("one", "a.example.com", "")
        + &passed("h2", "a.example.com", ", sluice.dev/tls-alpn: h2")
        + &passed("two", "a.example.com", "");
    let path = file(&documents);
    let expected = "\
0.0.0.0:7000
  a.example.com offering h2, TLS is passed through
    to h2:1 (TCPMapping default/h2)
  a.example.com, TLS is passed through
    50 of 100 to one:1 (TCPMapping default/one)
    50 of 100 to two:1 (TCPMapping default/two)
  *.example.com, TLS is passed through
    to narrow:1 (TCPMapping default/narrow)
  *.com, TLS is passed through
    to wide:1 (TCPMapping default/wide)
  TLS of any name or none, TLS is passed through
    to any:1 (TCPMapping default/any)
  anything else: refused
recognised: Ambassador: 6 TCPMapping
1 listener, 6 mappings, 0 errors, 0 warnings
";
    assert_eq!(sluice(&["check", &path]).stdout, expected);
    let report: Value = serde_json::from_str(&sluice(&["check", "--format", "json", &path]).stdout).unwrap();
    let routes = report["served"][0]["routes"].as_array().unwrap();
    let first = |route: &Value| route["mappings"][0]["name"].as_str().unwrap().to_owned();
    let order = ["h2", "one", "narrow", "wide", "any"].map(|name| format!("TCPMapping default/{name}"));
    assert_eq!(routes.iter().map(first).collect::<Vec<_>>(), order);
    assert_eq!(report["served"][0]["bind"], "0.0.0.0:7000");
}

/// Where TLS ends and begins again, by whose certificate: of an example that is served as it stands.
#[test]
fn where_tls_ends_and_begins_is_told() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/examples/tls");
    let made = std::process::Command::new("sh").arg(format!("{folder}/certificates.sh")).output().unwrap();
    let secrets = String::from_utf8(made.stdout).unwrap();
    let ended = sluice_with(&["check", &format!("{folder}/both.yaml"), "-"], &[], &secrets);
    let has = |text: &str| assert!(ended.stdout.contains(text), "{text}: {ended:?}");
    has("  orders.example.com, TLS ends by Host default/example\n");
    has("(TCPMapping default/orders), TLS begins by TLSContext default/upstream\n");
    has("  anything else: refused\n");
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
fn targets_are_told_and_asked_for_one_by_one() {
    let hosts = file("10.0.0.7 db\n10.0.0.8 replica\n");
    let several = "metadata: {annotations: {sluice.dev/targets: 'db:5432 weight 3, replica'}, name: db}";
    let path = file(&GOOD.replace("metadata: {name: db}", several));
    let ended = sluice(&["check", "--resolve", "--hosts-file", &hosts, "--resolv-conf", "/dev/null", &path]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for line in [
        "    to db:5432 weight 3, replica:80 weight 1 (TCPMapping default/db)",
        "TCPMapping default/db: db:5432 is at 10.0.0.7:5432",
        "TCPMapping default/db: replica:80 is at 10.0.0.8:80",
    ] {
        assert!(ended.stdout.lines().any(|told| told == line), "{line}: {ended:?}");
    }
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
    let lines: Vec<&str> = ended.stdout.lines().filter(|line| line.contains(" is at ")).collect();
    let expected = [
        "TCPMapping default/six: db:5432 is at [fd00::7]:5432",
        "TCPMapping default/no: 10.0.0.8:80 is at 10.0.0.8:80",
        "TCPMapping default/db: db:5432 is at [fd00::7]:5432, 10.0.0.7:5432",
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
