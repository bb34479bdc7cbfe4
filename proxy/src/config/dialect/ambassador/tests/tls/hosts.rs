//! `host` of a mapping: what it may be, and what it does to the port.

use super::*;

#[test]
fn hosts_become_patterns_in_lower_case() {
    let cases = [
        ("a.example.com", "a.example.com"),
        ("A.Example.COM.", "a.example.com"),
        ("my-host-1", "my-host-1"),
        ("my_host", "my_host"),
        ("'*.example.com'", "*.example.com"),
        ("'*.Com'", "*.com"),
        ("'*'", "*"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ];
    for (name, expected) in cases {
        let text = secret("s") + &host("h", "tlsSecret: {name: s}") + &with_spec(&[&format!("host: {name}")]);
        let outcome = lower(&text);
        assert_eq!(
            outcome.routes(),
            [format!("0.0.0.0:7000 {expected} Host default/h (Secret default/s) m")]
        );
        assert_eq!(outcome.all(), [""; 0], "{name}");
    }
}

#[test]
fn hosts_that_no_client_can_send_discard_the_mapping() {
    let star =
        "has its star in a place that TLS has none for; write a whole name, \"*.suffix\", or \"*\" for any";
    let address = "is an address, which no client sends as a server name; write a DNS name, or \"*\" for any";
    let dns = "is no DNS name (international names are written xn--…)";
    let cases = [
        ("foo.*", star),
        ("*foo.com", star),
        ("a.*.com", star),
        ("*.*.com", star),
        ("**", star),
        ("10.0.0.1", address),
        ("::1", address),
        ("[::1]", address),
        ("bücher.example", dns),
        ("a b", dns),
        ("a.com:443", dns),
        ("*.", dns),
        ("-a.com", dns),
    ];
    for (name, why) in cases {
        let text = secret("s")
            + &host("h", "tlsSecret: {name: s}")
            + &with_spec(&[&format!("host: {}", quoted(name))]);
        let outcome = lower(&text);
        assert_eq!(outcome.served(), [""; 0], "{name}");
        let expected = format!("spec.host: {name:?} {why}; the mapping is discarded");
        assert_eq!(outcome.about("TCPMapping default/m"), [expected]);
    }
}

#[test]
fn listeners_and_mappings_agree_about_tls_or_the_mapping_goes() {
    let no_tls = "spec.port: Listener default/l (test.yaml#3) does not terminate TLS, and a mapping with host does; give the \
                  Listener protocol: TLS, or leave host out; the mapping is discarded";
    let tls = "spec.port: Listener default/l (test.yaml#3) terminates TLS, and a mapping without host does not; give the mapping \
               a host, or the Listener protocol: TCP; the mapping is discarded";
    let proxy = "spec.port: Listener default/l (test.yaml#3) expects the PROXY protocol, which is not served by this version of \
                 sluice; the mapping is discarded";
    // (protocol, without host, terminated, passed through)
    let cases = [
        ("protocol: TCP", "", no_tls, ""),
        ("protocol: TLS", tls, "", ""),
        ("protocol: HTTPS", tls, "", ""),
        ("protocolStack: [TCP]", "", no_tls, ""),
        ("protocolStack: [TLS, TCP]", tls, "", ""),
        ("protocolStack: [TLS, HTTP, TCP]", tls, "", ""),
        ("protocolStack: [PROXY, TLS, TCP]", proxy, proxy, proxy),
        ("protocol: HTTPSPROXY", proxy, proxy, proxy),
    ];
    for (protocol, without, terminated, through) in cases {
        let before = secret("s")
            + &host("h", "tlsSecret: {name: s}")
            + &resource("Listener", "l", &format!("port: 7000, {protocol}"));
        let passed = with_spec(&["host: a"])
            .replace("{name: m}", "{name: m, annotations: {sluice.dev/tls-mode: passthrough}}");
        for (mapping, expected) in
            [(with_spec(&[]), without), (with_spec(&["host: a"]), terminated), (passed, through)]
        {
            let outcome = lower(&(before.clone() + &mapping));
            let expected: Vec<_> = Some(expected).filter(|text| !text.is_empty()).into_iter().collect();
            assert_eq!(outcome.about("TCPMapping default/m"), expected, "{protocol}");
            assert_eq!(outcome.served().len(), 1 - expected.len());
        }
    }
}

#[test]
fn the_default_port_follows_the_upstreams_tls_alone() {
    let before = secret("s") + &host("h", "tlsSecret: {name: s}") + &context("c", "secret: s");
    let cases: [(&[&str], &str); 9] = [
        (&["service: svc"], "svc:80"),
        (&["service: svc", "host: a"], "svc:80"),
        (&["service: https://svc"], "svc:443"),
        (&["service: https://svc", "host: a"], "svc:443"),
        (&["service: svc", "tls: c"], "svc:443"),
        (&["service: http://svc", "tls: c"], "svc:443"),
        (&["service: svc", "tls: true", "host: a"], "svc:443"),
        (&["service: svc:9", "tls: c"], "svc:9"),
        (&["service: svc", "tls: false"], "svc:80"),
    ];
    for (lines, expected) in cases {
        let outcome = lower(&(before.clone() + &with_spec(lines)));
        assert_eq!(outcome.only().service.to_string(), expected, "{lines:?}");
    }
    let outcome = lower(&with_spec(&["service: 'https://svc:'"]));
    assert_eq!(outcome.only().service.to_string(), "svc:443");
    let expected = "spec.service: names no port behind the colon; 443 is taken, as Ambassador does";
    assert_eq!(outcome.about("TCPMapping default/m")[0], expected);
}
