//! Who is who by the ends of connections.

use std::net::SocketAddr;

use super::{Access, Between, Ends};

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// `10.0.0.0/8`, `10.0.0.0/8@80` or `@80`.
fn ends(text: &str) -> Ends {
    let (network, port) = text.split_once('@').map_or((text, None), |(network, port)| (network, Some(port)));
    let network = (!network.is_empty()).then(|| network.parse().unwrap());
    Ends { network, port: port.map(|port| port.parse().unwrap()) }
}

fn all(texts: &[&str]) -> Vec<Ends> {
    texts.iter().map(|text| ends(text)).collect()
}

#[test]
fn a_route_takes_what_has_one_of_its_sources_and_one_of_its_destinations() {
    let destination = "10.9.9.9:443";
    for (sources, destinations, source, taken) in [
        (&[][..], &[][..], "192.0.2.1:1", true),
        (&["10.0.0.0/8"], &[], "10.255.0.1:1", true),
        (&["10.0.0.0/8"], &[], "11.0.0.1:1", false),
        (&["10.0.0.0/8"], &[], "[::ffff:10.0.0.1]:1", true),
        (&["10.0.0.1/32", "192.0.2.1/32"], &[], "192.0.2.1:1", true),
        (&["2001:db8::/32"], &[], "[2001:db8::1]:1", true),
        (&["2001:db8::/32"], &[], "192.0.2.1:1", false),
        (&["0.0.0.0/0"], &[], "[2001:db8::1]:1", false),
        (&["@1"], &[], "192.0.2.1:1", true),
        (&["@1"], &[], "192.0.2.1:2", false),
        // Address and port of one entry, not of two.
        (&["10.0.0.0/8@1", "192.0.2.1/32@2"], &[], "192.0.2.1:1", false),
        (&["10.0.0.0/8@1", "192.0.2.1/32@2"], &[], "192.0.2.1:2", true),
        (&[], &["10.9.9.9/32"], "192.0.2.1:1", true),
        (&[], &["@443"], "192.0.2.1:443", true),
        (&[], &["@80"], "192.0.2.1:80", false),
        (&["192.0.2.1/32"], &["@443"], "192.0.2.1:1", true),
        (&["192.0.2.1/32"], &["@80"], "192.0.2.1:1", false),
        (&["192.0.2.2/32"], &["@443"], "192.0.2.1:1", false),
    ] {
        let between = Between { sources: all(sources), destinations: all(destinations) };
        let found = between.takes(socket(source), socket(destination));
        assert_eq!(found, taken, "{source} among {sources:?}, {destination} among {destinations:?}");
        assert_eq!(between.is_everyone(), sources.is_empty() && destinations.is_empty());
    }
}

#[test]
fn ends_are_shown_as_people_say_them() {
    for (text, shown) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/8@80", "10.0.0.0/8 port 80"),
        ("@80", "port 80"),
        ("", "everyone"),
    ] {
        assert_eq!(ends(text).to_string(), shown);
    }
}

#[test]
fn who_is_denied_is_not_admitted_though_it_is_allowed() {
    for (allow, deny, client, admitted) in [
        (&[][..], &[][..], "192.0.2.1", true),
        (&["192.0.2.0/24"], &[], "192.0.2.1", true),
        (&["192.0.2.0/24"], &[], "198.51.100.1", false),
        (&["192.0.2.0/24"], &["192.0.2.1/32"], "192.0.2.1", false),
        (&["192.0.2.1/32"], &["192.0.2.0/24"], "192.0.2.1", false),
        (&[], &["192.0.2.0/24"], "192.0.2.1", false),
        (&[], &["192.0.2.0/24"], "198.51.100.1", true),
        (&[], &["192.0.2.0/24"], "::ffff:192.0.2.1", false),
        (&["192.0.2.0/24"], &[], "::ffff:192.0.2.1", true),
        (&["192.0.2.0/24"], &[], "2001:db8::1", false),
        (&["2001:db8::/32"], &["2001:db8::/128"], "2001:db8::1", true),
        (&[], &["::/0"], "192.0.2.1", true),
        (&[], &["::/0"], "2001:db8::1", false),
    ] {
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let access = Access { allow: networks(allow), deny: networks(deny) };
        assert_eq!(access.admits(client.parse().unwrap()), admitted, "{client}: {allow:?} but not {deny:?}");
    }
}
