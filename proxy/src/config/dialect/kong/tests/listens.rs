//! `stream_listen` and its neighbours, and which routes have effect where.

use std::time::Duration;

use super::{lower, lower_with, with_route};
use crate::config::model::{Keepalive, ProxySources};

/// The addresses, and what is said.
fn listens(text: &str) -> (Vec<String>, Vec<String>) {
    let outcome =
        lower(&with_route("protocols: [tcp, tls], destinations: [{ip: 0.0.0.0/0}, {ip: '::/0'}]"), text);
    (outcome.config.listeners.iter().map(|l| l.bind.to_string()).collect(), outcome.all())
}

#[test]
fn every_form_and_flag_is_read() {
    let cases: [(&str, &[&str]); 8] = [
        ("0.0.0.0:9000", &["0.0.0.0:9000"]),
        ("127.0.0.1:9001 ssl, 127.0.0.1:9000", &["127.0.0.1:9000", "127.0.0.1:9001"]),
        ("[::1]:5555 reuseport backlog=16384", &["[::1]:5555"]),
        ("[::]:5555 ipv6only=off", &["0.0.0.0:5555", "[::]:5555"]),
        ("[::]:5555 ipv6only=on bind", &["[::]:5555"]),
        ("0.0.0.0:1 so_keepalive=on,0.0.0.0:2 so_keepalive=30m::10", &["0.0.0.0:1", "0.0.0.0:2"]),
        ("off", &[]),
        ("OFF, 0.0.0.0:9000", &[]),
    ];
    for (text, expected) in cases {
        let (binds, said) = listens(text);
        assert_eq!(binds, expected, "{text}");
        assert!(said.iter().all(|said| said.contains("stream_listen is off")), "{said:?}");
    }
}

#[test]
fn sockets_get_what_the_flags_say() {
    let text = "0.0.0.0:1 backlog=7 so_keepalive=30m::10, 0.0.0.0:2 so_keepalive=off";
    let outcome = lower(&with_route("protocols: [tcp], sources: [{port: 1}]"), text);
    let [first, second] = [0, 1].map(|at| outcome.config.listeners[at].socket);
    assert_eq!(first.backlog.map(u32::from), Some(7));
    let Some(Keepalive::On { idle, interval, count }) = first.keepalive else { panic!("{first:?}") };
    assert_eq!((idle, interval, count.map(u32::from)), (Some(Duration::from_secs(1800)), None, Some(10)));
    assert_eq!((second.backlog, second.keepalive), (None, Some(Keepalive::Off)));
}

#[test]
fn what_is_wrong_with_an_entry_costs_that_entry() {
    let cases = [
        (
            "9000",
            "\"9000\" is not <ip>:<port> [flags…], with commas between entries, or off; write 0.0.0.0:5432",
        ),
        (
            "::1:9000",
            "\"::1:9000\" is not <ip>:<port> [flags…], with commas between entries, or off; write 0.0.0.0:5432",
        ),
        ("0.0.0.0:0", "\"0.0.0.0:0\" has the port \"0\", which is no integer from 1 to 65535"),
        (
            "0.0.0.0:1 http2",
            "\"0.0.0.0:1 http2\" has the flag \"http2\", which only listeners of HTTP have; remove it",
        ),
        (
            "0.0.0.0:1 transparent",
            "\"0.0.0.0:1 transparent\" has the flag \"transparent\", which does not exist; remove it",
        ),
        (
            "0.0.0.0:1 backlog=x",
            "\"0.0.0.0:1 backlog=x\" has \"backlog=x\", and a backlog is an integer of 1 or more",
        ),
        (
            "0.0.0.0:1 so_keepalive=1:2",
            "\"0.0.0.0:1 so_keepalive=1:2\" has \"so_keepalive=1:2\", and so_keepalive is on, off, or idle:interval:count, \
             as 30m::10",
        ),
        ("0.0.0.0:9000 ssl", "0.0.0.0:9000 stands there twice, and the first counts; remove one"),
    ];
    for (entry, expected) in cases {
        let (binds, said) = listens(&format!("0.0.0.0:9000, {entry}"));
        assert_eq!(binds, ["0.0.0.0:9000"]);
        assert_eq!(said, [format!("stream_listen: {expected}")]);
    }
    let (binds, said) = listens("0.0.0.0:9000, 0.0.0.0:53 udp");
    assert_eq!(binds, ["0.0.0.0:9000"]);
    assert_eq!(said, ["stream_listen: 0.0.0.0:53 is for UDP, which sluice does not serve; passed over"]);
}

#[test]
fn proxy_headers_are_believed_of_those_who_are_trusted() {
    let text = with_route("protocols: [tcp], destinations: [{port: 9000}]");
    let with = |trusted: &str| {
        lower_with(&text, |kong| {
            kong.stream_listen = "0.0.0.0:9000 proxy_protocol".to_owned();
            kong.trusted_ips = trusted.to_owned();
        })
    };
    let outcome = with("10.0.0.0/8,::1,unix:");
    assert_eq!(outcome.all(), Vec::<String>::new());
    let Some(ProxySources::Believed(networks)) = &outcome.config.listeners[0].proxy_protocol else {
        panic!()
    };
    assert_eq!(networks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128"]);
    let outcome = with("");
    assert_eq!(outcome.config.listeners[0].proxy_protocol, Some(ProxySources::Believed(Vec::new())));
    assert!(outcome.all()[0].starts_with("trusted_ips: no trusted_ips says whose"), "{:?}", outcome.all());
    let outcome = with("0.0.0.0/0, ::/0");
    assert_eq!(outcome.config.listeners[0].proxy_protocol, Some(ProxySources::Everyone));
    let outcome = with("10.0.0.0/33");
    assert_eq!(outcome.config.listeners[0].proxy_protocol, Some(ProxySources::Believed(Vec::new())));
    assert!(outcome.all()[0].starts_with("trusted_ips: \"10.0.0.0/33\" is neither"), "{:?}", outcome.all());
}

/// K23: destinations mean the port that clients know.
#[test]
fn port_maps_turn_ports_into_those_that_clients_know() {
    let with = |port: u16| {
        let text = with_route(&format!("protocols: [tcp], destinations: [{{port: {port}}}]"));
        lower_with(&text, |kong| {
            kong.stream_listen = "0.0.0.0:18000".to_owned();
            kong.port_maps = "19000:18000, 80:8000".to_owned();
        })
    };
    assert_eq!(with(19000).served(), ["0.0.0.0:18000: any goes on, service pay 127.0.0.1:1"]);
    assert_eq!(with(18000).served(), ["0.0.0.0:18000: any goes on, refused"]);
}

/// A `tcp` route, a `tls` route and a `tls_passthrough` route beside each other.
const MIXED: &str = "
services:
- name: a
  url: tcp://10.0.0.1:1
  routes:
  - {name: tcp, protocols: [tcp], destinations: [{port: 9000}, {port: 8443}]}
  - {name: tls, protocols: [tls], snis: [a.b], destinations: [{port: 9000}, {port: 8443}]}
  - {name: any-tls, protocols: [tls], destinations: [{port: 8443}]}
- name: p
  url: tls_passthrough://10.0.0.2:2
  routes:
  - {name: pass, protocols: [tls_passthrough], snis: [p.b, '*.p.b']}
";

#[test]
fn the_flag_says_which_routes_have_effect() {
    let outcome = lower(&format!("_format_version: '3.0'\n{MIXED}"), "0.0.0.0:9000, 0.0.0.0:8443 ssl");
    let expected = [
        "0.0.0.0:8443: tls a.b ends, service a 10.0.0.1:1",
        "0.0.0.0:8443: tls p.b goes on, service p 10.0.0.2:2",
        "0.0.0.0:8443: tls *.p.b goes on, service p 10.0.0.2:2",
        "0.0.0.0:8443: tls * ends, service a 10.0.0.1:1",
        "0.0.0.0:9000: any goes on, service a 10.0.0.1:1",
    ];
    assert_eq!(outcome.served(), expected);
    assert_eq!(outcome.all(), Vec::<String>::new());
}

/// As Kong 1 promised (decisions.md): TLS ends wherever a connection begins with a ClientHello.
#[test]
fn files_of_kong_1_end_tls_on_sight() {
    let outcome = lower(&format!("_format_version: '1.1'\n{MIXED}"), "0.0.0.0:9000");
    let expected = [
        "0.0.0.0:9000: tls a.b ends, service a 10.0.0.1:1",
        "0.0.0.0:9000: tls p.b goes on, service p 10.0.0.2:2",
        "0.0.0.0:9000: tls *.p.b goes on, service p 10.0.0.2:2",
        "0.0.0.0:9000: tls * ends, service a 10.0.0.1:1",
        "0.0.0.0:9000: cleartext goes on, service a 10.0.0.1:1",
    ];
    assert_eq!(outcome.served(), expected);
}

/// Kong#9426 and its kin: what has no effect says what to change.
#[test]
fn a_route_without_effect_says_why() {
    let cases = [
        (
            "protocols: [tls], snis: [a.b]",
            "0.0.0.0:9000",
            "protocols: has no effect on 0.0.0.0:9000, whose bytes are not looked at; add the flag ssl to it in \
             stream_listen, or write protocols: [tcp], which hands TLS on as it is",
        ),
        (
            "protocols: [tcp, tls], snis: [a.b]",
            "0.0.0.0:9000",
            "protocols: without TLS no client of 0.0.0.0:9000 asks for a name; add the flag ssl to it in stream_listen, or \
             remove snis",
        ),
        (
            "protocols: [tcp], destinations: [{port: 9000}]",
            "0.0.0.0:9000 ssl",
            "protocols: a tcp route has no effect on 0.0.0.0:9000, which has the flag ssl; remove the flag from \
             stream_listen, or write protocols: [tls]",
        ),
        (
            "protocols: [tcp], destinations: [{port: 9001}, {port: 9002}]",
            "0.0.0.0:9000",
            "destinations: no address of stream_listen has such a port, so the route takes no connection; add \
             0.0.0.0:9001, 0.0.0.0:9002 to stream_listen",
        ),
        (
            "protocols: [tcp], destinations: [{ip: 10.0.0.1}]",
            "127.0.0.1:9000",
            "destinations: none of these is an address of stream_listen, so the route takes no connection; correct one of \
             them",
        ),
    ];
    for (fields, listen, expected) in cases {
        let outcome = lower(&with_route(fields), listen);
        assert_eq!(
            outcome.all(),
            [format!("kong.yaml#1: route r: services[0].routes[0].{expected}")],
            "{fields}"
        );
    }
}

#[test]
fn of_routes_that_ask_for_the_same_the_first_is_served() {
    let text = "
_format_version: '3.0'
services: [{name: a, url: 'tcp://10.0.0.1:1'}]
routes:
- {name: one, service: a, protocols: [tcp], destinations: [{port: 9000}]}
- {name: two, service: a, protocols: [tcp], destinations: [{port: 9000}]}
";
    let outcome = lower(text, "0.0.0.0:9000");
    let expected = "kong.yaml#1: route two: routes[1]: takes no connection on 0.0.0.0:9000: route one (kong.yaml#1) asks \
                    for the same and stands before it; have it ask for something else";
    assert_eq!(outcome.all(), [expected]);
}

#[test]
fn a_flavor_of_expressions_is_told_what_to_do() {
    let outcome = lower_with(&with_route("protocols: [tcp], destinations: [{port: 9000}]"), |kong| {
        kong.stream_listen = "0.0.0.0:9000".to_owned();
        kong.router_flavor = "expressions".to_owned();
    });
    let expected = "router_flavor: sluice reads no expressions; routes are matched by snis, sources and destinations in the \
                    way of traditional_compatible: set that";
    assert_eq!(outcome.all(), [expected]);
    assert_eq!(outcome.served().len(), 1);
}

/// A service that several kinds of routes share is a mapping for each way in which TLS differs on it.
#[test]
fn a_service_is_reached_in_as_many_ways_as_its_routes_ask_for() {
    for (protocol, expected) in [
        (
            "tcp",
            [
                "tls end.test ends, service a 10.0.0.1:1",
                "tls keep.test ends, service a 10.0.0.1:1",
                "tls pass.test goes on, service a 10.0.0.1:1",
            ],
        ),
        (
            "tls",
            [
                "tls end.test ends, service a tls to 10.0.0.1:1",
                "tls keep.test ends, service a (preserve_host) tls to 10.0.0.1:1",
                "tls pass.test goes on, service a (tls_passthrough) 10.0.0.1:1",
            ],
        ),
        (
            "tls_passthrough",
            [
                "tls end.test ends, service a (tls) tls to 10.0.0.1:1",
                "tls keep.test ends, service a (preserve_host) tls to 10.0.0.1:1",
                "tls pass.test goes on, service a 10.0.0.1:1",
            ],
        ),
    ] {
        let text = format!(
            "
_format_version: '3.0'
services: [{{name: a, url: '{protocol}://10.0.0.1:1'}}]
routes:
- {{service: a, protocols: [tls], snis: [end.test]}}
- {{service: a, protocols: [tls], snis: [keep.test], preserve_host: true}}
- {{service: a, protocols: [tls_passthrough], snis: [pass.test]}}
"
        );
        let expected = expected.map(|line| format!("0.0.0.0:8443: {line}"));
        assert_eq!(lower(&text, "0.0.0.0:8443 ssl").served(), expected, "{protocol}");
    }
}
