//! `TCPRoute`.

use super::*;

const TCP: &str = "{name: tcp, port: 7000, protocol: TCP}";
const B1: &str = "{name: b1, port: 8080}";

/// TCPRouteInvalidBackendRefNonexistent.
#[test]
fn a_backend_that_is_not_there_is_not_found_and_its_share_refused() {
    let route = tcp_route("{name: r}", EDGE, "{name: nobody, port: 8080}");
    let outcome = lower(&(around() + &gateway(&[TCP]) + &route));
    assert_eq!(
        outcome.says("TCPRoute default/r", "parent Gateway default/edge", "Accepted"),
        "True Accepted"
    );
    let resolved = outcome.says("TCPRoute default/r", "parent Gateway default/edge", "ResolvedRefs");
    assert_eq!(resolved, "False BackendNotFound");
    assert_eq!(outcome.attached("Gateway default/edge", "tcp"), 1);
    assert_eq!(outcome.served(), ["7000 any: refused=1"]);
    let expected = "test.yaml#11: TCPRoute default/r: spec.rules[0].backendRefs[0]: there is no Service default/nobody in \
                    the configuration; its share of connections is refused";
    assert_eq!(outcome.faults(), [expected]);
}

#[test]
fn a_port_that_a_service_does_not_have_is_not_found() {
    let route = tcp_route("{name: r}", EDGE, "{name: b1, port: 9}");
    let outcome = lower(&(around() + &gateway(&[TCP]) + &route));
    let resolved = outcome.says("TCPRoute default/r", "parent Gateway default/edge", "ResolvedRefs");
    assert_eq!(resolved, "False BackendNotFound");
    assert!(
        outcome.faults()[0].contains("Service default/b1 has no TCP port 9; it has 8080 (tcp), 443 (tls)")
    );
}

#[test]
fn a_backend_of_another_kind_is_invalid() {
    let route = tcp_route("{name: r}", EDGE, "{group: example.com, kind: Bucket, name: b}");
    let outcome = lower(&(around() + &gateway(&[TCP]) + &route));
    let resolved = outcome.says("TCPRoute default/r", "parent Gateway default/edge", "ResolvedRefs");
    assert_eq!(resolved, "False InvalidKind");
    assert_eq!(outcome.served(), ["7000 any: refused=1"]);
}

fn grant(from: &str, to: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {{name: g, namespace: web}}\n\
         spec: {{from: [{from}], to: [{to}]}}\n"
    )
}

/// TCPRouteInvalidCrossNamespaceBackendRef, TCPRouteReferenceGrant.
#[test]
fn a_backend_in_another_namespace_needs_a_grant() {
    let route = tcp_route("{name: r}", EDGE, "{name: b1, namespace: web, port: 8080}");
    let all = around() + &gateway(&[TCP]) + &route;
    let parent = "parent Gateway default/edge";
    let resolved = |text: &str| lower(text).says("TCPRoute default/r", parent, "ResolvedRefs");
    let outcome = lower(&all);
    assert_eq!(outcome.says("TCPRoute default/r", parent, "Accepted"), "True Accepted");
    assert_eq!(outcome.says("TCPRoute default/r", parent, "ResolvedRefs"), "False RefNotPermitted");
    assert_eq!(outcome.served(), ["7000 any: refused=1"]);

    let group = "group: gateway.networking.k8s.io";
    let from = format!("{{{group}, kind: TCPRoute, namespace: default}}");
    let granted = all.clone() + &grant(&from, "{group: '', kind: Service}");
    let outcome = lower(&granted);
    assert_eq!(outcome.says("TCPRoute default/r", parent, "ResolvedRefs"), "True ResolvedRefs");
    assert_eq!(outcome.served(), ["7000 any: TCPRoute default/r backend web/b1:8080=1"]);
    assert_eq!(resolved(&(all.clone() + &grant(&from, "{kind: Service, name: b1}"))), "True ResolvedRefs");

    let wrong = [
        (format!("{{{group}, kind: TLSRoute, namespace: default}}"), "{kind: Service}".to_owned()),
        (format!("{{{group}, kind: TCPRoute, namespace: other}}"), "{kind: Service}".to_owned()),
        ("{kind: TCPRoute, namespace: default}".to_owned(), "{kind: Service}".to_owned()),
        (from.clone(), "{kind: Secret}".to_owned()),
        (from.clone(), "{kind: Service, name: b2}".to_owned()),
        (from.clone(), "{kind: Service, name: ''}".to_owned()),
    ];
    for (from, to) in wrong {
        let text = all.clone() + &grant(&from, &to);
        assert_eq!(resolved(&text), "False RefNotPermitted", "{from} {to}");
    }

    let told = [
        ("{kind: TCPRoute, namespace: default}", "{kind: Service}", "spec.from[0].group: is missing"),
        (&*from, "{kind: Service, name: ''}", "spec.to[0].name: is empty; name one object"),
    ];
    for (from, to, expected) in told {
        let faults = lower(&(all.clone() + &grant(from, to))).faults();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{from} {to}: {faults:?}");
    }
}

/// TCPRouteInvalidNonTCPListener.
#[test]
fn a_listener_of_http_lets_no_tcp_route_attach() {
    let text =
        around() + &gateway(&["{name: web, port: 80, protocol: HTTP}"]) + &tcp_route("{name: r}", EDGE, B1);
    let outcome = lower(&text);
    let accepted = outcome.says("TCPRoute default/r", "parent Gateway default/edge", "Accepted");
    assert_eq!(accepted, "False NotAllowedByListeners");
    assert_eq!(outcome.attached("Gateway default/edge", "web"), 0);
    assert_eq!(outcome.served(), [""; 0]);
    assert!(
        outcome.diagnostics.iter().any(|found| found.discarded && found.resource == "TCPRoute default/r")
    );
}

/// TCPRouteMultipleRoutesAttachment.
#[test]
fn of_several_routes_the_oldest_takes_all() {
    let backend = |name: &str| format!("{{name: {name}, port: 8080}}");
    let dated =
        |name: &str, year: u16| format!("{{name: {name}, creationTimestamp: \"{year}-01-01T00:00:00Z\"}}");
    // Dates come before names, names before places, and places where there are no dates.
    let cases = [
        ([dated("a", 2025), dated("b", 2024)], "b2"),
        ([dated("b", 2024), dated("a", 2024)], "b2"),
        ([dated("b", 2024), "{name: a}".to_owned()], "b1"),
        (["{name: b}".to_owned(), dated("a", 2030)], "b2"),
        (["{name: b}".to_owned(), "{name: a}".to_owned()], "b1"),
    ];
    for ([first, second], winner) in cases {
        let text = around()
            + &gateway(&[TCP])
            + &tcp_route(&first, EDGE, &backend("b1"))
            + &tcp_route(&second, EDGE, &backend("b2"));
        let outcome = lower(&text);
        for route in ["TCPRoute default/a", "TCPRoute default/b"] {
            assert_eq!(outcome.says(route, "parent Gateway default/edge", "Accepted"), "True Accepted");
        }
        assert_eq!(outcome.attached("Gateway default/edge", "tcp"), 2);
        let served = outcome.served();
        assert!(
            served.len() == 1 && served[0].contains(&format!("backend {winner}:8080=1")),
            "{first} {second}: {served:?}"
        );
        assert!(outcome.faults()[0].contains("this one takes no connection there"));
    }
}

#[test]
fn a_time_that_is_none_leaves_the_age_to_the_place() {
    let route = tcp_route("{name: r, creationTimestamp: yesterday}", EDGE, B1);
    let outcome = lower(&(around() + &gateway(&[TCP]) + &route));
    assert_eq!(outcome.served().len(), 1);
    assert!(outcome.faults()[0].contains("metadata.creationTimestamp: \"yesterday\" is no time such as"));
}

/// TCPRouteParentRefAttachAll.
#[test]
fn without_a_section_a_route_attaches_to_every_listener() {
    let listeners = ["a", "b", "c", "d"].map(|name| {
        let port = 7000 + u16::from(name.as_bytes()[0]);
        format!("{{name: {name}, port: {port}, protocol: TCP}}")
    });
    let listeners = listeners.each_ref().map(String::as_str);
    let outcome = lower(&(around() + &gateway(&listeners) + &tcp_route("{name: r}", EDGE, B1)));
    assert_eq!(outcome.served().len(), 4);
    for listener in ["a", "b", "c", "d"] {
        assert_eq!(outcome.attached("Gateway default/edge", listener), 1);
    }
    assert_eq!(outcome.config.mappings().count(), 1, "one mapping at all of them");
}

/// TCPRouteParentRefPortAndSectionName.
#[test]
fn a_section_and_a_port_choose_the_listeners() {
    let listeners = ["{name: a, port: 7001, protocol: TCP}", "{name: b, port: 7002, protocol: TCP}"];
    let cases: [(&str, &str, &[u16]); 6] = [
        ("{name: edge, sectionName: a}", "True Accepted", &[7001]),
        ("{name: edge, port: 7002}", "True Accepted", &[7002]),
        ("{name: edge, sectionName: b, port: 7002}", "True Accepted", &[7002]),
        ("{name: edge, sectionName: a, port: 7002}", "False NoMatchingParent", &[]),
        ("{name: edge, sectionName: c}", "False NoMatchingParent", &[]),
        ("{name: edge, port: 7003}", "False NoMatchingParent", &[]),
    ];
    for (parent, accepted, ports) in cases {
        let outcome = lower(&(around() + &gateway(&listeners) + &tcp_route("{name: r}", parent, B1)));
        let part = outcome.status("TCPRoute default/r").parts[0].part.clone();
        assert_eq!(outcome.says("TCPRoute default/r", &part, "Accepted"), accepted, "{parent}");
        let served: Vec<_> = outcome.config.listeners.iter().map(|listener| listener.bind.port()).collect();
        assert_eq!(served, ports, "{parent}");
    }
}

/// TCPRouteWeightedRouting.
#[test]
fn weights_are_shares_and_invalid_backends_keep_theirs() {
    let cases = [
        (
            "{name: b1, port: 8080, weight: 70}, {name: b2, port: 8080, weight: 30}, {name: b3, port: 8080, weight: 0}",
            "7000 any: TCPRoute default/r backend b1:8080=70, TCPRoute default/r backend b2:8080=30, \
             TCPRoute default/r backend b3:8080=0",
        ),
        (
            "{name: b1, port: 8080}, {name: b2, port: 8080}",
            "7000 any: TCPRoute default/r backend b1:8080=1, TCPRoute default/r backend b2:8080=1",
        ),
        (
            "{name: nobody, port: 8080, weight: 80}, {name: b1, port: 8080, weight: 20}",
            "7000 any: TCPRoute default/r backend b1:8080=20, refused=80",
        ),
        ("{name: b1, port: 8080, weight: 0}, {name: b2, port: 8080, weight: 0}", "7000 any: refused=0"),
        ("{name: b1, port: 8080, weight: 0}, {name: nobody, port: 8080, weight: 1}", "7000 any: refused=1"),
        (
            "{name: b1, port: 8080, weight: 2}, {name: b1, port: 8080, weight: 1}",
            "7000 any: TCPRoute default/r backend b1:8080=2, TCPRoute default/r backend b1:8080 #2=1",
        ),
    ];
    for (backends, expected) in cases {
        let outcome = lower(&(around() + &gateway(&[TCP]) + &tcp_route("{name: r}", EDGE, backends)));
        assert_eq!(outcome.served(), [expected], "{backends}");
    }
}

#[test]
fn without_any_service_in_the_configuration_dns_is_asked() {
    let class = around();
    let class = class.split("---").next().unwrap();
    let text = class.to_owned()
        + &gateway(&["{name: tcp, port: 7000, protocol: TCP, allowedRoutes: {namespaces: {from: All}}}"])
        + &tcp_route("{name: r, namespace: shop}", "{name: edge, namespace: default}", B1);
    let outcome = lower(&text);
    assert_eq!(outcome.faults(), [""; 0]);
    let mapping = outcome.config.mappings().next().unwrap();
    assert_eq!(
        (mapping.service.to_string(), &mapping.resolution),
        ("b1.shop:8080".to_owned(), &Default::default())
    );
}

#[test]
fn a_service_without_slices_is_looked_up_and_one_without_ready_endpoints_refuses() {
    let text = around() + &gateway(&[TCP]) + &tcp_route("{name: r}", EDGE, "{name: bare, port: 8080}");
    let bare = "---\napiVersion: v1\nkind: Service\nmetadata: {name: bare}\nspec: {ports: [{port: 8080}]}\n";
    let slices = "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
                  metadata: {name: bare, labels: {kubernetes.io/service-name: bare}}\nports: [{port: 8080}]\nendpoints: []\n";
    let outcome = lower(&(text.clone() + bare));
    assert_eq!((outcome.faults(), outcome.served().len()), (Vec::new(), 1));
    let outcome = lower(&(text + bare + slices));
    assert!(outcome.faults()[0].contains("no endpoint of Service default/bare is ready"));
    assert_eq!(outcome.served(), ["7000 any: TCPRoute default/r backend bare:8080=1"]);
}

#[test]
fn what_the_api_server_would_not_take_discards_the_route() {
    let good = tcp_route("{name: r}", EDGE, B1);
    let many = format!("[{}]", vec![B1; 17].join(", "));
    let cases = [
        (
            "[{name: b1, port: 8080}]".to_owned(),
            "[]",
            "spec.rules[0].backendRefs: has 0 entries; a rule has 1 to 16",
        ),
        ("[{name: b1, port: 8080}]".to_owned(), many.as_str(), "has 17 entries"),
        ("port: 8080".to_owned(), "port: 0", "backendRefs[0].port: 0 is not an integer from 1 to 65535"),
        (", port: 8080".to_owned(), "", "spec.rules[0].backendRefs[0].port: is missing; say which port"),
        (
            "port: 8080".to_owned(),
            "port: 8080, weight: 1000001",
            "weight: 1000001 is not an integer from 0 to 1000000",
        ),
        (
            "rules: [".to_owned(),
            "rules: [{backendRefs: [{name: b, port: 1}]}, ",
            "a route has exactly one rule",
        ),
        ("name: b1, ".to_owned(), "", "backendRefs[0].name: is missing"),
        ("{name: r}".to_owned(), "{}", "metadata.name: is missing"),
    ];
    for (from, to, expected) in cases {
        let text = good.replace(&from, to);
        assert_ne!(text, good, "{from}");
        let outcome = lower(&(around() + &gateway(&[TCP]) + &text));
        assert!(
            outcome.faults().iter().any(|fault| fault.contains(expected)),
            "{expected}: {:?}",
            outcome.faults()
        );
        assert_eq!(outcome.served(), [""; 0], "{expected}");
        assert!(outcome.faults().iter().any(|fault| fault.ends_with("the route is discarded")), "{expected}");
    }
    let outcome = lower(&(around() + &gateway(&[TCP]) + &good.replace("parentRefs", "parentRef")));
    let expected = "spec.parentRef: unknown field \"parentRef\" is ignored; did you mean \"parentRefs\"?";
    assert!(outcome.faults()[0].contains(expected), "{:?}", outcome.faults());
}

#[test]
fn versions_are_those_that_had_the_kind() {
    let text = around() + &gateway(&[TCP]) + &tcp_route("{name: r}", EDGE, B1);
    let with = |version: &str| {
        text.replace("k8s.io/v1\nkind: TCPRoute", &format!("k8s.io/{version}\nkind: TCPRoute"))
    };
    assert_eq!(lower(&with("v1alpha2")).served().len(), 1);
    let outcome = lower(&with("v1beta1"));
    assert_eq!(outcome.served(), [""; 0]);
    assert!(
        outcome.faults()[0]
            .contains("has no TCPRoute; write gateway.networking.k8s.io/v1; the route is discarded")
    );
    let outcome = lower(&text.replace("kind: TCPRoute", "kind: TCPRoutes"));
    assert!(outcome.faults()[0].contains("\"TCPRoutes\" is unknown; did you mean \"TCPRoute\"?"));
    for other in ["UDPRoute", "HTTPRoute", "GRPCRoute"] {
        let outcome = lower(&text.replace("kind: TCPRoute", &format!("kind: {other}")));
        assert_eq!(outcome.faults(), [""; 0]);
        assert!(outcome.all().iter().any(|found| {
            found.contains(&format!("kind {other} (gateway.networking.k8s.io/v1) is not one that"))
        }));
    }
}

#[test]
fn annotations_of_sluice_are_not_ignored_in_silence() {
    let metadata = "{name: r, annotations: {sluice.dev/relay: splice, example.com/other: x}}";
    let outcome = lower(&(around() + &gateway(&[TCP]) + &tcp_route(metadata, EDGE, B1)));
    let expected = "test.yaml#11: TCPRoute default/r: metadata.annotations.sluice.dev/relay: \"sluice.dev/relay\" is ignored: \
                    annotations of sluice are for TCPMappings";
    assert_eq!((outcome.faults(), outcome.served().len()), (vec![expected.to_owned()], 1));
}

/// As a template leaves it behind; the API refuses it.
#[test]
fn an_empty_section_is_not_every_listener() {
    let route = tcp_route("{name: r}", "{name: edge, sectionName: ''}", B1);
    let outcome = lower(&(around() + &gateway(&[TCP]) + &route));
    assert_eq!(outcome.served(), [""; 0]);
    let faults = outcome.faults();
    assert!(faults[0].contains("spec.parentRefs[0].sectionName: is missing; name a listener"), "{faults:?}");
}
