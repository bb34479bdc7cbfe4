//! Ambassador's own end-to-end cases of TCPMapping with TLS (`t_tcpmapping.py`), and who is served where hosts,
//! `*` and strangers meet on one port.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::ClientConfig;

use super::{Site, context};
use crate::harness::backend::Backend;
use crate::harness::client::{connect, try_connect};
use crate::harness::tls::{Ca, backend, begin, greeting, hello, secret};

/// A TCPMapping of some version; `spec` is in flow style.
fn mapping(version: &str, meta: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: getambassador.io/{version}\nkind: TCPMapping\nmetadata: {{{meta}}}\nspec: {{{spec}}}\n"
    )
}

fn elsewhere(document: &str, name: &str) -> String {
    document.replace(&format!("{{name: {name}}}"), &format!("{{name: {name}, namespace: other}}"))
}

fn host(name: &str, hostname: &str, secret: &str) -> String {
    format!(
        "---\napiVersion: getambassador.io/v3alpha1\nkind: Host\nmetadata: {{name: {name}}}\n\
         spec:\n  hostname: \"{hostname}\"\n  tlsSecret: {{name: {secret}}}\n"
    )
}

/// One that says so, in the clear.
fn clear(address: &str) -> Backend {
    Backend::named(address, "clear\n")
}

/// What a client in the clear hears first.
fn plainly(address: &str) -> String {
    greeting(&mut connect(address))
}

/// What a client in TLS hears first, who verifies the name that it asks for.
fn securely(address: &str, name: &str, config: &Arc<ClientConfig>) -> String {
    greeting(&mut hello(address, name, config).unwrap_or_else(|e| panic!("{name}: {e}")))
}

#[test]
fn upstreams_are_spoken_to_in_every_spelling() {
    let (ca, site) = (Ca::new(), Site::new());
    let _upstreams = [
        clear(&site.at(7001)),
        backend(&site.at(7002), "tls", ca.server_asking(&ca.leaf(&["pay.example.com"]))),
        backend(&site.at(7003), "open", ca.leaf(&["pay.example.com"]).server()),
    ];
    // The one name that leads here without DNS.
    let named = backend("127.0.0.1:0", "named", ca.leaf(&["localhost"]).server());
    let name = format!("localhost:{}", named.address.port());
    let address = site.host.clone();
    let up = "  secret: identity\n  sni: my-funny-name\n";
    let cases = [
        ("v2", format!("service: \"{address}:7001\""), "clear"),
        ("v2", format!("service: \"{address}:7003\", tls: true"), "open - unknown"),
        ("v2", format!("service: \"https://{address}:7003\""), "open - unknown"),
        ("v2", format!("service: \"{address}:7001\", tls: false"), "clear"),
        ("v3alpha1", format!("service: \"https://{address}:7003\""), "open - unknown"),
        ("v3alpha1", format!("service: \"HTTPS://{address}:7003\""), "open - unknown"),
        ("v3alpha1", format!("service: \"http://{address}:7001\""), "clear"),
        ("v3alpha1", format!("service: \"https://{name}\""), "named localhost unknown"),
        ("v3alpha1", format!("service: \"{name}\", tls: up.verified"), "named localhost unknown"),
        ("v3alpha1", format!("service: \"{address}:7002\", tls: up"), "tls my-funny-name known"),
        ("v3alpha1", format!("service: \"https://{address}:7002\", tls: up"), "tls my-funny-name known"),
        ("v3alpha1", format!("service: \"http://{address}:7002\", tls: up"), "tls my-funny-name known"),
        ("v3alpha1", format!("service: \"{address}:7002\", tls: up.with.dots"), "tls my-funny-name known"),
        ("v3alpha1", format!("service: \"{address}:7002\", tls: far"), "tls my-funny-name known"),
    ];
    let identity = ca.leaf(&["client"]).secret("identity");
    let mut site = site
        .with(&identity)
        .with(&elsewhere(&identity, "identity"))
        .with(&context("up", up))
        .with(&context("up.with.dots", up))
        .with(&secret("ca", &[("ca.crt", &ca.pem)]))
        .with(&context("up.verified", "  ca_secret: ca\n"))
        .with(&elsewhere(&context("far", up), "far"));
    for (port, (version, spec, _)) in (7100..).zip(&cases) {
        site = site.with(&mapping(
            version,
            &format!("name: m{port}"),
            &format!("address: {address}, port: {port}, {spec}"),
        ));
    }
    // A context that is missing, or broken, is never cleartext.
    site = site.with(&context("broken", "  secret: nowhere\n"));
    for (port, spec) in [(7200, "tls: nowhere"), (7201, "tls: broken")] {
        site = site.with(&mapping(
            "v3alpha1",
            &format!("name: m{port}"),
            &format!("address: {address}, port: {port}, service: \"{address}:7001\", {spec}"),
        ));
    }
    let _sluice = site.start();
    for (port, (version, spec, expected)) in (7100..).zip(cases) {
        assert_eq!(plainly(&site.at(port)), expected, "{version} {spec}");
    }
    for port in [7200, 7201] {
        assert!(try_connect(&site.at(port)).is_err(), "{port} is served");
    }
}

#[test]
fn the_four_ways_of_one_configuration() {
    let (ca, site) = (Ca::new(), Site::new());
    let names = ["tls-context-host-1", "tls-context-host-2", "tls-context-host-3"];
    let leaf = ca.leaf(&names);
    let _upstreams = [
        clear(&site.at(7001)),
        backend(&site.at(7002), "t1", leaf.server()),
        backend(&site.at(7003), "t2", ca.server_asking(&leaf)),
        backend(&site.at(7004), "t3", leaf.server()),
    ];
    let address = site.host.clone();
    let spec = |port: u16, spec: &str| format!("address: {address}, port: {port}, {spec}");
    let documents = [
        (9876, format!("service: \"{address}:7002\"")),
        (7654, format!("service: \"https://{address}:7004\"")),
        (6789, format!("host: {}, service: \"{address}:7001\"", names[0])),
        (6789, format!("host: {}, service: \"{address}:7003\", tls: theirs", names[1])),
        (6789, format!("host: {}, service: \"https://{address}:7004\"", names[2])),
    ];
    let mut site = site.certificate("theirs", &names, &leaf, "");
    for (i, (port, rest)) in documents.iter().enumerate() {
        site = site.with(&mapping("v3alpha1", &format!("name: m{i}"), &spec(*port, rest)));
    }
    let _sluice = site.start();
    let config = Arc::new(ca.client(None));
    assert_eq!(securely(&site.at(9876), names[0], &config), format!("t1 {} unknown", names[0]));
    assert_eq!(plainly(&site.at(7654)), "t3 - unknown");
    for (name, expected) in names.into_iter().zip(["clear", "t2 - known", "t3 - unknown"]) {
        assert_eq!(securely(&site.at(6789), name, &config), expected);
    }
    // Whoever listens at an address listens at no other.
    assert!(try_connect(&Site::new().at(7654)).is_err());
}

/// Certificates from contexts, then from Hosts; one for all names, one each, and from another namespace.
#[test]
fn termination_by_context_and_by_host() {
    let ca = Ca::new();
    let names = ["a.domain.com", "b.domain.com"];
    let (shared, each) = (ca.leaf(&["*.domain.com"]), names.map(|name| ca.leaf(&[name])));
    let secrets = [shared.secret("s"), each[0].secret("s0"), each[1].secret("s1")].concat();
    let far = elsewhere(&shared.secret("s"), "s");
    let listed = |name: &str, hosts: &str, secret: &str| {
        context(name, &format!("  hosts: [{hosts}]\n  secret: {secret}\n"))
    };
    let both = names.join(", ");
    for (case, documents) in [
        ("shared context", secrets.clone() + &listed("c", &both, "s")),
        ("shared host", secrets.clone() + &host("h", "*.domain.com", "s")),
        (
            "separate contexts",
            secrets.clone() + &listed("c0", names[0], "s0") + &listed("c1", names[1], "s1"),
        ),
        ("separate hosts", secrets.clone() + &host("h0", names[0], "s0") + &host("h1", names[1], "s1")),
        ("context elsewhere", far.clone() + &elsewhere(&listed("c", &both, "s"), "c")),
        ("context with a secret elsewhere", far.clone() + &listed("c", &both, "s.other")),
        ("host elsewhere", far.clone() + &elsewhere(&host("h", "*.domain.com", "s"), "h")),
        (
            "host with a secret elsewhere",
            far.clone() + &host("h", "*.domain.com", "s").replace("{name: s}", "{name: s, namespace: other}"),
        ),
    ] {
        let site = Site::new().with(&documents);
        let _upstreams = [Backend::named(&site.at(7001), "one\n"), Backend::named(&site.at(7002), "two\n")];
        let services = [site.at(7001), site.at(7002)];
        let site = site.mapping("a", &services[0], &format!("  host: {}\n", names[0])).mapping(
            "b",
            &services[1],
            &format!("  host: {}\n", names[1]),
        );
        let _sluice = site.start();
        let config = Arc::new(ca.client(None));
        for (name, expected) in names.into_iter().zip(["one", "two"]) {
            assert_eq!(securely(&site.front(), name, &config), expected, "{case}");
        }
    }
}

/// What a client is to one port: served by an upstream, or why not.
#[test]
fn strangers_meet_hosts_and_everything() {
    let ca = Ca::new();
    let leaf = ca.leaf(&["known.example.com", "other.example.com"]);
    for (everything, expected) in [
        (false, ["known", "unknown_name", "unknown_name", "not_tls"]),
        (true, ["known", "everything", "everything", "not_tls"]),
    ] {
        let site = Site::new().certificate("c", &["known.example.com", "*"], &leaf, "");
        let _upstreams =
            [Backend::named(&site.at(7001), "known\n"), Backend::named(&site.at(7002), "everything\n")];
        let services = [site.at(7001), site.at(7002)];
        let mut site = site.mapping("known", &services[0], "  host: known.example.com\n");
        if everything {
            site = site.mapping("everything", &services[1], "  host: \"*\"\n");
        }
        let mut sluice = site.start();
        let mut nameless = ca.client(None);
        nameless.enable_sni = false;
        let (named, nameless) = (Arc::new(ca.client(None)), Arc::new(nameless));
        let clients = [
            Some(("known.example.com", &named)),
            Some(("other.example.com", &named)),
            Some(("other.example.com", &nameless)),
            None,
        ];
        for (client, expected) in clients.into_iter().zip(expected) {
            let heard = match client {
                Some((name, config)) => {
                    let mut client = begin(&site.front(), name, config);
                    let mut heard = String::new();
                    client.read_to_string(&mut heard).map(|_| heard).ok()
                }
                None => {
                    let mut client = connect(&site.front());
                    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                    let mut heard = String::new();
                    client.read_to_string(&mut heard).map(|_| heard).ok()
                }
            };
            let reason = sluice.closed()["reason"].clone();
            match heard {
                Some(heard) => assert_eq!((heard.trim(), &reason), (expected, &"finished".into())),
                None => assert_eq!(reason, expected),
            }
        }
    }
    // And a mapping without a host has no place beside them.
    let site = Site::new().certificate("c", &["known.example.com"], &leaf, "");
    let _upstream = Backend::named(&site.at(7001), "known\n");
    let service = site.at(7001);
    let site = site.mapping("known", &service, "  host: known.example.com\n").mapping("raw", &service, "");
    let mut sluice = site.start();
    assert_eq!(securely(&site.front(), "known.example.com", &Arc::new(ca.client(None))), "known");
    assert_eq!(sluice.closed()["mapping"], "TCPMapping default/known");
    let mut client = connect(&site.front());
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(client.read_to_end(&mut Vec::new()).is_err(), "never in the clear");
}
