//! Which route takes a connection: Kong's own cases (K1 to K19 of the reference), and where sluice differs.

use super::{Outcome, lower, lower_with};

/// Routes each with a service of their own name.
fn routes(flavor: &str, listen: &str, routes: &[(&str, &str)]) -> Outcome {
    let mut text = "_format_version: '3.0'\nservices:\n".to_owned();
    for (name, fields) in routes {
        text += &format!("- {{name: {name}, url: 'tcp://10.0.0.1:1', routes: [{{{fields}}}]}}\n");
    }
    let outcome = lower_with(&text, |kong| {
        kong.router_flavor = flavor.to_owned();
        kong.stream_listen = listen.to_owned();
    });
    assert_eq!(outcome.faults(), Vec::<String>::new(), "{text}");
    outcome
}

const FLAVORS: [&str; 2] = ["traditional_compatible", "traditional"];

/// K1 to K6.
const BY_SOURCE: [(&str, &str); 5] = [
    ("r1", "protocols: [tcp], sources: [{ip: 127.0.0.1}, {ip: 127.0.0.2}]"),
    ("r2", "protocols: [tcp], sources: [{port: 65001}, {port: 65002}]"),
    ("r3", "protocols: [tcp], sources: [{ip: 127.168.0.0/8}]"),
    ("r4", "protocols: [tcp], sources: [{ip: 127.0.0.1, port: 65001}]"),
    ("r5", "protocols: [tcp], sources: [{ip: 127.0.0.2, port: 65300}, {ip: 127.168.0.0/16, port: 65301}]"),
];

#[test]
fn sources_are_told_apart_by_how_much_they_ask_for() {
    let cases = [
        ("127.0.0.1:1", Some("r1")),
        ("127.0.0.3:65001", Some("r2")),
        ("127.168.0.1:1", Some("r3")),
        ("127.0.0.1:65001", Some("r4")),
        ("127.168.10.1:65301", Some("r5")),
        ("10.0.0.1:1", None),
        ("10.0.0.2:65301", None),
    ];
    for flavor in FLAVORS {
        let outcome = routes(flavor, "0.0.0.0:9000", &BY_SOURCE);
        for (source, expected) in cases {
            let expected = expected.map(|name| format!("service {name}"));
            assert_eq!(outcome.takes(None, source, "10.9.9.9:9000"), expected, "{source}, {flavor}");
        }
    }
}

/// K7 to K12: the same for destinations. The port is that of a listener, so each has a listener of its own.
#[test]
fn destinations_are_told_apart_in_the_same_way() {
    let mirrored = BY_SOURCE.map(|(name, fields)| (name, fields.replace("sources", "destinations")));
    let mirrored = mirrored.each_ref().map(|(name, fields)| (*name, fields.as_str()));
    let cases = [
        ("127.0.0.1:1", Some("r1")),
        ("127.0.0.3:65001", Some("r2")),
        ("127.168.0.1:1", Some("r3")),
        ("127.0.0.1:65001", Some("r4")),
        ("127.168.10.1:65301", Some("r5")),
        ("10.0.0.1:1", None),
        ("10.0.0.2:65301", None),
    ];
    for (destination, expected) in cases {
        let port = destination.split_once(':').unwrap().1;
        let mut text = "_format_version: '3.0'\nservices:\n".to_owned();
        for (name, fields) in mirrored {
            text += &format!("- {{name: {name}, url: 'tcp://10.0.0.1:1', routes: [{{{fields}}}]}}\n");
        }
        // On other listeners some have no effect, which is said.
        let outcome = lower(&text, &format!("0.0.0.0:{port}"));
        let expected = expected.map(|name| format!("service {name}"));
        assert_eq!(outcome.takes(None, "10.9.9.9:1", destination), expected, "{destination}");
    }
}

/// K13, K14, K15.
#[test]
fn names_come_before_one_end_and_behind_both() {
    let by_name = ("name", "protocols: [tls], snis: [www.example.org]");
    let by_source = ("source", "protocols: [tls], sources: [{ip: 127.0.0.1}]");
    let by_destination = ("destination", "protocols: [tls], destinations: [{ip: 172.168.0.1}]");
    let by_both = ("both", "protocols: [tls], sources: [{ip: 127.0.0.1}], destinations: [{ip: 172.168.0.1}]");
    let sni = Some("www.example.org");
    let (source, destination) = ("127.0.0.1:1", "172.168.0.1:9000");
    for flavor in FLAVORS {
        let outcome = routes(flavor, "0.0.0.0:9000 ssl", &[by_source, by_destination, by_name]);
        assert_eq!(outcome.takes(sni, source, "1.1.1.1:9000").unwrap(), "service name", "{flavor}");
        assert_eq!(outcome.takes(sni, "1.1.1.1:1", destination).unwrap(), "service name", "{flavor}");
        assert_eq!(
            outcome.takes(Some("other.org"), source, destination).unwrap(),
            "service source",
            "{flavor}"
        );
        let outcome = routes(flavor, "0.0.0.0:9000 ssl", &[by_name, by_both]);
        assert_eq!(outcome.takes(sni, source, destination).unwrap(), "service both", "{flavor}");
        assert_eq!(outcome.takes(sni, source, "1.1.1.1:9000").unwrap(), "service name", "{flavor}");
    }
}

/// K16: an empty field is none, and what is behind a prefix does not count.
#[test]
fn empty_fields_ask_for_nothing() {
    let fields = "protocols: [tcp], snis: [], sources: null, destinations: [{ip: 127.0.0.1/8}]";
    let outcome = routes("", "0.0.0.0:9000", &[("r", fields)]);
    assert_eq!(outcome.served(), ["0.0.0.0:9000: any to 127.0.0.0/8 goes on, service r 10.0.0.1:1"]);
}

/// K17, K18.
#[test]
fn passthrough_goes_by_names_and_wildcards_of_any_depth() {
    let outcome = routes(
        "",
        "0.0.0.0:9000 ssl",
        &[
            ("a", "protocols: [tls_passthrough], snis: [a.test]"),
            ("b", "protocols: [tls_passthrough], snis: [b.test]"),
            ("wild", "protocols: [tls_passthrough], snis: ['*.sni.test', 'sni.*']"),
        ],
    );
    let cases = [
        ("a.test", Some("a")),
        ("b.test", Some("b")),
        ("foo.sni.test", Some("wild")),
        ("foo.bar.sni.test", Some("wild")),
        ("sni.foo", Some("wild")),
        ("sni.foo.bar", Some("wild")),
        ("bar.sni.foo", None),
        ("foo.sni.test.bar", None),
    ];
    for (sni, expected) in cases {
        let expected = expected.map(|name| format!("service {name}"));
        assert_eq!(outcome.takes(Some(sni), "1.1.1.1:1", "2.2.2.2:9000"), expected, "{sni}");
    }
}

/// decisions.md: where Kong's number is the same, which leaves the choice to chance there, the exact name comes before
/// the longest wildcard, and then whoever stands first.
#[test]
fn what_kong_leaves_to_chance_is_settled() {
    let outcome = routes(
        "",
        "0.0.0.0:9000 ssl",
        &[
            ("short", "protocols: [tls], snis: ['*.test']"),
            ("long", "protocols: [tls], snis: ['*.b.test']"),
            ("exact", "protocols: [tls], snis: [a.b.test]"),
            ("first", "protocols: [tls], sources: [{ip: 10.0.0.0/8}]"),
            ("second", "protocols: [tls], sources: [{ip: 10.0.0.0/24}]"),
        ],
    );
    let takes = |sni| outcome.takes(sni, "10.0.0.1:1", "2.2.2.2:9000").unwrap();
    assert_eq!(takes(Some("a.b.test")), "service exact");
    assert_eq!(takes(Some("c.b.test")), "service long");
    assert_eq!(takes(Some("c.test")), "service short");
    assert_eq!(takes(Some("example.org")), "service first");
}

/// decisions.md: in Kong a client without a name would meet any route with names; here it meets none of them.
#[test]
fn who_asks_for_no_name_meets_no_route_of_names() {
    let outcome = routes(
        "",
        "0.0.0.0:9000 ssl",
        &[
            ("named", "protocols: [tls], snis: [a.test]"),
            ("all", "protocols: [tls], destinations: [{port: 9000}]"),
        ],
    );
    assert_eq!(outcome.takes(None, "1.1.1.1:1", "2.2.2.2:9000").unwrap(), "service all");
    assert_eq!(outcome.takes(Some("a.test"), "1.1.1.1:1", "2.2.2.2:9000").unwrap(), "service named");
}

/// K25: many destinations of one route.
#[test]
fn a_route_may_have_many_destinations() {
    let many: Vec<_> = (9000..9006).map(|port| format!("{{port: {port}}}")).collect();
    let outcome = routes(
        "",
        "0.0.0.0:9003",
        &[("r", &format!("protocols: [tcp], destinations: [{}]", many.join(", ")))],
    );
    assert_eq!(outcome.served(), ["0.0.0.0:9003: any goes on, service r 10.0.0.1:1"]);
}
