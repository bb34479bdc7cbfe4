//! Kong's files, written and read again.

use super::super::tests::lower;
use crate::config::dialect::write::{Language, write};
use crate::config::model::{Between, Config, Matcher};
use crate::config::settings::Settings;

/// What a route takes, and where to.
type Tried = (Matcher, Between, Option<String>);

/// For each address its routes in order.
fn tried(config: &Config) -> Vec<(String, Vec<Tried>)> {
    let listeners = config.listeners.iter().map(|listener| {
        let routes = listener.routes.iter().map(|route| {
            let service = route.mappings.first().map(|mapping| mapping.service.to_string());
            (route.matcher.clone(), route.between.clone(), service)
        });
        (listener.bind.to_string(), routes.collect())
    });
    listeners.collect()
}

/// Services `a`, `b`, … with these fields of their routes.
fn services(routes: &[&str]) -> String {
    let mut text = "_format_version: '3.0'\nservices:\n".to_owned();
    for (fields, name) in routes.iter().zip(["a", "b", "c", "d"]) {
        text += &format!(
            "- {{name: {name}, host: {name}, port: 1, protocol: tcp, routes: [{{name: {name}, {fields}}}]}}\n"
        );
    }
    text
}

#[test]
fn routes_are_tried_in_the_same_order_again() {
    let tls = "protocols: [tls_passthrough]";
    for (what, listen, routes) in [
        (
            "ports",
            "0.0.0.0:1, 0.0.0.0:2",
            vec![
                "protocols: [tcp], destinations: [{port: 1}]",
                "protocols: [tcp], destinations: [{port: 2}]",
            ],
        ),
        (
            "a route everywhere",
            "0.0.0.0:1, [::]:1, 127.0.0.1:2",
            vec!["protocols: [tcp], sources: [{ip: 10.0.0.0/8}]"],
        ),
        (
            "a family",
            "0.0.0.0:1, [::]:1",
            vec![
                "protocols: [tcp], destinations: [{ip: '::/0', port: 1}]",
                "protocols: [tcp], destinations: [{ip: 0.0.0.0/0, port: 1}]",
            ],
        ),
        (
            "an address behind a wildcard",
            "0.0.0.0:1",
            vec![
                "protocols: [tcp], destinations: [{ip: 10.0.0.1, port: 1}]",
                "protocols: [tcp], destinations: [{port: 1}]",
            ],
        ),
        (
            "sources, narrow ones first",
            "0.0.0.0:1",
            vec![
                "protocols: [tcp], sources: [{ip: 10.0.0.0/8}]",
                "protocols: [tcp], sources: [{ip: 10.1.1.1, port: 7}]",
                "protocols: [tcp], destinations: [{port: 1}]",
            ],
        ),
        (
            "names",
            "0.0.0.0:1 ssl",
            vec![
                &format!("{tls}, snis: ['*.example.com', 'example.*']"),
                &format!("{tls}, snis: [a.example.com]"),
                &format!("{tls}, snis: [a.example.com], sources: [{{ip: 10.0.0.0/8}}]"),
            ],
        ),
    ] {
        let before = lower(&services(&routes), listen);
        let settings = Settings::default();
        let written = write(&before.config, &settings, Language::Kong, true);
        assert_eq!(written.lost, Vec::<String>::new(), "{what}: {}", written.text);
        let listen = written.settings[0].strip_prefix("stream_listen = ").unwrap();
        let after = lower(&written.text, listen);
        assert_eq!(tried(&before.config), tried(&after.config), "{what}: {}", written.text);
    }
}

/// Kong tells a network of one address from the address, and has it come later.
#[test]
fn another_order_is_told() {
    let routes = [
        "protocols: [tcp], sources: [{ip: 10.0.0.0/8, port: 7}]",
        "protocols: [tcp], sources: [{ip: 10.1.1.1/32}]",
    ];
    let before = lower(&services(&routes), "0.0.0.0:1");
    let written = write(&before.config, &Settings::default(), Language::Kong, true);
    let told =
        "service b: Kong tries its route on 0.0.0.0:1 before that of service a, behind which it stands";
    assert_eq!(written.lost, [told], "{}", written.text);
}
