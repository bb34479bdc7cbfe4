//! Resolvers of each kind, and the endpoints that Kubernetes' resources say.

use super::*;
use crate::config::model::{Catalogue, Resolution};

const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n\
    spec: {ports: [{name: pg, port: 5432, targetPort: 15432}, {name: admin, port: 80, targetPort: http}, {name: log, port: 514, protocol: UDP}]}\n";

/// An EndpointSlice of it, with these endpoints.
fn slice(name: &str, endpoints: &str) -> String {
    let ports = "[{name: pg, port: 15432}, {name: admin, port: 8080, protocol: TCP}]";
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
         metadata: {{name: {name}, namespace: shop, labels: {{kubernetes.io/service-name: db}}}}\n\
         endpoints: [{endpoints}]\nports: {ports}\n"
    )
}

fn to_db(service: &str) -> String {
    with_spec(&[&format!("service: {service}"), "resolver: endpoint"])
}

fn endpoints(outcome: &Outcome) -> Vec<String> {
    match &outcome.only().resolution {
        Resolution::Fixed(endpoints) => endpoints.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn endpoints_come_from_slices_by_the_services_ports() {
    let slices = slice("db-1", "{addresses: [10.0.0.2], conditions: {ready: true}}, {addresses: [10.0.0.1]}")
        + &slice("db-2", "{addresses: [10.0.0.1, 10.0.0.3], conditions: {}}");
    let all = format!("{}{SERVICE}{slices}", to_db("db.shop:5432"));
    let outcome = lower(&all);
    assert_eq!(endpoints(&outcome), ["10.0.0.1:15432", "10.0.0.2:15432", "10.0.0.3:15432"]);
    assert_eq!(
        (outcome.served(), outcome.all().len()),
        (vec!["0.0.0.0:7000 default/m 100 db.shop:5432".to_owned()], 0)
    );

    // By default port 80, of which the slice knows the number; a longer name says no more.
    for service in ["db.shop", "db.shop.svc.cluster.local:80"] {
        let outcome = lower(&all.replace("db.shop:5432", service));
        assert_eq!(endpoints(&outcome), ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"], "{service}");
    }
    let of_its_namespace =
        all.replace("{name: m}", "{name: m, namespace: shop}").replace("db.shop:5432", "db:5432");
    assert_eq!(endpoints(&lower(&of_its_namespace)).len(), 3);
}

#[test]
fn conditions_say_who_takes_connections() {
    let ready = "{addresses: [10.0.0.1], conditions: {ready: true, serving: true, terminating: false}}";
    let not_yet = "{addresses: [10.0.0.2], conditions: {ready: false, serving: false}}";
    let leaving = "{addresses: [10.0.0.3], conditions: {ready: false, serving: true, terminating: true}}";
    let gone = "{addresses: [10.0.0.4], conditions: {ready: false, serving: false, terminating: true}}";
    let none = "test.yaml#1: TCPMapping default/m: spec.service: no endpoint of Service shop/db is ready; connections fail until one is";
    let cases: [(&[&str], &[&str], &[&str]); 4] = [
        (&[ready, not_yet, leaving, gone], &["10.0.0.1:15432"], &[]),
        (&[not_yet, leaving, gone], &["10.0.0.3:15432"], &[]),
        (&[not_yet, gone], &[], &[none]),
        (&[], &[], &[none]),
    ];
    for (declared, expected, faults) in cases {
        let outcome =
            lower(&format!("{}{SERVICE}{}", to_db("db.shop:5432"), slice("db-1", &declared.join(", "))));
        assert_eq!(
            (endpoints(&outcome), outcome.all()),
            (
                expected.iter().map(|s| (*s).to_owned()).collect(),
                faults.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()
            )
        );
    }
}

#[test]
fn endpoints_of_the_older_kind_count_where_there_is_no_slice() {
    let older = "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: db, namespace: shop}\n\
        subsets:\n- {addresses: [{ip: 10.0.0.7}, {ip: 10.0.0.6}], notReadyAddresses: [{ip: 10.0.0.8}], ports: [{name: pg, port: 15432}]}\n\
        - {addresses: [{ip: 'fd00::1'}], ports: [{name: pg, port: 25432}]}\n";
    let outcome = lower(&format!("{}{SERVICE}{older}", to_db("db.shop:5432")));
    assert_eq!(endpoints(&outcome), ["10.0.0.6:15432", "10.0.0.7:15432", "[fd00::1]:25432"]);
    let outcome = lower(&format!(
        "{}{SERVICE}{older}{}",
        to_db("db.shop:5432"),
        slice("db-1", "{addresses: [10.0.0.1]}")
    ));
    assert_eq!(endpoints(&outcome), ["10.0.0.1:15432"]);
}

#[test]
fn ports_that_are_named_otherwise_are_found_by_their_target() {
    let by_number = SERVICE.replace("name: pg, ", "");
    let by_name =
        SERVICE.replace("targetPort: 15432", "targetPort: pg").replace("name: pg, ", "name: other, ");
    for service in [by_number, by_name] {
        let text = format!("{}{service}{}", to_db("db.shop:5432"), slice("db-1", "{addresses: [10.0.0.1]}"));
        assert_eq!(endpoints(&lower(&text)), ["10.0.0.1:15432"], "{service}");
    }
}

#[test]
fn what_cannot_be_found_is_named() {
    let prefix = "test.yaml#1: TCPMapping default/m: spec.service: ";
    let slice = slice("db-1", "{addresses: [10.0.0.1, nonsense]}");
    let cases = [
        (
            "db.shop:99",
            "Service shop/db has no TCP port 99; it has 5432 (pg), 80 (admin); the mapping is discarded",
        ),
        (
            "db.shop:514",
            "Service shop/db has no TCP port 514; it has 5432 (pg), 80 (admin); the mapping is discarded",
        ),
        (
            "db:5432",
            "there is no Service default/db in the configuration (there is one in the namespace \"shop\"); add it with \
             its EndpointSlices, or leave resolver out to ask DNS; the mapping is discarded",
        ),
        (
            "db.shop:5432",
            "EndpointSlice shop/db-1 has the address \"nonsense\", which is no IP address; it is left out",
        ),
    ];
    for (service, expected) in cases {
        let outcome = lower(&format!("{}{SERVICE}{slice}", to_db(service)));
        assert_eq!(outcome.all(), [format!("{prefix}{expected}")], "{service}");
    }
    let outcome = lower(&format!("{}{SERVICE}", to_db("db.shop:5432")));
    assert_eq!(
        outcome.all()[0],
        format!("{prefix}Service shop/db has neither EndpointSlices nor Endpoints in the configuration")
    );
    assert_eq!(endpoints(&outcome), [""; 0]);
}

#[test]
fn an_address_needs_no_resolver() {
    let outcome = lower(&to_db("10.0.0.1:5"));
    assert_eq!((&outcome.only().resolution, outcome.all().len()), (&Resolution::Dns, 0));
}

#[test]
fn a_consul_resolver_says_whose_catalogue() {
    let declared = "---\napiVersion: getambassador.io/v3alpha1\nkind: ConsulResolver\nmetadata: {name: prod}\n\
                    spec: {address: consul.infra, datacenter: eu}\n";
    let asked = |resolver: &str, service: &str| {
        let mapping = with_spec(&[&format!("service: {service}"), &format!("resolver: {resolver}")]);
        let outcome = lower(&(mapping.replace("{name: m}", "{name: m, namespace: other}") + declared));
        let Resolution::Catalogue(catalogue) = outcome.only().resolution.clone() else {
            panic!("{:?}", outcome.all());
        };
        let Catalogue { agent, datacenter, service } = &*catalogue;
        (format!("{agent} {datacenter} {service}"), outcome.all())
    };
    assert_eq!(asked("prod", "web"), ("consul.infra:8500 eu web".to_owned(), vec![]));
    assert_eq!(asked("consul", "WEB"), ("127.0.0.1:8500 dc1 web".to_owned(), vec![]));
    let (_, all) = asked("prod", "web:81");
    let expected = "test.yaml#1: TCPMapping other/m: spec.service: names the port 81, which does not count: Consul says \
                    the port of each instance";
    assert_eq!(all, [expected]);
}

#[test]
fn resolvers_in_error_discard_what_relies_on_them() {
    let declared = |kind: &str, spec: &str| {
        format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: {kind}\nmetadata: {{name: prod}}\n{spec}\n"
        )
    };
    let mapping = |service: &str| with_spec(&[&format!("service: {service}"), "resolver: prod"]);
    let lost = "test.yaml#1: TCPMapping default/m: spec.resolver: \"prod\" is ConsulResolver default/prod, which is discarded; the mapping is discarded";
    let prefix = "test.yaml#2: ConsulResolver default/prod: spec.";
    let cases = [
        (
            "{datacenter: eu}",
            "address: is missing; give Consul's agent as host:port; the resolver is discarded",
        ),
        (
            "{address: consul}",
            "datacenter: is missing; name Consul's datacenter, such as dc1; the resolver is discarded",
        ),
        (
            "{address: https://consul, datacenter: eu}",
            "address: \"https://consul\" asks for TLS, which is not served by this version of sluice; write http://; the resolver is discarded",
        ),
        (
            "{address: 'consul:x', datacenter: eu}",
            "address: \"consul:x\" has the port \"x\", which is no integer from 1 to 65535; the resolver is discarded",
        ),
    ];
    for (spec, expected) in cases {
        let outcome = lower(&(mapping("web") + &declared("ConsulResolver", &format!("spec: {spec}"))));
        assert_eq!(
            (outcome.served().len(), outcome.all()),
            (0, vec![format!("{prefix}{expected}"), lost.to_owned()])
        );
    }
    let dotted =
        lower(&(mapping("web.eu") + &declared("ConsulResolver", "spec: {address: consul, datacenter: eu}")));
    let expected = "test.yaml#1: TCPMapping default/m: spec.service: \"web.eu\" is no name that Consul has; write the \
                    service's name alone, without dots; the mapping is discarded";
    assert_eq!(dotted.all(), [expected]);
    // Those of Kubernetes need no spec.
    for kind in ["KubernetesServiceResolver", "KubernetesEndpointResolver"] {
        let outcome = lower(&(mapping("10.0.0.1:5") + &declared(kind, "")));
        assert_eq!((outcome.served().len(), outcome.all().len()), (1, 0), "{kind}: {:?}", outcome.all());
    }
}

#[test]
fn an_unknown_resolver_is_answered_with_those_there_are() {
    let known = "write one of consul, consul-endpoint, endpoint, kubernetes-endpoint, kubernetes-service";
    let prefix = "test.yaml#1: TCPMapping default/m: spec.resolver: ";
    let cases = [
        ("endpoints", format!("the resolver \"endpoints\" is unknown; {known} (did you mean \"endpoint\"?)")),
        ("nonsense-at-all", format!("the resolver \"nonsense-at-all\" is unknown; {known}")),
    ];
    for (name, expected) in cases {
        let outcome = lower(&with_spec(&[&format!("resolver: {name}")]));
        assert_eq!(
            (outcome.served().len(), outcome.all()),
            (0, vec![format!("{prefix}{expected}; the mapping is discarded")])
        );
    }
}

#[test]
fn resolvers_of_one_name_go_by_their_namespace() {
    let declared = |namespace: &str, address: &str| {
        format!(
            "---\napiVersion: getambassador.io/v2\nkind: ConsulResolver\nmetadata: {{name: prod, namespace: {namespace}}}\n\
             spec: {{address: {address}, datacenter: dc1}}\n"
        )
    };
    let both = declared("a", "first") + &declared("b", "second") + &declared("a", "third");
    for (name, expected) in [("prod", "second:8500"), ("prod.a", "third:8500")] {
        let outcome = lower(&(with_spec(&["service: web", &format!("resolver: {name}")]) + &both));
        match &outcome.only().resolution {
            Resolution::Catalogue(catalogue) => assert_eq!(catalogue.agent.to_string(), expected, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(outcome.faults().len(), 2, "{:?}", outcome.faults());
    }
}
