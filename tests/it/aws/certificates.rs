//! Which certificate a listener shows.

use std::sync::Arc;

use rustls::ClientConfig;

use super::{arn, balancer, gateway, route, service, start};
use crate::harness::backend::Backend;
use crate::harness::program::{file, run};
use crate::harness::tls::{Ca, Client, Leaf, greeting, hello, tls12};
use crate::tls::Site;

const TLS: &str = "{name: tls, protocol: TLS, port: 7000, hostname: pay.example.com, tls: {mode: Terminate, \
                   certificateRefs: [{name: fake}]}}";

/// A site that ends TLS for a Service that says `pay`.
fn site(listener: &str, configuration: &str) -> (Site, Backend) {
    let site = Site::new();
    let pod = Backend::named(&site.at(7001), "pay\n");
    let service = service(&site, "default", "pay", 80);
    let site = site.with(&gateway(&[listener])).with(&balancer(&[configuration]));
    (site.with(&route("TCPRoute", "")).with(&service), pod)
}

/// A name among those of the certificate that a client is shown.
fn shown(client: &Client) -> String {
    let certificate = client.conn.peer_certificates().unwrap()[0].clone();
    let text = String::from_utf8_lossy(&certificate).into_owned();
    let names = ["default.example.com", "a.example.com", "b.example.com", "wide.org"];
    (*names.iter().find(|name| text.contains(**name)).unwrap()).to_owned()
}

fn map(entries: &[(&str, &str)]) -> String {
    entries.iter().map(|(id, place)| format!("{}={place};", arn(id))).collect()
}

#[test]
fn the_list_is_chosen_from_by_the_names_in_it() {
    let ca = Ca::new();
    let leaves = [
        ca.leaf(&["default.example.com", "pay.example.com", "10-0-0-1.example.com"]),
        ca.leaf(&["a.example.com"]),
        ca.leaf(&["b.example.com", "wide.org", "*.wide.org"]),
    ];
    let configuration = format!(
        "{{protocolPort: \"TLS:7000\", defaultCertificate: \"{}\", certificates: [\"{}\", \"{}\"]}}",
        arn("d"),
        arn("a"),
        arn("b")
    );
    let (mut site, _pod) = site(TLS, &configuration);
    for (name, leaf) in ["d", "a", "b"].iter().zip(&leaves) {
        site = site.with(&leaf.secret(name));
    }
    let _sluice = start(&site, &map(&[("d", "d"), ("a", "a"), ("b", "default/b")]));
    let config = Arc::new(ca.client(None));
    for (name, expected) in [
        ("pay.example.com", "default.example.com"),
        ("a.example.com", "a.example.com"),
        ("b.example.com", "b.example.com"),
        ("x.wide.org", "b.example.com"),
        ("wide.org", "b.example.com"),
    ] {
        let mut client = hello(&site.front(), name, &config).unwrap();
        assert_eq!((shown(&client).as_str(), greeting(&mut client).as_str()), (expected, "pay"), "{name}");
    }
    // Nothing fits, or there is nothing to go by: the default.
    let front = site.front();
    let authority = file("ca", &ca.pem);
    for words in [
        &["-servername", "stranger.org"][..],
        &["-servername", "a.b.wide.org"],
        &["-servername", "10.0.0.1"],
        &["-noservername"],
    ] {
        let common = [
            "s_client",
            "-connect",
            &front,
            "-CAfile",
            &authority,
            "-verify_hostname",
            "default.example.com",
        ];
        let said = run("openssl", &[&common[..], &["-verify_return_error", "-ign_eof"], words].concat(), b"");
        assert!(said.contains("Verify return code: 0 (ok)") && said.contains("pay"), "{words:?}: {said}");
    }
}

#[test]
fn without_an_arn_the_certificate_is_found_by_hostname() {
    let ca = Ca::new();
    let (leaf, other) = (ca.leaf(&["*.example.com"]), ca.leaf(&["b.example.com"]));
    let (site, _pod) = site(TLS, "{protocolPort: \"TLS:7000\"}");
    let (chain, key) = (file("chain", &leaf.chain), file("key", &leaf.key));
    let site = site.with(&other.secret("b"));
    let map = map(&[("b", "b"), ("wide", &format!("{chain},{key}"))]);
    let mut sluice = start(&site, &map);
    let mut client = hello(&site.front(), "pay.example.com", &Arc::new(ca.client(None))).unwrap();
    assert_eq!(greeting(&mut client), "pay");
    drop(client);
    sluice.closed();

    // Its files are watched like others.
    let renewed = Ca::new();
    let Leaf { chain: new_chain, key: new_key } = renewed.leaf(&["*.example.com"]);
    std::fs::write(&key, new_key).unwrap();
    std::fs::write(&chain, new_chain).unwrap();
    let config = Arc::new(renewed.client(None));
    let mut client = crate::harness::eventually("the new certificate", || {
        hello(&site.front(), "pay.example.com", &config).ok()
    });
    assert_eq!(greeting(&mut client), "pay");
}

#[test]
fn a_policy_says_which_versions_and_suites() {
    let ca = Ca::new();
    let agreed = |policy: &str, config: ClientConfig| {
        let configuration = format!(
            "{{protocolPort: \"TLS:7000\", defaultCertificate: \"{}\", sslPolicy: {policy}, alpnPolicy: HTTP2Preferred}}",
            arn("d")
        );
        let (site, _pod) = site(TLS, &configuration);
        let site = site.with(&ca.leaf(&["pay.example.com"]).secret("d"));
        let _sluice = start(&site, &map(&[("d", "d")]));
        let client = hello(&site.front(), "pay.example.com", &Arc::new(config)).ok()?;
        let alpn = client.conn.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        Some((client.conn.protocol_version().unwrap().as_str().unwrap(), alpn.unwrap_or_default()))
    };
    let mut http = ca.client(None);
    http.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let h2 = "h2".to_owned();
    for (policy, config, expected) in [
        ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", http, Some(("TLSv1_3", h2))),
        ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", tls12(&ca), Some(("TLSv1_2", String::new()))),
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", tls12(&ca), None),
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", ca.client(None), Some(("TLSv1_3", String::new()))),
        ("ELBSecurityPolicy-2016-08", ca.client(None), Some(("TLSv1_2", String::new()))),
    ] {
        assert_eq!(agreed(policy, config), expected, "{policy}");
    }
}
