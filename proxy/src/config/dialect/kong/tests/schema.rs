//! Kong's rules about fields, and what is said of those who break them.

use super::{lower, with_route};

const LISTEN: &str = "0.0.0.0:9000, 0.0.0.0:8443 ssl";

/// What is said of a route with these fields, without where it is and what becomes of it.
fn of_route(fields: &str) -> Vec<String> {
    let outcome = lower(&with_route(fields), LISTEN);
    let strip = |fault: String| {
        let fault = fault
            .strip_prefix("kong.yaml#1: route r: services[0].routes[0].")
            .map(str::to_owned)
            .unwrap_or(fault);
        fault.strip_suffix("; the route is discarded").map(str::to_owned).unwrap_or(fault)
    };
    outcome.faults().into_iter().map(strip).collect()
}

#[test]
fn routes_of_connections_are_taken() {
    let cases = [
        "protocols: [tcp], destinations: [{port: 9000}]",
        "protocols: [tcp, tls], destinations: [{port: 9000}]",
        "protocols: [tcp, udp], destinations: [{port: 9000}]",
        "protocols: [tcp], destinations: [{port: 0}, {port: 9000}, {port: 65535}]",
        "protocols: [tls], snis: [example.com]",
        "protocols: [tls], snis: ['*.example.com', 'example.*', example.com.]",
        "protocols: [tls_passthrough], snis: [example.com]",
        "protocols: [tcp], sources: [{ip: 0.0.0.0/0}], paths: [], hosts: null",
        "protocols: [tcp], sources: [{ip: '::/0'}, {ip: 0.0.0.0/1}, {ip: 1.2.3.4/32}, {ip: '::1/128'}]",
        "protocols: [tcp], sources: [{ip: 127.168.0.1/8, port: 3}], tags: [a], id: x, strip_path: true, regex_priority: 0",
        "protocols: tcp, sources: [{ip: 10.0.0.1}]",
    ];
    for fields in cases {
        assert_eq!(of_route(fields), Vec::<String>::new(), "{fields}");
    }
}

#[test]
fn what_breaks_a_rule_of_routes_is_said_at_its_field() {
    const SET_ONE: &str = "must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'; \
                           destinations: [{port: 5432}] takes what comes to a port";
    const EXCLUSIVE: &str = "stand together, but these sets are mutually exclusive: ('tcp', 'tls', 'udp'), \
                             ('tls_passthrough'), and those of HTTP; make a route of each";
    let set_one = format!("destinations: {SET_ONE}");
    let to = "destinations: [{port: 9000}]";
    let cases = [
        ("protocols: [tcp]", set_one.as_str()),
        ("protocols: [tls], snis: []", &set_one),
        ("protocols: [udp], sources: []", &set_one),
        ("protocols: [tls_passthrough]", "snis: must set snis when 'protocols' is 'tls_passthrough'"),
        (
            &format!("protocols: [tls_passthrough], {to}"),
            "snis: must set snis when 'protocols' is 'tls_passthrough'",
        ),
        (
            &format!("protocols: [tls, tls_passthrough], {to}"),
            &format!("protocols: tls, tls_passthrough {EXCLUSIVE}"),
        ),
        (&format!("protocols: [http, tcp], {to}"), &format!("protocols: http, tcp {EXCLUSIVE}")),
        (
            &format!("protocols: [tpc], {to}"),
            "protocols: \"tpc\": expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp, ws, wss",
        ),
        (
            &format!("protocols: [tcp], {to}, paths: [/]"),
            "paths: cannot set 'paths' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'; remove it",
        ),
        (
            &format!("protocols: [tcp], {to}, methods: [GET]"),
            "methods: cannot set 'methods' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'; remove it",
        ),
        (
            &format!("protocols: [tcp, udp], {to}, snis: [a.b]"),
            "snis: length must be 0: 'snis' can only be set when 'protocols' is 'tls' or 'tls_passthrough'; without TLS \
             no client asks for a name",
        ),
        (
            "protocols: [tcp], destinations: [{port: 65536}]",
            "destinations[0].port: 65536 is not an integer from 0 to 65535",
        ),
        (
            "protocols: [tcp], destinations: [{}]",
            "destinations[0].ip: is missing, as is port; write one of them",
        ),
        (
            "protocols: [tcp], destinations: [{prot: 1}]",
            "destinations[0].prot: unknown field \"prot\"; did you mean \"port\"?",
        ),
        (
            "protocols: [tls], snis: [1.2.3.4]",
            "snis[0]: \"1.2.3.4\" must not be an IP: clients ask for names; write one",
        ),
        (
            "protocols: [tls], snis: ['a.b:80']",
            "snis[0]: \"a.b:80\" must not have a port; write the name alone",
        ),
        ("protocols: [tls], snis: ['*.a.*']", "snis[0]: \"*.a.*\": only one wildcard must be specified"),
        (
            "protocols: [tls], snis: ['foo.*.test']",
            "snis[0]: \"foo.*.test\": the wildcard must be the leftmost or the rightmost label, as in *.example.com or \
             example.*",
        ),
        (
            "protocols: [tls], snis: ['foo*.test']",
            "snis[0]: \"foo*.test\": the wildcard must be the leftmost or the rightmost label, as in *.example.com or \
             example.*",
        ),
        (
            "protocols: [tls], snis: ['*']",
            "snis[0]: \"*\" alone is no name; a route without snis takes every name",
        ),
        (
            "protocols: [tls], snis: ['a b']",
            "snis[0]: \"a b\" is no DNS name, so no client can ask for it; write one",
        ),
        (
            &format!("protocols: [tcp], {to}, expression: 'net.dst.port == 9000'"),
            "expression: \"net.dst.port == 9000\" belongs to router_flavor expressions, which sluice does not read; \
             write snis, sources and destinations instead",
        ),
        (
            &format!("protocols: [tcp], {to}, preserve_hosts: true"),
            "preserve_hosts: unknown field \"preserve_hosts\"; did you mean \"preserve_host\"?",
        ),
        (&format!("protocols: [tcp], {to}, colour: red"), "colour: unknown field \"colour\"; remove it"),
    ];
    for (fields, expected) in cases {
        assert_eq!(of_route(fields), [expected], "{fields}");
    }
}

#[test]
fn what_is_no_address_and_no_network_is_refused() {
    let wrong = [
        "127.",
        ":::1",
        "-1",
        "localhost",
        "foo",
        "f",
        "example.org",
        "1/0",
        "2130706433/2",
        "0.0.0.0/33",
        "::/129",
        "0.0.0.0/a",
        "0.0.0.0/-1",
    ];
    for ip in wrong {
        let expected =
            format!("sources[0].ip: invalid ip or cidr range: \"{ip}\"; write 10.1.2.3 or 10.0.0.0/8");
        assert_eq!(of_route(&format!("protocols: [tcp], sources: [{{ip: '{ip}'}}]")), [expected], "{ip}");
    }
}

/// What is said of a service with these fields and a route.
fn of_service(fields: &str) -> Vec<String> {
    let text = format!(
        "_format_version: '3.0'\nservices:\n- {{name: pay, routes: [{{protocols: [tcp], destinations: [{{port: 9000}}]}}], {fields}}}\n"
    );
    let faults = lower(&text, LISTEN).faults();
    faults.into_iter().filter(|fault| !fault.contains("routes[0]")).collect()
}

#[test]
fn what_breaks_a_rule_of_services_is_said_at_its_field() {
    let cases = [
        ("protocol: tcp", "host: is missing; give a name or an address"),
        (
            "protocol: tcp, host: 'a:1'",
            "host: \"a:1\" is neither a DNS name nor an IP address; a port goes to port",
        ),
        (
            "protocol: tcpp, host: a",
            "protocol: \"tcpp\" is none of grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp, ws, wss",
        ),
        ("protocol: tcp, host: a, port: 70000", "port: 70000 is not an integer from 0 to 65535"),
        ("protocol: tcp, host: a, retries: 32768", "retries: 32768 is not an integer from 0 to 32767"),
        (
            "protocol: tcp, host: a, connect_timeout: 0",
            "connect_timeout: 0 is not an integer from 1 to 2147483646",
        ),
        (
            "protocol: tcp, host: a, path: /x",
            "path: \"/x\": value must be null, as tcp has no paths; remove it",
        ),
        (
            "protocol: tcp, host: a, tls_verify: true",
            "tls_verify: true: value must be null when 'protocol' is tcp; write protocol: tls, or remove it",
        ),
        (
            "protocol: tls, host: a, tls_verify_depth: 65",
            "tls_verify_depth: 65 is not an integer from 0 to 64",
        ),
        (
            "protocol: tls, host: a, client_certificate: nobody",
            "client_certificate: invalid reference 'client_certificate: nobody' (no such entry in 'certificates'); declare \
             it among the certificates",
        ),
        (
            "protocol: tls, host: a, tls_verify: true, ca_certificates: [nobody]",
            "ca_certificates[0]: invalid reference 'ca_certificates: nobody' (no such entry in 'ca_certificates'); declare \
             it among the ca_certificates",
        ),
        ("url: 'pay:80'", "url: \"pay:80\" has no scheme; write tcp://host:port"),
        (
            "url: 'tcp://pay:x'",
            "url: \"tcp://pay:x\" has a port that is no integer from 0 to 65535; write tcp://host:port",
        ),
        (
            "url: 'tcp://pay:1/x'",
            "url: \"tcp://pay:1/x\" has a path, which connections have no place for; write tcp://host:port",
        ),
        (
            "url: 'tcp://me:secret@pay:1'",
            "url: \"…@pay:1\" has a user, which connections have no place for; write tcp://host:port",
        ),
        (
            "protocol: tcp, host: 'me:secret@pay'",
            "host: \"…@pay\" is neither a DNS name nor an IP address; a port goes to port",
        ),
        (
            "protocol: tcp, host: a, conect_timeout: 1",
            "conect_timeout: unknown field \"conect_timeout\"; did you mean \"connect_timeout\"?",
        ),
        ("protocol: tcp, host: 10.0.0.1, port: 0", "port: 0 is no port to connect to; give one"),
    ];
    for (fields, expected) in cases {
        let expected = format!("kong.yaml#1: service pay: services[0].{expected}; the service is discarded");
        assert_eq!(of_service(fields), [expected], "{fields}");
    }
}

#[test]
fn a_service_in_error_takes_its_routes_along_and_nobody_else() {
    let text = "
_format_version: '2.1'
services:
- {name: a, host: '', protocol: tcp}
- {name: b, host: 10.0.0.2, port: 2, protocol: tcp}
routes:
- {name: ra, service: a, protocols: [tcp], destinations: [{port: 9000}]}
- {name: rb, service: {name: b}, protocols: [tcp], destinations: [{port: 9001}]}
- {name: rc, service: c, protocols: [tcp], destinations: [{port: 9001}]}
";
    let outcome = lower(text, "0.0.0.0:9001");
    assert_eq!(outcome.served(), ["0.0.0.0:9001: any goes on, service b 10.0.0.2:2"]);
    let expected = [
        "kong.yaml#1: service a: services[0].host: is missing; give a name or an address; the service is discarded",
        "kong.yaml#1: route ra: routes[0].service: service a is in error; the route is discarded",
        "kong.yaml#1: route rc: routes[2].service: invalid reference 'service: c' (no such entry in 'services'); declare \
         it among the services; the route is discarded",
    ];
    let mut faults = outcome.faults();
    faults.sort_by_key(|fault| !fault.contains("service a: services"));
    assert_eq!(faults, expected);
}
