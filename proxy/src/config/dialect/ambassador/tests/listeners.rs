//! `Listener` resources: what each stack means, which of them are refused, and what they do to mappings.

use super::*;

fn listener(name: &str, fields: &str) -> String {
    format!(
        "apiVersion: getambassador.io/v3alpha1\nkind: Listener\nmetadata: {{name: {name}}}\nspec: {{{fields}}}\n---\n"
    )
}

#[test]
fn listeners_that_unwrap_something_discard_mappings_on_their_port() {
    let tls = Some(
        "terminates TLS, and a mapping without host does not; give the mapping a host, or the Listener protocol: TCP",
    );
    let proxy = Some("expects the PROXY protocol, which is not served by this version of sluice");
    let unclear = Some("is in error, so what it expects is unknown");
    let cases = [
        ("protocol: TCP", None),
        ("protocol: TLS", tls),
        ("protocol: HTTPS", tls),
        ("protocol: HTTPPROXY", proxy),
        ("protocol: HTTPSPROXY", proxy),
        ("protocol: UDP", unclear),
        ("protocolStack: [TCP]", None),
        ("protocolStack: [TLS, TCP]", tls),
        ("protocolStack: [TLS, PROXY, TCP]", proxy),
        ("protocolStack: [PROXY, TLS, TCP]", proxy),
        ("protocolStack: [PROXY, TCP]", proxy),
        ("protocolStack: [TCP], protocol: TLS", None),
        ("protocol: TSL", unclear),
        ("securityModel: SECURE", unclear),
    ];
    for (fields, obstacle) in cases {
        let before = listener("l", &format!("port: 7000, {fields}"));
        let outcome = lower(&(before.clone() + &with_spec(&[])));
        let expected: Vec<_> = obstacle
            .map(|obstacle| {
                format!(
                    "test.yaml#2: TCPMapping default/m: spec.port: Listener default/l (test.yaml#1) {obstacle}; the \
                     mapping is discarded"
                )
            })
            .into_iter()
            .collect();
        let about_mapping: Vec<_> =
            outcome.faults().into_iter().filter(|line| line.contains("TCPMapping default/m:")).collect();
        assert_eq!(about_mapping, expected, "{fields}");
        for elsewhere in ["port: 7001", "address: 10.0.0.1"] {
            assert_eq!(lower(&(before.clone() + &with_spec(&[elsewhere]))).served().len(), 1, "{fields}");
        }
    }
}

#[test]
fn a_broken_listener_is_told_with_the_way_out() {
    let protocols = "HTTP, HTTPS, HTTPPROXY, HTTPSPROXY, TCP, TLS, UDP";
    let cases = [
        ("protocol: TSL", format!("protocol: \"TSL\" is none of {protocols}")),
        ("protocol: UDP", "protocol: has UDP, which is not served; end it with TCP".to_owned()),
        ("protocolStack: [UDP]", "protocolStack: has UDP, which is not served; end it with TCP".to_owned()),
        (
            "protocolStack: [HTTPS, TCP]",
            "protocolStack: \"HTTPS\" is none of PROXY, TLS, HTTP, TCP, UDP".to_owned(),
        ),
        (
            "protocolStack: [TCP, TLS]",
            "protocolStack: does not end with TCP, on which everything else stands; put TCP last".to_owned(),
        ),
        (
            "protocolStack: []",
            "protocolStack: does not end with TCP, on which everything else stands; put TCP last".to_owned(),
        ),
        ("protocolStack: [TLS, TLS, TCP]", "protocolStack: has a layer twice; name each once".to_owned()),
        (
            "securityModel: XFP",
            "protocol: is missing; give it TCP or TLS, or give a protocolStack".to_owned(),
        ),
        (
            "protocol: TCP, hostBinding: {namespace: {from: SOME}}",
            "hostBinding.namespace.from: \"SOME\" is none of SELF, ALL, Self, All".to_owned(),
        ),
    ];
    for (fields, message) in cases {
        let outcome = lower(&listener("l", &format!("port: 7000, {fields}")));
        let expected = format!("test.yaml#1: Listener default/l: spec.{message}; the Listener is discarded");
        assert_eq!(outcome.all(), [expected], "{fields}");
    }
    let expected = "test.yaml#1: Listener default/l: spec.port: is missing; give the port to listen on; the Listener \
                    is discarded";
    assert_eq!(lower(&listener("l", "protocol: TCP")).all(), [expected]);
}

#[test]
fn what_means_nothing_to_tcp_is_tolerated() {
    let fields = "port: 7000, protocol: TCP, securityModel: XFP, l7Depth: 2, statsPrefix: pay, \
                  http2MaxConcurrentStreams: 5, ambassador_id: [default], hostBinding: {namespace: {from: ALL}}";
    let outcome = lower(&(listener("l", fields) + &with_spec(&[])));
    assert_eq!((outcome.served().len(), outcome.all()), (1, Vec::new()));

    let slips = [
        (
            "securityModel: SAFE",
            "securityModel: \"SAFE\" is none of XFP, SECURE, INSECURE; without meaning for TCP, it is ignored",
        ),
        (
            "statsprefix: x",
            "statsprefix: unknown field \"statsprefix\" is ignored; did you mean \"statsPrefix\"?",
        ),
        (
            "address: 10.0.0.1",
            "address: unknown field \"address\" is ignored; the setting bind-address says where Listeners listen",
        ),
    ];
    for (slip, message) in slips {
        let outcome =
            lower(&(listener("l", &format!("port: 7000, protocol: TCP, {slip}")) + &with_spec(&[])));
        let expected = format!("test.yaml#1: Listener default/l: spec.{message}");
        assert_eq!((outcome.served().len(), outcome.all()), (1, vec![expected]), "{slip}");
    }
}

#[test]
fn proxy_behind_tls_means_the_same_and_is_noted() {
    for stack in ["protocolStack: [TLS, PROXY, TCP]", "protocol: HTTPSPROXY"] {
        let field = stack.split(':').next().unwrap();
        let outcome = lower(&(listener("l", &format!("port: 7000, {stack}")) + &with_spec(&[])));
        let expected = format!(
            "test.yaml#1: Listener default/l: spec.{field}: has TLS before PROXY, which means the same as PROXY \
             before TLS: the header comes first"
        );
        assert!(outcome.all().contains(&expected), "{:?}", outcome.all());
    }
}

#[test]
fn of_two_listeners_on_a_port_the_first_by_name_counts() {
    let text = listener("z", "port: 7000, protocol: TLS") + &listener("a", "port: 7000, protocol: TCP");
    let outcome = lower(&(text + &with_spec(&[])));
    let expected = "test.yaml#1: Listener default/z: spec.port: is that of Listener default/a (test.yaml#2) too, which \
                    comes first by name; give this one another port, or remove one of them; the Listener is discarded";
    assert_eq!((outcome.served().len(), outcome.all()), (1, vec![expected.to_owned()]));
}

#[test]
fn of_two_listeners_of_one_name_the_last_counts() {
    let text = listener("l", "port: 7000, protocol: TLS") + &listener("l", "port: 7000, protocol: TCP");
    let outcome = lower(&(text + &with_spec(&[])));
    let expected = "test.yaml#1: Listener default/l: the same kind, namespace and name stands again in test.yaml#2, \
                    which replaces this one; rename one of them; the Listener is discarded";
    assert_eq!((outcome.served().len(), outcome.all()), (1, vec![expected.to_owned()]));
}

#[test]
fn a_mapping_takes_an_http_listeners_port_and_says_so() {
    let outcome = lower(&(listener("web", "port: 7000, protocol: HTTP") + &with_spec(&[])));
    let expected = "test.yaml#2: TCPMapping default/m: spec.port: is that of Listener default/web (test.yaml#1) too, \
                    which expects HTTP: every connection goes to this mapping, whatever it speaks; give the Listener \
                    protocol: TCP, or the mapping a port of its own";
    assert_eq!((outcome.served().len(), outcome.faults()), (1, vec![expected.to_owned()]));
}

#[test]
fn a_listener_without_mappings_is_worth_a_word() {
    let cases = [
        ("protocol: HTTPS", "and sluice serves no HTTP"),
        ("protocol: TCP", "unless one names that address itself"),
    ];
    for (protocol, why) in cases {
        let outcome = lower(&(listener("l", &format!("port: 7001, {protocol}")) + &with_spec(&[])));
        let expected = format!(
            "test.yaml#1: Listener default/l: spec.port: no TCPMapping is on 0.0.0.0:7001, {why}; nothing listens there"
        );
        assert_eq!((outcome.faults().len(), outcome.all()), (0, vec![expected]));
    }
}

fn dual_stack() -> Settings {
    let mut settings = Settings::default();
    settings.ambassador.bind_address = ["0.0.0.0", "::"].map(|address| address.parse().unwrap()).to_vec();
    settings
}

fn named(name: &str, lines: &[&str]) -> String {
    with_spec(lines).replace("name: m", &format!("name: {name}")) + "---\n"
}

#[test]
fn several_bind_addresses_stand_for_an_unset_one() {
    let text = named("a", &[]) + &named("b", &["address: 0.0.0.0"]) + &named("c", &["address: 10.0.0.1"]);
    let outcome = lower_with(&text, &dual_stack());
    let expected = [
        "0.0.0.0:7000 default/a 50 svc:1",
        "0.0.0.0:7000 default/b 50 svc:1",
        "10.0.0.1:7000 default/c 100 svc:1",
        "[::]:7000 default/a 100 svc:1",
    ];
    assert_eq!((outcome.served(), outcome.all()), (expected.map(str::to_owned).to_vec(), Vec::new()));
    assert_eq!(outcome.config.mappings().count(), 3);
}

#[test]
fn a_listener_holds_at_every_bind_address() {
    for line in ["weight: 100", "address: 0.0.0.0", "address: '::'"] {
        let outcome =
            lower_with(&(listener("l", "port: 7000, protocol: TLS") + &with_spec(&[line])), &dual_stack());
        assert_eq!((outcome.served().len(), outcome.faults().len()), (0, 1), "{line}: {:?}", outcome.all());
    }
}

#[test]
fn who_cannot_be_served_at_one_address_is_not_served_at_the_others() {
    let annotated = |name: &str, line: &str| {
        named(name, &["host: '*'", line]).replace(
            &format!("name: {name}"),
            &format!("name: {name}, annotations: {{sluice.dev/tls-mode: passthrough}}"),
        )
    };
    let text = annotated("with", "address: '::'") + &named("without", &[]);
    let outcome = lower_with(&text, &dual_stack());
    let expected = "test.yaml#2: TCPMapping default/without: spec.host: is missing, and TCPMapping default/with \
                    (test.yaml#1) on [::]:7000 has one, so clients are told apart by it; give this one a host, or a \
                    port of its own; the mapping is discarded";
    assert_eq!(outcome.served(), ["[::]:7000 default/with 100 svc:1"]);
    assert_eq!(outcome.all(), [expected]);
}

#[test]
fn the_admin_endpoint_keeps_its_port() {
    let admin = |address: &str| Settings { admin: Some(address.parse().unwrap()), ..Settings::default() };
    let cases = [
        ("127.0.0.1:7000", "", 0),
        ("127.0.0.1:7000", "address: 127.0.0.1", 0),
        ("0.0.0.0:7000", "address: 127.0.0.1", 0),
        ("127.0.0.1:7000", "address: 127.0.0.2", 1),
        ("[::1]:7000", "", 1),
        ("127.0.0.1:7001", "", 1),
    ];
    for (address, line, served) in cases {
        let outcome = lower_with(&with_spec(&[line]), &admin(address));
        assert_eq!(outcome.served().len(), served, "{address} {line}");
        let expected = format!(
            "test.yaml#1: TCPMapping default/m: spec.port: 7000 is that of the admin endpoint ({address}); give the \
             mapping another one, or the admin endpoint (--admin); the mapping is discarded"
        );
        assert_eq!(outcome.all(), if served == 0 { vec![expected] } else { Vec::new() });
    }
}
