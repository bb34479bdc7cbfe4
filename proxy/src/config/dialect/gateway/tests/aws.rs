//! Gateways of AWS' class, and the kinds that its controller adds.

use std::time::Duration;

use super::*;
use crate::config::material::fixtures::pair;
use crate::config::model::{Mapping, Policy, ProxyVersion, Question};

const CLASS: &str = "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: nlb}\n\
                     spec: {controllerName: gateway.k8s.aws/nlb}\n";
const OWN: &str = "  infrastructure: {parametersRef: {group: gateway.k8s.aws, kind: LoadBalancerConfiguration, name: edge}}\n";
const TCP: &str = "{name: l, port: 80, protocol: TCP}";
const ENDED: &str = "{name: l, port: 443, protocol: TLS, hostname: pay.example.com, tls: {mode: Terminate, \
                     certificateRefs: [{name: fake}]}}";
const PASSED: &str = "{name: l, port: 443, protocol: TLS, tls: {mode: Passthrough}}";
const ROUTE: &str = "{name: r}";

fn settings(map: &str) -> Settings {
    Settings { certificate_map: map.parse().unwrap(), ..Settings::default() }
}

/// A Gateway of one listener and its configuration, whose spec is in lines of two spaces.
fn edge(listener: &str, spec: &str) -> String {
    let gateway = gateway_with("{name: edge}", &[listener], OWN)
        .replace("gatewayClassName: sluice", "gatewayClassName: nlb");
    CLASS.to_owned() + &gateway + &balancer("edge", spec) + &service("default/b1", 1)
}

fn balancer(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.k8s.aws/v1\nkind: LoadBalancerConfiguration\nmetadata: {{name: {name}}}\nspec:\n{spec}\n"
    )
}

fn target_group(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.k8s.aws/v1beta1\nkind: TargetGroupConfiguration\nmetadata: {{name: {name}}}\nspec:\n{spec}\n"
    )
}

/// What is said of the Service `b1`.
fn of_b1(props: &str) -> String {
    target_group("b1", &format!("  targetReference: {{name: b1}}\n  defaultConfiguration: {{{props}}}"))
}

fn to_b1(kind: &str) -> String {
    route(
        kind,
        ROUTE,
        EDGE,
        "{name: b1, port: 8080}",
        if kind == "TLSRoute" { "  hostnames: [pay.example.com]\n" } else { "" },
    )
}

/// The one mapping of a TCP listener with this target group.
fn mapping(listener: &str, balancer: &str, target_group: &str) -> (Mapping, Vec<String>) {
    let outcome = lower(&(edge(listener, balancer) + &to_b1("TCPRoute") + target_group));
    (outcome.config.listeners[0].routes[0].mappings[0].clone(), outcome.faults())
}

#[test]
fn target_groups_say_how_pods_are_reached() {
    let (plain, faults) = mapping(TCP, "  mergingMode: prefer-gateway", "");
    assert_eq!(faults, [""; 0]);
    assert_eq!(plain.timeouts.idle, Some(Duration::from_secs(350)));
    assert_eq!(
        (plain.proxy_protocol, plain.balancing.policy, &plain.balancing.check),
        (None, Policy::RoundRobin, &None)
    );

    let attributes = "targetType: ip, targetGroupAttributes: [{key: proxy_protocol_v2.enabled, value: 'true'}, \
                      {key: stickiness.enabled, value: true}, {key: stickiness.type, value: source_ip}, \
                      {key: deregistration_delay.timeout_seconds, value: '30'}]";
    let check =
        "healthCheckConfig: {healthCheckPort: '9000', healthCheckInterval: 10, unhealthyThresholdCount: 2}";
    let idle = "  listenerConfigurations: [{protocolPort: 'TCP:80', listenerAttributes: \
                [{key: tcp.idle_timeout.seconds, value: '60'}]}]";
    let (mapping, faults) = mapping(TCP, idle, &of_b1(&format!("{attributes}, {check}")));
    assert_eq!(faults, [""; 0]);
    assert_eq!(mapping.timeouts.idle, Some(Duration::from_secs(60)));
    assert_eq!(mapping.proxy_protocol, Some(ProxyVersion::V2 { checksum: false }));
    assert_eq!(mapping.balancing.policy, Policy::SourceHash);
    let check = mapping.balancing.check.unwrap();
    let seconds = Duration::from_secs;
    assert_eq!((check.port, check.interval, check.timeout), (Some(9000), seconds(10), seconds(5)));
    assert_eq!((check.healthy, check.unhealthy), (3, 2));
    let (send, expect) = Default::default();
    assert_eq!(check.question, Question::Exchange { send, expect });

    let http = "healthCheckConfig: {healthCheckProtocol: HTTPS, healthCheckPath: /live, matcher: {httpCode: '200,301-302'}}";
    let (asked, faults) = self::mapping(TCP, "  tags: {}", &of_b1(http));
    let statuses = vec![200..=200, 301..=302];
    assert_eq!(
        asked.balancing.check.unwrap().question,
        Question::Http { tls: true, path: "/live".into(), statuses }
    );
    assert_eq!(faults, [""; 0]);
}

#[test]
fn what_names_a_route_most_narrowly_holds() {
    let proxied =
        |on: bool| format!("{{targetGroupAttributes: [{{key: proxy_protocol_v2.enabled, value: '{on}'}}]}}");
    let entry = |identifier: &str, on| {
        format!("  - {{routeIdentifier: {{{identifier}}}, targetGroupProps: {}}}\n", proxied(on))
    };
    let named = "kind: TCPRoute, namespace: default, name: r";
    for (entries, default, expected) in [
        (vec![], true, true),
        (vec![entry("kind: TCPRoute", true)], false, true),
        (vec![entry("kind: TLSRoute", true)], false, false),
        (
            vec![entry("kind: TCPRoute, namespace: default", true), entry("kind: TCPRoute", false)],
            false,
            true,
        ),
        (vec![entry("kind: TCPRoute, namespace: web", true), entry("kind: TCPRoute", false)], true, false),
        (vec![entry("kind: TCPRoute, namespace: default", false), entry(named, true)], false, true),
        (vec![entry(named, true), entry("kind: TCPRoute, namespace: default", false)], false, true),
        (vec![entry("kind: TCPRoute, namespace: default, name: other", true)], false, false),
    ] {
        let entries = if entries.is_empty() {
            String::new()
        } else {
            format!("  routeConfigurations:\n{}", entries.concat())
        };
        let spec = format!(
            "  targetReference: {{name: b1}}\n  defaultConfiguration: {}\n{entries}",
            proxied(default)
        );
        let (mapping, faults) = mapping(TCP, "  tags: {}", &target_group("b1", &spec));
        assert_eq!((mapping.proxy_protocol.is_some(), faults), (expected, vec![]), "{spec}");
    }
}

#[test]
fn defaults_of_the_gateway_and_its_class_fill_what_a_service_leaves_open() {
    let class = CLASS.replace(
        "gateway.k8s.aws/nlb}",
        "gateway.k8s.aws/nlb, parametersRef: {group: gateway.k8s.aws, kind: LoadBalancerConfiguration, name: class, \
         namespace: default}}",
    );
    let of = |name: &str, key: &str, value: bool| {
        target_group(
            name,
            &format!("  defaultConfiguration: {{targetGroupAttributes: [{{key: {key}, value: '{value}'}}]}}"),
        )
    };
    let text = edge(TCP, "  defaultTargetGroupConfiguration: {name: own}").replace(CLASS, &class)
        + &balancer("class", "  defaultTargetGroupConfiguration: {name: all}")
        + &of("own", "proxy_protocol_v2.enabled", true)
        + &of("all", "proxy_protocol_v2.enabled", false)
        + &of("more", "stickiness.enabled", true)
        + &to_b1("TCPRoute");
    let served = |text: &str| {
        let outcome = lower(text);
        let mapping = outcome.config.listeners[0].routes[0].mappings[0].clone();
        (mapping.proxy_protocol.is_some(), mapping.balancing.policy)
    };
    assert_eq!(served(&text), (true, Policy::RoundRobin));
    assert_eq!(served(&text.replace("{name: own}\n---", "{name: more}\n---")), (false, Policy::SourceHash));
    let own = "targetGroupAttributes: [{key: proxy_protocol_v2.enabled, value: 'false'}]";
    assert_eq!(served(&(text + &of_b1(own))), (false, Policy::RoundRobin));
}

#[test]
fn the_class_comes_before_the_gateway_unless_it_says_otherwise() {
    let class = CLASS.replace(
        "gateway.k8s.aws/nlb}",
        "gateway.k8s.aws/nlb, parametersRef: {group: gateway.k8s.aws, kind: LoadBalancerConfiguration, name: class, \
         namespace: default}}",
    );
    let idle = |seconds: u32| {
        format!(
            "  listenerConfigurations: [{{protocolPort: 'TCP:80', listenerAttributes: \
             [{{key: tcp.idle_timeout.seconds, value: {seconds}}}]}}]"
        )
    };
    for (mode, expected) in
        [("", 60), ("\n  mergingMode: prefer-gateway-class", 60), ("\n  mergingMode: prefer-gateway", 90)]
    {
        let text = edge(TCP, &idle(90)).replace(CLASS, &class)
            + &balancer("class", &(idle(60) + mode))
            + &to_b1("TCPRoute");
        let outcome = lower(&text);
        let mapping = &outcome.config.listeners[0].routes[0].mappings[0];
        assert_eq!(mapping.timeouts.idle, Some(Duration::from_secs(expected)), "{:?}", outcome.all());
    }
}

#[test]
fn tls_to_targets_goes_by_target_group_and_kind_and_never_over_the_clients_own() {
    let secret = secret("s", &pair("pay.example.com"));
    let map = settings("arn:a=s");
    let ended = "  listenerConfigurations: [{protocolPort: 'TLS:443', defaultCertificate: 'arn:a'}]";
    let passed = "  listenerConfigurations: [{protocolPort: 'TCP:443'}]";
    for (listener, spec, kind, props, expected) in [
        (ENDED, ended, "TCPRoute", "", "443 * ended: TCPRoute default/r backend b1:8080=1"),
        (
            ENDED,
            ended,
            "TCPRoute",
            "protocol: TLS",
            "443 * ended: TCPRoute default/r backend b1:8080=1 begun",
        ),
        (ENDED, ended, "TLSRoute", "", "443 * ended: TLSRoute default/r backend b1:8080=1 begun"),
        (ENDED, ended, "TLSRoute", "protocol: TCP", "443 * ended: TLSRoute default/r backend b1:8080=1"),
        (PASSED, passed, "TLSRoute", "", "443 any: TLSRoute default/r backend b1:8080=1"),
        (PASSED, passed, "TLSRoute", "protocol: TLS", "443 any: TLSRoute default/r backend b1:8080=1"),
        (PASSED, passed, "TCPRoute", "", "443 any: TCPRoute default/r backend b1:8080=1"),
        (TCP, "  tags: {}", "TCPRoute", "", "80 any: TCPRoute default/r backend b1:8080=1"),
        (TCP, "  tags: {}", "TCPRoute", "protocol: TLS", "80 any: refused=1"),
    ] {
        let group = if props.is_empty() { String::new() } else { of_b1(props) };
        let outcome = lower_with(&(edge(listener, spec) + &secret + &to_b1(kind) + &group), &map);
        assert_eq!(outcome.served(), [expected], "{kind} {props}: {:?}", outcome.all());
    }
}

#[test]
fn clients_come_from_the_source_ranges_alone() {
    let text = edge(TCP, "  sourceRanges: [10.1.2.3/8, '2001:db8::/32']") + &to_b1("TCPRoute");
    let outcome = lower(&text);
    let access = &outcome.config.listeners[0].routes[0].access;
    assert_eq!(access.allow, ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap()));
}

#[test]
fn what_cannot_be_is_told_with_a_way_out() {
    let tls = |more: &str| format!("  listenerConfigurations: [{{protocolPort: 'TLS:443', {more}}}]");
    let tcp = |more: &str| format!("  listenerConfigurations: [{{protocolPort: 'TCP:80', {more}}}]");
    let attribute =
        |key: &str, value: &str| format!("targetGroupAttributes: [{{key: {key}, value: '{value}'}}]");
    for (listener, spec, group, expected) in [
        (
            ENDED,
            tls("defaultCertificate: 'arn:x'"),
            String::new(),
            "spec.listenerConfigurations[0].defaultCertificate: arn:x is a certificate that AWS keeps; say where it is \
             here, in the setting certificate-map, with the line arn:x=SECRET, or arn:x=CHAIN.pem,KEY.pem",
        ),
        (
            ENDED,
            tls("certificates: ['arn:b']"),
            String::new(),
            "certificate-map, arn:b=gone: there is no Secret default/gone",
        ),
        (
            ENDED,
            "  tags: {}".to_owned(),
            String::new(),
            "no certificate of the setting certificate-map has the name pay.example.com",
        ),
        (ENDED, tls("defaultCertificate: pay"), String::new(), "\"pay\" is no ARN"),
        (
            ENDED,
            tls("sslPolicy: ELBSecurityPolicy-TLS13-1-2-2021-07"),
            String::new(),
            "is no security policy that sluice knows; did you mean \"ELBSecurityPolicy-TLS13-1-2-2021-06\"?",
        ),
        (ENDED, tls("alpnPolicy: HTTP3"), String::new(), "\"HTTP3\" is none of None, HTTP1Only"),
        (
            ENDED,
            tls("mutualAuthentication: {mode: verify, trustStore: x}"),
            String::new(),
            "mutualAuthentication.mode: is ignored, as network load balancers ignore it",
        ),
        (
            PASSED,
            tls("defaultCertificate: 'arn:a'"),
            String::new(),
            "no listener of a Gateway is TLS:443; a listener of TLS that is passed through is TCP:443 here, as for AWS",
        ),
        (TCP, tcp("idle: 1"), String::new(), "unknown field \"idle\" is ignored"),
        (
            TCP,
            "  listenerConfigurations: [{protocolPort: 80}]".to_owned(),
            String::new(),
            "is no PROTOCOL:PORT",
        ),
        (
            TCP,
            tcp("listenerAttributes: [{key: tcp.idle_timeout.seconds, value: '59'}]"),
            String::new(),
            "\"59\" is not a number of seconds from 60 to 6000",
        ),
        (TCP, "  schema: internal".to_owned(), String::new(), "did you mean \"scheme\"?"),
        (
            TCP,
            "  mergingMode: newest".to_owned(),
            String::new(),
            "is none of prefer-gateway-class, prefer-gateway",
        ),
        (TCP, "  sourceRanges: [10.0.0.1/40]".to_owned(), String::new(), "is no network, such as 10.0.0.0/8"),
        (
            TCP,
            "  defaultTargetGroupConfiguration: {name: none}".to_owned(),
            String::new(),
            "TargetGroupConfiguration default/none is not in the configuration",
        ),
        (
            TCP,
            "  tags: {}".to_owned(),
            of_b1("protocol: UDP"),
            "is no protocol that sluice speaks to targets",
        ),
        (TCP, "  tags: {}".to_owned(), of_b1("targettype: ip"), "did you mean \"targetType\"?"),
        (
            TCP,
            "  tags: {}".to_owned(),
            of_b1(&attribute("preserve_client_ip.enabled", "true")),
            "cannot be had of a proxy: targets see sluice's address; proxy_protocol_v2.enabled tells them the client's",
        ),
        (
            TCP,
            "  tags: {}".to_owned(),
            of_b1(&attribute("proxy_protocol.enabled", "true")),
            "did you mean \"proxy_protocol_v2.enabled\"?",
        ),
        (
            TCP,
            "  tags: {}".to_owned(),
            of_b1(&attribute("stickiness.enabled", "yes")),
            "\"yes\" is neither true nor false",
        ),
        (
            TCP,
            "  tags: {}".to_owned(),
            of_b1("healthCheckConfig: {healthCheckPort: http}"),
            "\"http\" is neither a port from 1 to 65535 nor traffic-port",
        ),
        (
            TCP,
            "  tags: {}".to_owned(),
            of_b1("healthCheckConfig: {healthCheckProtocol: HTTP, matcher: {httpCode: 2xx}}"),
            "\"2xx\" is no list of statuses, such as 200,202 or 200-399",
        ),
    ] {
        let text = edge(listener, &spec) + &to_b1("TCPRoute") + &group;
        let outcome = lower_with(&text, &settings("arn:a=s;arn:b=gone"));
        let all = outcome.faults();
        assert!(all.iter().any(|found| found.contains(expected)), "{expected}: {all:#?}");
    }
}

#[test]
fn parameters_that_cannot_be_had_keep_the_gateway_from_service() {
    let good = edge(TCP, "  tags: {}") + &to_b1("TCPRoute");
    assert_eq!(lower(&good).served(), ["80 any: TCPRoute default/r backend b1:8080=1"]);
    for (text, why) in [
        (
            good.replace("name: edge}}\n", "name: other}}\n"),
            "there is no LoadBalancerConfiguration default/other",
        ),
        (
            good.replace("kind: LoadBalancerConfiguration, name", "kind: ConfigMap, name"),
            "is no LoadBalancerConfiguration.gateway.k8s.aws",
        ),
        (
            good.replace("  tags: {}", "  mergingMode: x"),
            "LoadBalancerConfiguration default/edge is in error",
        ),
    ] {
        let outcome = lower(&text);
        assert_eq!(outcome.served(), [""; 0]);
        assert_eq!(outcome.says("Gateway default/edge", "", "Accepted"), "False InvalidParameters");
        assert!(outcome.faults().iter().any(|found| found.contains(why)), "{why}: {:#?}", outcome.faults());
    }
    // Who cannot be sure how its pods are reached is not connected to them.
    let broken = lower(&(good + &of_b1("protocol: UDP")));
    assert_eq!(broken.served(), ["80 any: refused=1"]);
}

#[test]
fn what_is_the_load_balancers_alone_is_told_once_for_each_resource() {
    let spec = "  loadBalancerName: x\n  scheme: internal\n  securityGroups: [sg]\n  tags: {a: b}\n  sourceRanges: [0.0.0.0/0]";
    let group = of_b1("targetType: instance, targetGroupName: x, enableMultiCluster: true");
    let outcome = lower(&(edge(TCP, spec) + &to_b1("TCPRoute") + &group));
    assert_eq!(outcome.faults(), [""; 0]);
    let told: Vec<_> = outcome.all().into_iter().filter(|found| found.contains("no effect")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("loadBalancerName, scheme, securityGroups, tags are the load balancer's"),
        "{told:?}"
    );
    assert!(told[1].contains("targetGroupName, enableMultiCluster"), "{told:?}");
}

/// Its author may have wanted TLS, and no target is to be spoken to without.
#[test]
fn a_target_group_in_a_version_that_there_is_not_refuses() {
    let wrong = of_b1("protocol: TLS").replace("v1beta1", "v1alpha1");
    let outcome = lower(&(edge(TCP, "  {}") + &to_b1("TCPRoute") + &wrong));
    assert!(
        outcome.faults().iter().any(|fault| fault.contains("write gateway.k8s.aws/v1")),
        "{:?}",
        outcome.faults()
    );
    assert_eq!(outcome.served(), ["80 any: refused=1"]);
}

/// Whether connections can be served there is another question.
#[test]
fn a_configuration_is_about_a_listener_that_nobody_is_served_at() {
    let balancer = "  listenerConfigurations: [{protocolPort: \"TCP:80\"}]";
    let refused = to_b1("TCPRoute") + &of_b1("protocol: TLS");
    for routes in ["", &refused] {
        let faults = lower(&(edge(TCP, balancer) + routes)).faults();
        assert!(!faults.iter().any(|fault| fault.contains("no listener of a Gateway is")), "{faults:?}");
    }
    let broken = balancer.replace("TCP:80", "TCP:81").replace("}]", ", sslPolicy: Strong}]");
    let faults = lower(&edge(TCP, &broken)).faults();
    assert!(!faults.iter().any(|fault| fault.contains("no listener of a Gateway is")), "{faults:?}");
}
