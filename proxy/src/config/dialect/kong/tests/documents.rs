//! What a file may look like: versions, forms, references, decK's extras.

use std::path::Path;
use std::sync::Arc;

use super::{lower, lower_with, with_route};
use crate::config::dialect;
use crate::config::dialect::kong::looks_like_one;

const ROUTE: &str = "protocols: [tcp], destinations: [{port: 9000}]";

#[test]
fn nested_and_flat_forms_are_one() {
    let cases = [
        format!("services: [{{name: pay, url: 'tcp://10.0.0.1:5', routes: [{{name: r, {ROUTE}}}]}}]"),
        format!(
            "services: [{{name: pay, protocol: tcp, host: 10.0.0.1, port: 5}}]\nroutes: [{{service: pay, {ROUTE}}}]"
        ),
        format!(
            "services: [{{id: x, name: pay, url: 'tcp://10.0.0.1:5'}}]\nroutes: [{{service: x, {ROUTE}}}]"
        ),
        format!(
            "services: [{{id: x, name: pay, url: 'tcp://10.0.0.1:5'}}]\nroutes: [{{service: {{id: x}}, {ROUTE}}}]"
        ),
        format!(
            "routes: [{{service: {{name: pay}}, {ROUTE}}}]\nservices: [{{name: pay, url: 'tcp://10.0.0.1:5'}}]"
        ),
        format!(
            "{{\"services\": [{{\"name\": \"pay\", \"url\": \"tcp://10.0.0.1:5\", \"routes\": [{{{ROUTE}}}]}}]}}"
        ),
    ];
    for text in cases {
        for version in ["'1.1'", "'2.1'", "\"3.0\"", "3.0"] {
            // As JSON it begins with a brace.
            let text = match text.strip_prefix('{') {
                Some(rest) => format!("{{\"_format_version\": {version}, {rest}"),
                None => format!("_format_version: {version}\n{text}"),
            };
            let outcome = lower(&text, "0.0.0.0:9000");
            assert_eq!(outcome.faults(), Vec::<String>::new(), "{text}");
            assert_eq!(outcome.only().name.to_string(), "service pay");
            assert_eq!(outcome.only().service.to_string(), "10.0.0.1:5");
        }
    }
}

#[test]
fn urls_have_the_ports_that_kong_gives_them() {
    let cases = [
        ("tcp://pay", "pay:80"),
        ("tls://pay", "pay:80"),
        ("https://pay/x", "pay:443"),
        ("http://pay/", "pay:80"),
        ("tcp://[fd00::1]:7", "[fd00::1]:7"),
        ("tcp://PAY.internal.:7", "pay.internal.:7"),
    ];
    for (url, expected) in cases {
        let text =
            format!("_format_version: '3.0'\nservices: [{{name: pay, url: '{url}', routes: [{{{ROUTE}}}]}}]");
        assert_eq!(lower(&text, "0.0.0.0:9000").only().service.to_string(), expected, "{url}");
    }
}

#[test]
fn a_version_that_does_not_exist_is_named() {
    for (version, shown) in [("'4.0'", "\"4.0\""), ("true", "true"), ("'2'", "\"2\"")] {
        let outcome = lower(&format!("_format_version: {version}\nservices: []"), "off");
        let expected = format!(
            "kong.yaml#1: _format_version: {shown} is none of \"1.1\", \"2.1\", \"3.0\"; the document is discarded"
        );
        assert_eq!(outcome.all(), [expected]);
    }
    let (documents, errors) =
        dialect::parse(&Arc::from(Path::new("kong.yaml")), "upstreams: []\n---\nservces: []");
    assert_eq!(errors, []);
    assert_eq!([0, 1].map(|at: usize| looks_like_one(&documents[at].value)), [true, false]);
    for text in ["services: []", "_format_version: null"] {
        let expected = "kong.yaml#1: _format_version: is missing; write \"3.0\", or \"1.1\" or \"2.1\" if it is Kong's of \
                        that time; the document is discarded";
        assert_eq!(lower(text, "off").all(), [expected]);
    }
}

#[test]
fn what_deck_adds_is_taken() {
    let text = "
_format_version: '3.0'
_transform: true
_comment: hello
_ignore: [x]
_workspace: default
_konnect: {control_plane_name: x}
_info: {select_tags: [a], defaults: {service: {protocol: tcp, retries: 2}, route: {protocols: [tcp]}}}
services:
- name: ${{ env \"DECK_NAME\" }}
  host: 10.0.0.1
  port: ${{ env \"DECK_PORT\" | toInt }}
  routes: [{name: r, destinations: [{port: 9000}]}]
";
    let outcome = lower(text, "0.0.0.0:9000");
    assert_eq!(outcome.all(), Vec::<String>::new());
    assert_eq!(outcome.served(), ["0.0.0.0:9000: any goes on, service pay 10.0.0.1:5432"]);
    assert_eq!(outcome.only().balancing.attempts, 3);
}

/// As decK does it: at every depth, for null too, and behind a URL.
#[test]
fn defaults_fill_in_what_is_lacking() {
    let text = "
_format_version: '3.0'
_info:
  defaults:
    service: {protocol: tls, port: 5432}
    route: {protocols: [tcp]}
    upstream: {healthchecks: {active: {type: tcp, healthy: {interval: 5}, unhealthy: {interval: 7}}}}
services:
- {name: a, host: up, protocol: tcp, port: null, routes: [{destinations: [{port: 9000}]}]}
- {name: b, url: 'tcp://10.0.0.2:6', routes: [{destinations: [{port: 9001}]}]}
upstreams:
- {name: up, healthchecks: {active: {healthy: {successes: 2}, unhealthy: {interval: 9}}}, targets: [{target: '10.0.0.1:1'}]}
";
    let outcome = lower(text, "0.0.0.0:9000, 0.0.0.0:9001");
    assert_eq!(outcome.all(), Vec::<String>::new());
    let services =
        ["0.0.0.0:9000: any goes on, service a up:5432", "0.0.0.0:9001: any goes on, service b 10.0.0.2:6"];
    assert_eq!(outcome.served(), services);
    let mapping = outcome.config.mappings().next().unwrap();
    let check = mapping.balancing.check.as_ref().unwrap();
    let spans = (check.interval.as_secs(), check.healthy, check.unhealthy_interval.as_secs());
    assert_eq!(spans, (5, 2, 9));
}

/// decK's `_plugin_configs`: what a plugin says itself counts, and the rest comes from there.
#[test]
fn plugins_have_configs_in_common() {
    let with = |plugin: &str| {
        lower(
            &format!(
                "
_format_version: '3.0'
_plugin_configs: {{office: {{allow: [10.0.0.0/8], deny: ['10.${{{{ env \"DECK_PORT\" }}}}']}}, ours: {{allow: [10.0.0.0/8], deny: [10.1.0.0/16]}}}}
services:
- name: pay
  url: tcp://10.0.0.1:1
  routes: [{{name: r, {ROUTE}}}]
  plugins: [{{name: ip-restriction, {plugin}}}]
"
            ),
            "0.0.0.0:9000",
        )
    };
    let outcome = with("_config: ours, config: {allow: [10.0.0.0/9]}");
    assert_eq!(outcome.all(), Vec::<String>::new());
    let access = &outcome.config.listeners[0].routes[0].access;
    let lists =
        [&access.allow, &access.deny].map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(lists, [["10.0.0.0/9"], ["10.1.0.0/16"]]);

    let cases = [
        (
            "_config: theirs, config: {deny: [1.1.1.1]}",
            "_config: \"theirs\" is none of _plugin_configs; declare it there",
        ),
        (
            "_config: office",
            "config.deny[0]: invalid ip or cidr range: \"10.5432\"; write 10.1.2.3 or 10.0.0.0/8",
        ),
    ];
    for (plugin, expected) in cases {
        let outcome = with(plugin);
        let expected = format!("services[0].plugins[0].{expected}; the plugin is discarded");
        assert!(outcome.faults().iter().any(|said| said.ends_with(&expected)), "{:?}", outcome.faults());
        assert_eq!(outcome.served(), ["0.0.0.0:9000: any goes on, refused"]);
    }
}

/// As JSON comes from Kong, whose Lua makes `{}` of every empty table.
#[test]
fn an_empty_table_is_an_empty_list() {
    let text = format!(
        "{{\"_format_version\": \"3.0\", \"plugins\": {{}}, \"services\": [{{\"name\": \"pay\", \"url\": \"tls://10.0.0.1:5\", \
         \"ca_certificates\": {{}}, \"routes\": [{{{ROUTE}, \"snis\": {{}}, \"sources\": {{}}, \"plugins\": {{}}}}]}}]}}"
    );
    let outcome = lower(&text, "0.0.0.0:9000");
    assert_eq!(outcome.served(), ["0.0.0.0:9000: any goes on, service pay tls to 10.0.0.1:5"]);
    assert_eq!(outcome.faults().len(), 1, "that nobody is verified: {:?}", outcome.faults());
}

#[test]
fn who_stands_in_one_entity_names_no_other() {
    let with = |service: &str| {
        let text = format!(
            "_format_version: '3.0'\nservices:\n- {{id: x, name: pay, url: 'tcp://10.0.0.1:1', routes: [{{name: r, service: {service}, {ROUTE}}}]}}\n\
             - {{name: other, url: 'tcp://10.0.0.2:2'}}\n"
        );
        lower(&text, "0.0.0.0:9000").all()
    };
    for own in ["pay", "{id: x}", "null"] {
        assert_eq!(with(own), Vec::<String>::new());
    }
    let expected = "kong.yaml#1: route r: services[0].routes[0].service: names another than service pay, in which this \
                    stands; remove it, or move this; the route is discarded";
    assert_eq!(with("other"), [expected]);
}

#[test]
fn a_variable_that_cannot_be_had_costs_its_entity() {
    let cases = [
        (
            "env \"DECK_NONE\"",
            "the environment variable DECK_NONE is not set; set it, or write its value here",
        ),
        (
            "env \"HOME\"",
            "the variable \"HOME\" does not begin with DECK_, and decK hands out no others; rename it",
        ),
        ("vault \"x\"", "\"vault \\\"x\\\"\" is no variable; write ${{ env \"DECK_X\" }}"),
    ];
    for (inside, expected) in cases {
        let text = format!(
            "_format_version: '3.0'\nservices:\n- name: pay\n  host: ${{{{ {inside} }}}}\n  protocol: tcp\n- {{name: b, host: x}}\n"
        );
        let faults = lower(&text, "0.0.0.0:1").faults();
        let expected =
            format!("kong.yaml#1: service pay: services[0].host: {expected}; the service is discarded");
        assert!(faults.contains(&expected), "{faults:?}");
        assert!(faults.iter().all(|fault| fault.contains("service pay")), "{faults:?}");
    }
}

#[test]
fn the_second_of_a_name_is_told_where_the_first_is() {
    let text = "
_format_version: '3.0'
services:
- {name: a, url: 'tcp://10.0.0.1:1', id: x}
- {name: a, url: 'tcp://10.0.0.1:2', id: x}
";
    let expected = ["id", "name"].map(|field| {
        let value = if field == "id" { "x" } else { "a" };
        format!(
            "kong.yaml#1: service a: services[1].{field}: uniqueness violation: \"services\" entity with {field} set to \
             \"{value}\" is already declared (services[0] in kong.yaml#1); rename one of them; the service is discarded"
        )
    });
    assert_eq!(lower(text, "0.0.0.0:1").faults(), expected);
}

#[test]
fn http_and_udp_cost_a_line_each() {
    let text = "
_format_version: '3.0'
consumers: [{username: x}]
vaults: []
services:
- name: web
  url: http://10.0.0.1
  routes:
  - {name: a, paths: [/]}
  - {name: b, hosts: [x], protocols: [https], anything: 1}
  - {name: c, protocols: [udp], destinations: [{port: 53}]}
";
    let outcome = lower(text, "0.0.0.0:9000");
    let expected = [
        "kong.yaml#1: consumers, vaults concern HTTP or Kong itself, and are passed over",
        "kong.yaml#1: 2 routes of HTTP passed over",
        "kong.yaml#1: 1 route of UDP passed over",
    ];
    assert_eq!(outcome.all(), expected);
    assert_eq!(outcome.faults(), Vec::<String>::new());
}

#[test]
fn what_no_kong_knows_is_found_fault_with() {
    let outcome =
        lower("_format_version: '3.0'\nservcies: []\nroutes: {a: b}\nupstreams: [1]\n", "0.0.0.0:9000");
    let expected = [
        "kong.yaml#1: routes: a mapping is not a list; write one",
        "kong.yaml#1: upstreams[0]: 1 is not a mapping of fields; it is left out",
        "kong.yaml#1: servcies: unknown field \"servcies\", of which nothing is made; did you mean \"services\"?",
    ];
    assert_eq!(outcome.faults(), expected);
}

#[test]
fn a_service_that_is_not_enabled_takes_its_routes_along() {
    let text = with_route(ROUTE).replace("name: pay,", "name: pay, enabled: false,");
    let outcome = lower(&text, "0.0.0.0:9000");
    let expected = "kong.yaml#1: route r: services[0].routes[0].service: service pay is not enabled; the route is left out";
    assert_eq!(outcome.all(), [expected]);
    assert_eq!(outcome.served(), ["0.0.0.0:9000: any goes on, refused"]);
}

#[test]
fn without_stream_listen_the_setting_is_named_that_is_missing() {
    let outcome = lower(&with_route(ROUTE), "off");
    let expected = "kong.yaml#1: stream_listen is off, so no route of connections (1) is served; set it, for example \
                    --kong-stream-listen \"0.0.0.0:9000\", KONG_STREAM_LISTEN=\"0.0.0.0:9000\" or kong-stream-listen: \
                    \"0.0.0.0:9000\" in the settings file";
    assert_eq!(outcome.all(), [expected]);
    assert!(outcome.config.listeners.is_empty());
    let wrong = lower(&with_route(ROUTE), "0.0.0.0:9000 quick").all();
    assert!(wrong.iter().any(|said| said.contains("stream_listen has no entry of use, so no")), "{wrong:?}");
    let named = lower(&with_route("protocols: [tls], snis: [a.b]"), "off");
    assert!(named.all()[0].contains("\"0.0.0.0:8443 ssl\""), "{:?}", named.all());
}

#[test]
fn what_is_not_said_is_as_with_kong() {
    let outcome = lower(&with_route(ROUTE), "0.0.0.0:9000");
    let mapping = outcome.only();
    assert_eq!(mapping.balancing.attempts, 6);
    assert_eq!(mapping.balancing.ejection.after, 0);
    assert_eq!(mapping.timeouts.connect.as_secs(), 60);
    assert_eq!(mapping.timeouts.idle.unwrap().as_secs(), 60);
    let text = with_route(ROUTE)
        .replace("name: pay,", "name: pay, read_timeout: 5, write_timeout: 7, connect_timeout: 3,");
    let outcome = lower(&text, "0.0.0.0:9000");
    assert_eq!(outcome.only().timeouts.idle.unwrap().as_millis(), 7);
    assert_eq!(outcome.only().timeouts.connect.as_millis(), 3);
}

#[test]
fn a_protocol_that_begins_tls_unasked_is_warned_of() {
    let text = with_route(ROUTE);
    let cases = [
        (", protocol: tcp", ""),
        (
            "",
            "is not set, which is http, and then Kong begins TLS towards the upstream; write tcp to have none, or tls to mean it",
        ),
        (
            ", protocol: https",
            "is https: as in Kong, only tcp does not begin TLS towards the upstream; write tcp to have none, or tls to mean it",
        ),
    ];
    for (protocol, expected) in cases {
        let outcome = lower(&text.replace(", protocol: tcp", protocol), "0.0.0.0:9000");
        assert_eq!(outcome.only().originate.is_some(), !expected.is_empty());
        let said = outcome.faults().into_iter().find(|fault| fault.contains(".protocol"));
        let expected = (!expected.is_empty())
            .then(|| format!("kong.yaml#1: service pay: services[0].protocol: {expected}"));
        assert_eq!(said, expected);
    }
}

#[test]
fn every_upstream_hears_a_proxy_header_where_nginx_was_told_so() {
    let outcome = lower_with(&with_route(ROUTE), |kong| {
        kong.stream_listen = "0.0.0.0:9000".to_owned();
        kong.proxy_protocol = true;
    });
    assert_eq!(outcome.only().proxy_protocol.map(|version| version.as_str()), Some("v1"));
}

#[test]
fn several_documents_count_as_one() {
    let text = "
_format_version: '3.0'
services: [{url: 'tcp://10.0.0.1:1', routes: [{protocols: [tcp], destinations: [{port: 9000}]}]}]
routes: [{service: b, protocols: [tcp], destinations: [{port: 9001}]}]
---
_format_version: '1.1'
services: [{url: 'tcp://10.0.0.2:2', routes: [{protocols: [tcp], destinations: [{port: 9002}]}]}, {name: b, url: 'tcp://10.0.0.3:3'}]
";
    let outcome = lower(text, "0.0.0.0:9000, 0.0.0.0:9001, 0.0.0.0:9002");
    assert_eq!(outcome.all(), Vec::<String>::new());
    let expected = [
        "0.0.0.0:9000: any goes on, service services[0] 10.0.0.1:1",
        "0.0.0.0:9001: any goes on, service b 10.0.0.3:3",
        "0.0.0.0:9002: tls * ends, service services[0] of kong.yaml#2 10.0.0.2:2",
        "0.0.0.0:9002: cleartext goes on, service services[0] of kong.yaml#2 10.0.0.2:2",
    ];
    assert_eq!(outcome.served(), expected);
}

#[test]
fn a_name_that_is_the_id_of_another_is_refused() {
    let text = "
_format_version: '3.0'
services: [{id: x, url: 'tcp://10.0.0.1:1'}, {name: x, url: 'tcp://10.0.0.2:2'}]
";
    let expected = "kong.yaml#1: service x: services[1].name: is the id of another (services[0] in kong.yaml#1), so nobody \
                    knows which is meant; rename it; the service is discarded";
    assert_eq!(lower(text, "0.0.0.0:9000").all(), [expected]);
}
