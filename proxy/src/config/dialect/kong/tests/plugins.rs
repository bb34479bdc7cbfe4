//! Plugins: whose they are, which counts, and what is said of those that sluice does not have.

use super::{Outcome, lower};
use crate::config::model::{LogDestination, Route};

/// A route `r` on port 9000 and one `s` on 9001 of one service, with these plugins.
fn with(global: &str, of_service: &str, of_route: &str) -> Outcome {
    let text = format!(
        "
_format_version: '3.0'
plugins: [{global}]
services:
- name: pay
  url: tcp://10.0.0.1:1
  plugins: [{of_service}]
  routes:
  - {{name: r, protocols: [tcp], destinations: [{{port: 9000}}], plugins: [{of_route}]}}
  - {{name: s, protocols: [tcp], destinations: [{{port: 9001}}]}}
"
    );
    lower(&text, "0.0.0.0:9000, 0.0.0.0:9001")
}

fn restriction(config: &str) -> String {
    format!("{{name: ip-restriction, config: {{{config}}}}}")
}

/// What both routes allow and deny.
fn access(outcome: &Outcome) -> [String; 2] {
    let show = |route: &Route| {
        let list = |networks: &[ipnet::IpNet]| {
            networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        format!("+{} -{}", list(&route.access.allow), list(&route.access.deny))
    };
    [0, 1].map(|at| show(&outcome.config.listeners[at].routes[0]))
}

#[test]
fn the_narrowest_restriction_counts() {
    let [global, service, route] =
        ["allow: [10.0.0.0/8]", "deny: [10.1.2.3, '::1']", "allow: [1.1.1.1], deny: [2.0.0.0/7]"];
    let [global, service, route] = [global, service, route].map(restriction);
    let cases = [
        (with(&global, "", ""), ["+10.0.0.0/8 -", "+10.0.0.0/8 -"]),
        (with(&global, &service, ""), ["+ -10.1.2.3/32,::1/128", "+ -10.1.2.3/32,::1/128"]),
        (with(&global, &service, &route), ["+1.1.1.1/32 -2.0.0.0/7", "+ -10.1.2.3/32,::1/128"]),
        (with(&global.replace("config", "enabled: false, config"), "", ""), ["+ -", "+ -"]),
        (with(&global.replace("config", "protocols: [http, tls], config"), "", ""), ["+ -", "+ -"]),
    ];
    for (outcome, expected) in cases {
        assert_eq!(outcome.faults(), Vec::<String>::new());
        assert_eq!(access(&outcome), expected);
    }
}

#[test]
fn plugins_in_lists_of_their_own_name_whose_they_are() {
    let plugin = restriction("allow: [1.1.1.1]").replace("config", "route: r, config");
    assert_eq!(access(&with(&plugin, "", "")), ["+1.1.1.1/32 -", "+ -"]);
    let plugin = restriction("allow: [1.1.1.1]").replace("config", "service: {name: pay}, config");
    assert_eq!(access(&with(&plugin, "", "")), ["+1.1.1.1/32 -", "+1.1.1.1/32 -"]);
}

/// Without it everybody would be let in.
#[test]
fn a_restriction_in_error_takes_its_routes_along() {
    let outcome = with("", "", &restriction("allow: [10.0.0.0/33]"));
    let expected = [
        "kong.yaml#1: route r: services[0].routes[0]: plugin ip-restriction (services[0].routes[0].plugins[0] in \
         kong.yaml#1) is in error, and without it everybody would be let in; the route is discarded",
        "kong.yaml#1: plugin ip-restriction: services[0].routes[0].plugins[0].config.allow[0]: invalid ip or cidr range: \
         \"10.0.0.0/33\"; write 10.1.2.3 or 10.0.0.0/8; the plugin is discarded",
    ];
    assert_eq!(outcome.all(), expected);
    let served = ["0.0.0.0:9000: any goes on, refused", "0.0.0.0:9001: any goes on, service pay 10.0.0.1:1"];
    assert_eq!(outcome.served(), served);
    let outcome = with("", &restriction("status: 403"), "");
    assert!(outcome.all().iter().any(|said| said.contains("at least one of these fields must be non-empty")));
    assert!(outcome.served().iter().all(|line| line.ends_with("refused")));
}

/// Whatever is wrong with it: what it is for, or that its lists are empty.
#[test]
fn a_restriction_that_nobody_understands_lets_nobody_in() {
    let deny = restriction("deny: [10.0.0.0/8]");
    let cases = [
        (deny.replace("config", "protocols: [tpc], config"), "\"tpc\": expected one of: grpc"),
        (deny.replace("config", "protocols: {}, config"), "a mapping is not a string or a list of strings"),
        (restriction("allow: []"), "at least one of these fields must be non-empty"),
        (restriction("deny: [], allow: null"), "at least one of these fields must be non-empty"),
    ];
    for (plugin, expected) in cases {
        let outcome = with("", &plugin, "");
        assert!(outcome.all().iter().any(|said| said.contains(expected)), "{:?}", outcome.all());
        assert!(outcome.served().iter().all(|line| line.ends_with("refused")), "{plugin}");
    }
    let disabled = deny.replace("config", "enabled: false, protocols: [tpc], config");
    assert!(!with("", &disabled, "").served().iter().any(|line| line.ends_with("refused")));
}

#[test]
fn logs_are_sinks_of_their_routes() {
    let outcome = with(
        "{name: file-log, protocols: [tcp], config: {path: /tmp/x.log, reopen: true}}",
        "{name: tcp-log, protocols: [tcp, tls], config: {host: 10.0.0.9, port: 514, tls: true, tls_sni: Log.test}}",
        "{name: http-log, protocols: [tcp], config: {http_endpoint: 'https://log.test/x?y=z', headers: {X-Key: abc}, \
         queue: {max_batch_size: 5}}}",
    );
    assert_eq!(outcome.all(), Vec::<String>::new());
    let sinks = |at: usize| -> Vec<String> {
        let logs = &outcome.config.listeners[at].routes[0].logs;
        assert_eq!(logs.about["service"]["name"], "pay");
        assert_eq!(logs.about["route"]["name"], ["r", "s"][at]);
        assert!(logs.about["service"].get("routes").is_none());
        logs.sinks.iter().map(|sink| format!("{} to {}", sink.name, sink.destination.as_str())).collect()
    };
    let file = "plugin file-log at plugins[0] to file";
    let tcp = "plugin tcp-log at services[0].plugins[0] to tcp";
    let http = "plugin http-log at services[0].routes[0].plugins[0] to http";
    assert_eq!(sinks(0), [file, http, tcp]);
    assert_eq!(sinks(1), [file, tcp]);
    let sink = &outcome.config.listeners[0].routes[0].logs.sinks[1];
    let LogDestination::Http(request) = &sink.destination else { panic!("{sink:?}") };
    assert_eq!((&*request.path, sink.queue.batch.get(), request.headers.len()), ("/x?y=z", 5, 1));
}

#[test]
fn what_is_wrong_with_a_plugin_is_said_at_its_field() {
    let cases = [
        (
            "{name: tcp-log, protocols: [tcp], config: {host: x}}",
            "config.port: is missing; say who takes the lines",
        ),
        ("{name: file-log, protocols: [tcp]}", "config: is missing; say where its lines go"),
        (
            "{name: http-log, protocols: [tcp], config: {http_endpoint: 'log.test'}}",
            "config.http_endpoint: is no URL of http or https without a user; write https://host/path",
        ),
        (
            "{name: file-log, config: {path: /x}}",
            "protocols: must match the associated route's protocols; write protocols: [tcp]",
        ),
        (
            "{name: acl, protocols: [tcp], config: {}}",
            "name: sluice has no plugin \"acl\", and its effect on connections is lacking; it has file-log, http-log, \
             ip-restriction, prometheus, tcp-log: remove it, or its protocols of connections",
        ),
        (
            "{name: file-log, protocols: [tpc], config: {path: /x}}",
            "protocols: \"tpc\": expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp, ws, wss",
        ),
        (
            "{name: file-log, protocols: [tcp], config: {path: /x, pth: 1}}",
            "config.pth: unknown field \"pth\"; did you mean \"path\"?",
        ),
    ];
    for (plugin, expected) in cases {
        let outcome = with("", "", plugin);
        let expected = format!("services[0].routes[0].plugins[0].{expected}; the plugin is discarded");
        assert!(outcome.faults().iter().any(|said| said.ends_with(&expected)), "{:?}", outcome.faults());
        assert_eq!(outcome.served().iter().filter(|line| !line.ends_with("refused")).count(), 2, "{plugin}");
    }
}

#[test]
fn plugins_of_http_and_of_consumers_cost_a_line() {
    let outcome = with("{name: cors}, {name: prometheus, protocols: [tcp]}", "{name: key-auth}", "");
    let expected = [
        "kong.yaml#1: 2 plugins of HTTP passed over",
        "kong.yaml#1: plugin prometheus: plugins[1].name: sluice has metrics of its own, at the admin endpoint's /metrics; \
         passed over",
    ];
    assert_eq!(outcome.all(), expected);
}
