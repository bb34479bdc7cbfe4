use super::{Outcome, lower, with_annotation, with_spec};
use crate::config::model::{ProxySources, ProxyVersion};

/// A Listener of the mapping's port.
fn listener(annotations: &str, fields: &str) -> String {
    format!(
        "apiVersion: getambassador.io/v3alpha1\nkind: Listener\n\
         metadata: {{name: l, annotations: {{{annotations}}}}}\nspec: {{port: 7000, {fields}}}\n---\n"
    )
}

fn sources(outcome: &Outcome) -> String {
    match &outcome.config.listeners[0].proxy_protocol {
        None => "nobody".to_owned(),
        Some(ProxySources::Everyone) => "everyone".to_owned(),
        Some(sources @ ProxySources::Believed(_)) => panic!("no Listener says {sources:?}"),
        Some(ProxySources::Networks(networks)) => {
            networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn a_listener_says_whose_headers_it_takes() {
    let from = |value: &str| format!("sluice.dev/proxy-protocol-from: {value}");
    let stack = "protocolStack: [PROXY, TCP]";
    let notice = "test.yaml#1: Listener default/l: spec.protocolStack: has TLS before PROXY, which means the same as \
                  PROXY before TLS: the header comes first";
    let idle = "test.yaml#1: Listener default/l: metadata.annotations.sluice.dev/proxy-protocol-from: says whose PROXY \
                headers are taken, and none are: write protocolStack: [PROXY, TCP], or leave it out";
    let http = "test.yaml#2: TCPMapping default/m: spec.port: is that of Listener default/l (test.yaml#1) too, which \
                expects HTTP: every connection goes to this mapping, whatever it speaks; give the Listener protocol: \
                TCP, or the mapping a port of its own";
    let cases = [
        ("", "protocol: TCP", "nobody", None),
        ("", stack, "everyone", None),
        ("", "protocol: HTTPPROXY", "everyone", Some(http)),
        ("", "protocolStack: [TLS, PROXY, TCP]", "everyone", Some(notice)),
        ("other.dev/x: y", stack, "everyone", None),
        (&from("10.1.2.3/8"), stack, "10.0.0.0/8", None),
        (&from("\"10.0.0.0/8, 2001:db8::/32\""), stack, "10.0.0.0/8 2001:db8::/32", None),
        (&from("[192.0.2.1, '::1']"), stack, "192.0.2.1/32 ::1/128", None),
        (&from("'[\"10.0.0.0/8\"]'"), stack, "10.0.0.0/8", None),
        (&from("10.0.0.0/8"), "protocol: TCP", "nobody", Some(idle)),
    ];
    for (annotations, fields, expected, finding) in cases {
        let tls = fields.contains("TLS");
        let mapping = if tls {
            with_annotation("sluice.dev/tls-mode: passthrough") + "  host: a\n"
        } else {
            with_spec(&[])
        };
        let outcome = lower(&(listener(annotations, fields) + &mapping));
        assert_eq!(sources(&outcome), expected, "{annotations} {fields}");
        assert_eq!(outcome.all(), finding.into_iter().collect::<Vec<_>>(), "{annotations} {fields}");
    }
}

#[test]
fn a_listener_that_names_nobody_right_takes_its_mappings_with_it() {
    let path = "test.yaml#1: Listener default/l: metadata.annotations.sluice.dev/proxy-protocol-from: ";
    let cases = [
        (
            "10.0.0.0/33",
            "\"10.0.0.0/33\" is no network; write one such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1",
        ),
        ("'10.0.0.0/8,lb'", "\"lb\" is no network; write one such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1"),
        ("''", "names nobody; give networks such as 10.0.0.0/8, or leave it out to take everybody's headers"),
        ("[]", "names nobody; give networks such as 10.0.0.0/8, or leave it out to take everybody's headers"),
    ];
    for (value, message) in cases {
        let annotation = format!("sluice.dev/proxy-protocol-from: {value}");
        let outcome = lower(&(listener(&annotation, "protocolStack: [PROXY, TCP]") + &with_spec(&[])));
        assert_eq!(outcome.served(), [""; 0], "{value}");
        assert_eq!(
            outcome.faults(),
            [
                "test.yaml#2: TCPMapping default/m: spec.port: Listener default/l (test.yaml#1) is in error, so what \
                 it expects is unknown; the mapping is discarded"
                    .to_owned(),
                format!("{path}{message}; the Listener is discarded"),
            ]
        );
    }
    let odd = listener("sluice.dev/proxy-protocol-form: 10.0.0.0/8", "protocol: TCP");
    let expected = "test.yaml#1: Listener default/l: metadata.annotations.sluice.dev/proxy-protocol-form: unknown \
                    annotation \"sluice.dev/proxy-protocol-form\" is ignored; did you mean \
                    \"sluice.dev/proxy-protocol-from\"?";
    assert_eq!(lower(&(odd + &with_spec(&[]))).all(), [expected]);
}

#[test]
fn a_mapping_says_which_header_its_upstream_gets() {
    for (value, expected) in [
        ("v1", ProxyVersion::V1),
        ("v2", ProxyVersion::V2 { checksum: false }),
        ("v2-crc32c", ProxyVersion::V2 { checksum: true }),
    ] {
        let outcome = lower(&with_annotation(&format!("sluice.dev/proxy-protocol: {value}")));
        assert_eq!((outcome.only().proxy_protocol, outcome.all()), (Some(expected), Vec::new()));
    }
    assert_eq!(lower(&with_spec(&[])).only().proxy_protocol, None);
}
