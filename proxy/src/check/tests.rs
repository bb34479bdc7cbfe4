use std::path::PathBuf;

use super::{Format, Report};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::inventory::Inventory;
use crate::config::model::Config;

fn finding(severity: Severity, discarded: bool) -> Diagnostic {
    Diagnostic {
        severity,
        file: PathBuf::from("m.yaml"),
        document: 2,
        resource: "TCPMapping default/pay".to_owned(),
        field: "spec.port".to_owned(),
        message: "is \"a\nb\"; write a number".to_owned(),
        discarded,
    }
}

fn written(diagnostics: &[Diagnostic], format: Format) -> String {
    let (config, inventory) = (Config::default(), Inventory::default());
    let report = Report {
        diagnostics,
        config: &config,
        served: Vec::new(),
        status: &[],
        resolved: None,
        inventory: &inventory,
        listeners: 1,
        mappings: 2,
        discarded: 1,
    };
    let mut out = Vec::new();
    report.write(format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn text_has_a_line_a_finding_and_a_summary() {
    let found = [finding(Severity::Error, true), finding(Severity::Info, false)];
    assert_eq!(
        written(&found, Format::Text),
        "error: m.yaml#2: TCPMapping default/pay: spec.port: is \"a b\"; write a number\n\
         info: m.yaml#2: TCPMapping default/pay: spec.port: is \"a b\"; write a number\n\
         1 listener, 2 mappings, 1 error, 0 warnings\n"
    );
}

#[test]
fn json_has_every_field() {
    let json: serde_json::Value =
        serde_json::from_str(&written(&[finding(Severity::Error, true)], Format::Json)).unwrap();
    assert_eq!(json["discarded"], 1);
    assert_eq!(json["diagnostics"][0]["severity"], "error");
    assert_eq!(json["diagnostics"][0]["field"], "spec.port");
}

#[test]
fn only_what_costs_something_is_bad() {
    let cases = [
        (finding(Severity::Info, false), true),
        (finding(Severity::Warning, false), true),
        (finding(Severity::Error, false), false),
        (finding(Severity::Warning, true), false),
    ];
    for (diagnostic, good) in cases {
        let discarded = usize::from(diagnostic.discarded);
        let (diagnostics, config) = (std::slice::from_ref(&diagnostic), Config::default());
        let (served, inventory) = (Vec::new(), Inventory::default());
        let report = Report {
            diagnostics,
            config: &config,
            served,
            status: &[],
            resolved: None,
            inventory: &inventory,
            listeners: 0,
            mappings: 0,
            discarded,
        };
        assert_eq!(report.is_good(), good, "{diagnostic:?}");
    }
}
