//! Service strings: every row of the reference's section 2.8, and the namespaces of 2.9.

use super::*;

#[test]
fn service_strings_that_are_served() {
    let cases = [
        ("svc", "svc:80"),
        ("svc:8080", "svc:8080"),
        ("http://svc", "svc:80"),
        ("HTTP://svc:81/", "svc:81"),
        ("'[::1]:99'", "[::1]:99"),
        ("'[fe80::1]'", "[fe80::1]:80"),
        ("'[::ffff:10.0.0.1]:5'", "10.0.0.1:5"),
        ("10.0.0.1:5", "10.0.0.1:5"),
        ("SVC", "svc:80"),
        ("' svc:5 '", "svc:5"),
        ("svc.ns.svc.cluster.local.:5", "svc.ns.svc.cluster.local.:5"),
        ("my_svc-1:5", "my_svc-1:5"),
    ];
    for (text, expected) in cases {
        let outcome = lower(&with_spec(&[&format!("service: {text}")]));
        assert_eq!(outcome.served(), [format!("0.0.0.0:7000 default/m 100 {expected}")], "{text}");
        assert_eq!(outcome.all(), [""; 0], "{text}");
    }
}

#[test]
fn a_void_port_is_the_default_with_a_warning() {
    for text in ["svc:0", "'svc:'"] {
        let outcome = lower(&with_spec(&[&format!("service: {text}")]));
        assert_eq!(outcome.served(), ["0.0.0.0:7000 default/m 100 svc:80"]);
        let expected = "test.yaml#1: TCPMapping default/m: spec.service: names no port behind the colon; \
                        80 is taken, as Ambassador does";
        assert_eq!(outcome.all(), [expected]);
    }
}

#[test]
fn service_strings_that_are_discarded() {
    let cases = [
        ("''", "\"\" names no host; write host:port"),
        ("'http://'", "\"http://\" names no host; write host:port"),
        ("tcp://svc:5", "\"tcp://svc:5\" has the unknown scheme \"tcp\"; write host:port without a scheme"),
        ("tls://svc", "\"tls://svc\" has the unknown scheme \"tls\"; write host:port without a scheme"),
        ("'::1'", "\"::1\" has several colons; an IPv6 address is written [address]:port"),
        ("svc:99999", "\"svc:99999\" has the port \"99999\", which is no integer from 1 to 65535"),
        ("svc:abc", "\"svc:abc\" has the port \"abc\", which is no integer from 1 to 65535"),
        ("svc:+80", "\"svc:+80\" has the port \"+80\", which is no integer from 1 to 65535"),
        ("'[::1'", "\"[::1\" has brackets that hold no IPv6 address; write [address]:port"),
        ("'[svc]:1'", "\"[svc]:1\" has brackets that hold no IPv6 address; write [address]:port"),
        ("'[::1]5'", "\"[::1]5\" has brackets that hold no IPv6 address; write [address]:port"),
        (
            "'[fe80::1%eth0]:5'",
            "\"[fe80::1%eth0]:5\" has an interface zone, which is not supported; write the address without %",
        ),
        ("svc/path?x", "\"svc/path?x\" contains a path, which TCP has no place for; write host:port"),
        ("user@svc:1", "\"user@svc:1\" contains a user name, which TCP has no place for; write host:port"),
        ("a%zz", "\"a%zz\" has the host \"a%zz\", which is neither a DNS name nor an IP address"),
        ("a b", "\"a b\" has the host \"a b\", which is neither a DNS name nor an IP address"),
        ("8080", "\"8080\" has the host \"8080\", which is neither a DNS name nor an IP address"),
        (
            "10.0.0.256:1",
            "\"10.0.0.256:1\" has the host \"10.0.0.256\", which is neither a DNS name nor an IP address",
        ),
        ("{a: b}", "a mapping is not a string"),
    ];
    for (text, expected) in cases {
        let outcome = lower(&with_spec(&[&format!("service: {text}")]));
        assert_eq!(outcome.served(), [""; 0], "{text}");
        let expected =
            format!("test.yaml#1: TCPMapping default/m: spec.service: {expected}; the mapping is discarded");
        assert_eq!(outcome.all(), [expected], "{text}");
    }
}

#[test]
fn a_bare_name_belongs_to_the_mappings_namespace() {
    let other = |service: &str| {
        with_spec(&[&format!("service: {service}")]).replace("{name: m}", "{name: m, namespace: other}")
    };
    let cases = [
        ("svc:1", "svc.other:1"),
        ("svc.ns:1", "svc.ns:1"),
        ("localhost:1", "localhost:1"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("'[::1]:1'", "[::1]:1"),
    ];
    for (service, expected) in cases {
        let outcome = lower(&other(service));
        assert_eq!(outcome.served(), [format!("0.0.0.0:7000 other/m 100 {expected}")]);
    }
    let expected = "test.yaml#1: TCPMapping other/m: spec.service: \"svc\" is taken for \"svc.other\", in the \
                    mapping's namespace; Ambassador's documentation says \"svc.default\": write the one you mean";
    assert_eq!(lower(&other("svc:1")).all(), [expected]);

    let mut settings = Settings::default();
    settings.ambassador.namespace = "other".into();
    let outcome = lower_with(&other("svc:1"), &settings);
    assert_eq!(
        (outcome.served(), outcome.all().len()),
        (vec!["0.0.0.0:7000 other/m 100 svc:1".to_owned()], 0)
    );
}
