//! TLS of clients: ended with the certificate of their name, or passed through.

use std::sync::Arc;

use serde_json::json;

use super::{Site, answer, certificate, document, is_shown, service, start, tcp};
use crate::harness::backend::Backend;
use crate::harness::program::{file, run};
use crate::harness::tls::{Ca, Leaf, backend, echoed, finish, greeting, hello};

/// K26, K27: `tls_passthrough` by names and wildcards, beside a `tls` route on the same port.
#[test]
fn passthrough_and_ended_tls_stand_side_by_side_on_a_port() {
    let ca = Ca::new();
    let names = ["www.example.org", "example.org", "a.foo.test", "a.b.foo.test", "bar.x", "bar.y.z"];
    let (own, theirs) = (ca.leaf(&["ended.test"]), ca.leaf(&names));
    let site = Site::new();
    let echo = Backend::echo(&site.at(7001));
    let _one = backend(&site.at(7002), "one", theirs.server());
    let _two = backend(&site.at(7003), "two", theirs.server());
    let entities = json!({
        "services": [
            service("echo", &tcp(echo.address), json!([{"protocols": ["tls"], "snis": ["ended.test"]}])),
            service("one", &format!("tls_passthrough://{}", site.at(7002)), json!([
                {"protocols": ["tls_passthrough"], "snis": ["www.example.org", "*.foo.test"]},
            ])),
            service("two", &format!("tls_passthrough://{}", site.at(7003)), json!([
                {"protocols": ["tls_passthrough"], "snis": ["example.org", "bar.*"]},
            ])),
        ],
        "certificates": [certificate("c", &own, &["ended.test"])],
    });
    let mut sluice = start(&document("3.0", entities), &format!("{} ssl", site.at(9020)), &[]);
    let config = Arc::new(ca.client(None));
    for (name, expected) in names.iter().zip(["one", "two", "one", "one", "two", "two"]) {
        let mut client = hello(&site.at(9020), name, &config).unwrap();
        assert_eq!(greeting(&mut client), format!("{expected} {name} unknown"));
        assert!(is_shown(&client, &theirs));
        finish(&mut client);
        let record = sluice.closed();
        assert_eq!((&record["relay"], &record["sni"]), (&"splice".into(), &(*name).into()), "{record}");
        assert_eq!(record["mapping"], format!("service {expected}"));
    }
    let mut client = hello(&site.at(9020), "ended.test", &config).unwrap();
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    assert!(is_shown(&client, &own));
    finish(&mut client);
    assert_eq!(sluice.closed()["relay"], "tls");
    let error = hello(&site.at(9020), "foo.test", &config).unwrap_err().to_string();
    assert!(error.contains("UnrecognisedName"), "the apex of a wildcard is not behind it: {error}");
}

/// A `tls` route for everybody, with these certificates.
fn everybody(echo: &Backend, version: &str, certificates: serde_json::Value) -> String {
    let routes = json!([{"protocols": ["tls"], "sources": [{"ip": "0.0.0.0/0"}]}]);
    document(
        version,
        json!({"services": [service("echo", &tcp(echo.address), routes)], "certificates": certificates}),
    )
}

/// K28, K30, K31, K32: exact, then `*.x` for one label, then `x.*`, then `*`, else the default.
#[test]
fn names_have_their_certificates() {
    let ca = Ca::new();
    let all = [
        "www.wildcard.com",
        "a.wildcard.com",
        "a.b.wildcard.com",
        "www.wildcard.org",
        "other.test",
        "example.com",
        "a.www.wildcard.com",
    ];
    let [exact, before, deeper, behind, rest, default]: [Leaf; 6] = std::array::from_fn(|_| ca.leaf(&all));
    let site = Site::new();
    let echo = Backend::echo(&site.at(7001));
    let certificates = |rest: serde_json::Value| {
        let mut all = vec![
            certificate("exact", &exact, &["www.wildcard.com", "example.com."]),
            certificate("before", &before, &["*.wildcard.com"]),
            certificate("deeper", &deeper, &["*.www.wildcard.com"]),
            certificate("behind", &behind, &["www.wildcard.*"]),
        ];
        all.extend(rest.as_array().unwrap().iter().cloned());
        everybody(&echo, "3.0", all.into())
    };
    let (chain, key) = (file("default.crt", &default.chain), file("default.key", &default.key));
    let flags = ["--kong-ssl-cert", &chain, "--kong-ssl-cert-key", &key];
    let mut sluice = start(&certificates(json!([])), &format!("{} ssl", site.at(8443)), &flags);
    let config = Arc::new(ca.client(None));
    let shows = |name: &str, leaf: &Leaf| {
        let mut client = hello(&site.at(8443), name, &config).unwrap();
        assert_eq!(echoed(&mut client, b"hello"), b"hello");
        assert!(is_shown(&client, leaf), "{name}");
    };
    shows("www.wildcard.com", &exact);
    // K29: the dot of the root is none of the name's.
    shows("example.com", &exact);
    shows("a.wildcard.com", &before);
    shows("a.www.wildcard.com", &deeper);
    shows("www.wildcard.org", &behind);
    shows("a.b.wildcard.com", &default);
    shows("other.test", &default);
    sluice.reload(&certificates(json!([certificate("rest", &rest, &["*"])])));
    shows("other.test", &rest);
    shows("www.wildcard.com", &exact);
}

/// K33: an address in the place of a name gets the default certificate, as in Kong. What is no name at all does so in
/// Kong, too; here, where no handshake could go on with it (RFC 6066), it ends the connection.
#[test]
fn names_that_are_none_meet_no_certificate_but_the_default() {
    let ca = Ca::new();
    let (own, default) = (ca.leaf(&["a.test"]), ca.leaf(&["default.test"]));
    let site = Site::new();
    let echo = Backend::echo(&site.at(7001));
    let text = everybody(&echo, "3.0", json!([certificate("own", &own, &["a.test", "*.a.test"])]));
    let (chain, key) = (file("default.crt", &default.chain), file("default.key", &default.key));
    let flags = ["--kong-ssl-cert", &chain, "--kong-ssl-cert-key", &key];
    let mut sluice = start(&text, &format!("{} ssl", site.at(8443)), &flags);
    let shown = |name: &str| {
        let said = run("openssl", &["s_client", "-connect", &site.at(8443), "-servername", name], b"");
        let begin = said.find("-----BEGIN CERTIFICATE");
        begin.map(|begin| said[begin..].split("-----END").next().unwrap().to_owned())
    };
    let body = |leaf: &Leaf| leaf.chain.replace("\r\n", "\n").split("-----END").next().unwrap().to_owned();
    for (name, leaf) in [("a.test", &own), ("b.a.test", &own), ("192.0.2.1", &default)] {
        assert_eq!(shown(name), Some(body(leaf)), "{name}");
        sluice.closed();
    }
    for name in ["a.test:443", "a.test:x", "192.0.2.1:443", "a b", "*.a.*", "a.*.test"] {
        assert_eq!(shown(name), None, "{name}");
        assert_eq!(sluice.closed()["reason"], "hello_malformed", "{name}");
    }
}

/// Where nobody gives a certificate one of localhost is made, and stays for the life of the process.
#[test]
fn without_any_certificate_one_is_made() {
    let site = Site::new();
    let echo = Backend::echo(&site.at(7001));
    let text = everybody(&echo, "3.0", json!([]));
    let mut sluice = start(&text, &format!("{} ssl", site.at(8443)), &[]);
    let shown = || {
        let said = run("openssl", &["s_client", "-connect", &site.at(8443), "-servername", "x.test"], b"");
        let begin = said.find("-----BEGIN CERTIFICATE").unwrap_or_else(|| panic!("{said}"));
        said[begin..].split("-----END").next().unwrap().to_owned()
    };
    let before = shown();
    sluice.reload(&format!("{text}\n"));
    assert_eq!(shown(), before);
}

/// decisions.md: files of version 1.1 end TLS wherever a connection begins with a ClientHello, as Kong 1 promised. What
/// Kong announced in 2019: TLS ended in front of a service that speaks TCP, and cleartext on the same port.
#[test]
fn files_of_kong_1_end_tls_on_sight() {
    let ca = Ca::new();
    let leaf = ca.leaf(&["tcpbin.test"]);
    let site = Site::new();
    let echo = Backend::echo(&site.at(7001));
    let text = format!(
        "_format_version: '1.1'\nservices:\n- name: tcpbin\n  url: tcp://{}\n  routes:\n  - name: tcpbin\n    \
         protocols: [tcp, tls]\n    destinations: [{{port: 5555}}]\ncertificates: [{}]\n",
        echo.address,
        certificate("c", &leaf, &["tcpbin.test"])
    );
    let mut sluice = start(&text, &site.at(5555), &[]);
    let mut client = hello(&site.at(5555), "tcpbin.test", &Arc::new(ca.client(None))).unwrap();
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    assert!(is_shown(&client, &leaf));
    finish(&mut client);
    assert_eq!(sluice.closed()["relay"], "tls");
    let mut client = crate::harness::client::connect(&site.at(5555));
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    drop(client);
    assert_eq!(sluice.closed()["relay"], "splice");
}

/// Later files hand TLS on as it is, unless the listener has the flag `ssl` (Kong#9426).
#[test]
fn later_files_leave_plain_listeners_alone() {
    let ca = Ca::new();
    let leaf = ca.leaf(&["pay.test"]);
    let site = Site::new();
    let _tls = backend(&site.at(7001), "tls", leaf.server());
    let _named = Backend::named(&site.at(7002), "plain");
    let entities = json!({"services": [
        service("tls", &format!("tcp://{}", site.at(7001)), json!([{"protocols": ["tcp"], "destinations": [{"port": 9000}]}])),
        service("plain", &format!("tcp://{}", site.at(7002)), json!([{"protocols": ["tcp"], "destinations": [{"port": 9001}]}])),
    ]});
    let listen = format!("{}, {}", site.at(9000), site.at(9001));
    let _sluice = start(&document("3.0", entities), &listen, &[]);
    let mut client = hello(&site.at(9000), "pay.test", &Arc::new(ca.client(None))).unwrap();
    assert_eq!(greeting(&mut client), "tls pay.test unknown");
    assert_eq!(answer(&site.at(9001)), "plain");
}
