//! How targets are reached.

use std::io::Read;
use std::net::Shutdown;
use std::sync::Arc;

use super::{arn, balancer, gateway, route, service, start, target_group};
use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::tls::{backend, greeting, hello};
use crate::tls::{Site, material};

const TCP: &str = "{name: tcp, protocol: TCP, port: 7000}";
const PASSED: &str = "{name: tls, protocol: TLS, port: 7000, tls: {mode: Passthrough}}";
const ENDED: &str =
    "{name: tls, protocol: TLS, port: 7000, tls: {mode: Terminate, certificateRefs: [{name: x}]}}";

fn site(listener: &str, configuration: &str, documents: &str) -> Site {
    let site = Site::new();
    let service = service(&site, "default", "pay", 80);
    let site = site.with(&gateway(&[listener])).with(&balancer(&[configuration]));
    site.with(documents).with(&service)
}

#[test]
fn what_is_passed_through_needs_no_certificate_and_is_not_encrypted_again() {
    let (ca, leaf) = material();
    let names = "  hostnames: [pay.example.com]\n";
    for documents in [
        route("TLSRoute", names),
        route("TCPRoute", ""),
        route("TLSRoute", names) + &target_group("protocol: TLS"),
    ] {
        let site = site(PASSED, "{protocolPort: \"TCP:7000\"}", &documents);
        let _pod = backend(&site.at(7001), "pod", leaf.server());
        let _sluice = start(&site, "none");
        let mut client = hello(&site.front(), "pay.example.com", &Arc::new(ca.client(None))).unwrap();
        assert_eq!(greeting(&mut client), "pod pay.example.com unknown");
    }
}

#[test]
fn a_tls_route_encrypts_again_unless_its_target_group_says_tcp() {
    let (ca, leaf) = material();
    let configuration = format!("{{protocolPort: \"TLS:7000\", defaultCertificate: \"{}\"}}", arn("d"));
    let names = "  hostnames: [pay.example.com]\n";
    for (documents, is_encrypted) in [
        (route("TLSRoute", names), true),
        (route("TLSRoute", names) + &target_group("protocol: TCP"), false),
        (route("TCPRoute", ""), false),
        (route("TCPRoute", "") + &target_group("protocol: TLS"), true),
    ] {
        let site = site(ENDED, &configuration, &documents).with(&leaf.secret("d"));
        let _pod = match is_encrypted {
            true => backend(&site.at(7001), "pod", leaf.server()),
            false => Backend::named(&site.at(7001), "clear\n"),
        };
        let _sluice = start(&site, &format!("{}=d", arn("d")));
        let mut client = hello(&site.front(), "pay.example.com", &Arc::new(ca.client(None))).unwrap();
        let expected = if is_encrypted { "pod - unknown" } else { "clear" };
        assert_eq!(greeting(&mut client), expected, "{documents}");
    }
}

#[test]
fn targets_are_told_of_the_client_where_they_want_it() {
    let props = "targetGroupAttributes: [{key: proxy_protocol_v2.enabled, value: \"true\"}]";
    let documents = route("TCPRoute", "") + &target_group(props);
    let site = site(TCP, "{protocolPort: \"TCP:7000\"}", &documents);
    let (sender, heard) = std::sync::mpsc::channel();
    let _pod = Backend::serve(&site.at(7001), move |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        sender.send(all).unwrap();
    });
    let _sluice = start(&site, "none");
    let client = connect(&site.front());
    let port = client.local_addr().unwrap().port();
    client.shutdown(Shutdown::Write).unwrap();
    let heard = heard.recv().unwrap();
    assert_eq!(heard[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    assert_eq!(heard[24..26], port.to_be_bytes());
}

#[test]
fn clients_outside_the_source_ranges_are_refused() {
    for (ranges, expected) in [("[127.0.0.0/8, 10.1.2.3/32]", "clear"), ("[10.0.0.0/8]", "")] {
        let site = site(TCP, "{protocolPort: \"TCP:7000\"}", &route("TCPRoute", ""));
        let documents = site.documents.replace(
            "  listenerConfigurations:",
            &format!("  sourceRanges: {ranges}\n  listenerConfigurations:"),
        );
        let site = Site { documents, ..site };
        let _pod = Backend::named(&site.at(7001), "clear\n");
        let mut sluice = start(&site, "none");
        let mut said = String::new();
        let _ = connect(&site.front()).read_to_string(&mut said);
        assert_eq!(said.trim(), expected);
        let reason = if expected.is_empty() { "denied" } else { "finished" };
        assert_eq!(sluice.closed()["reason"], reason);
    }
}
