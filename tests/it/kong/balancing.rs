//! Upstreams and targets under real connections (K36, K39, K45, K47, K48).

use std::io::Read;

use serde_json::{Value, json};

use super::{Site, certificate, document, start};
use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::eventually;
use crate::harness::tls::{Ca, backend, greeting};

/// A service in front of an upstream with these fields and targets.
fn with(protocol: &str, fields: Value, more: Value) -> String {
    let mut upstream = json!({"name": "pay.upstream"});
    upstream.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let mut entities = json!({
        "services": [{
            "name": "pay", "protocol": protocol, "host": "pay.upstream",
            "routes": [{"protocols": ["tcp"], "destinations": [{"port": 9000}]}],
        }],
        "upstreams": [upstream],
    });
    for (name, value) in more.as_object().unwrap() {
        entities[name] = value.clone();
        if name == "service" {
            let fields = entities.as_object_mut().unwrap().remove("service").unwrap();
            entities["services"][0].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        }
    }
    document("3.0", entities)
}

fn target(site: &Site, port: u16, weight: u32) -> Value {
    json!({"target": site.at(port), "weight": weight})
}

/// Who answers so many connections, by name; nobody is an empty name.
fn answers(site: &Site, count: usize) -> Vec<String> {
    let answer = |_| {
        let mut said = String::new();
        let _ = connect(&site.at(9000)).read_to_string(&mut said);
        said
    };
    (0..count).map(answer).collect()
}

fn count(answers: &[String], name: &str) -> usize {
    answers.iter().filter(|answer| *answer == name).count()
}

/// K45: shares by weight, exact; and dead targets cost nobody a connection.
#[test]
fn targets_share_connections_by_weight_and_the_living_take_all() {
    let site = Site::new();
    let _backends = [Backend::named(&site.at(7001), "one"), Backend::named(&site.at(7002), "two")];
    let targets = [target(&site, 7001, 30), target(&site, 7002, 10), target(&site, 7003, 0)];
    let text = with("tcp", json!({"targets": targets}), json!({}));
    let mut sluice = start(&text, &site.at(9000), &[]);
    let all = answers(&site, 40);
    assert_eq!((count(&all, "one"), count(&all, "two")), (30, 10));

    let targets = [target(&site, 7001, 10), target(&site, 7004, 10), target(&site, 7005, 10)];
    sluice.reload(&with("tcp", json!({"targets": targets, "algorithm": "least-connections"}), json!({})));
    assert_eq!(count(&answers(&site, 20), "one"), 20);
}

/// A client stays at its target.
#[test]
fn consistent_hashing_keeps_a_client_at_its_target() {
    let site = Site::new();
    let _backends = [Backend::named(&site.at(7001), "one"), Backend::named(&site.at(7002), "two")];
    let targets = [target(&site, 7001, 10), target(&site, 7002, 10)];
    let fields = json!({"targets": targets, "hash_on": "ip"});
    let _sluice = start(&with("tcp", fields, json!({})), &site.at(9000), &[]);
    let all = answers(&site, 10);
    assert!(all.iter().all(|answer| !answer.is_empty() && *answer == all[0]), "{all:?}");
}

/// K47: a target that cannot be connected to is left out for good, and no client hears of it.
#[test]
fn passive_checks_leave_out_who_cannot_be_connected_to() {
    let site = Site::new();
    let one = Backend::named(&site.at(7001), "one");
    let passive = json!({"passive": {"type": "tcp", "unhealthy": {"tcp_failures": 1}}});
    let fields =
        json!({"targets": [target(&site, 7001, 10), target(&site, 7002, 10)], "healthchecks": passive});
    let mut sluice = start(&with("tcp", fields, json!({})), &site.at(9000), &[]);
    assert_eq!(count(&answers(&site, 10), "one"), 10);
    let attempts: Vec<_> = (0..10).map(|_| sluice.closed()["attempts"].as_u64().unwrap()).collect();
    assert_eq!(attempts.iter().sum::<u64>(), 11, "one attempt found it dead: {attempts:?}");
    assert_eq!(one.accepted(), 10);
}

/// K48: checks find a target that comes, and share connections evenly again.
#[test]
fn active_checks_bring_a_target_back() {
    let site = Site::new();
    let _one = Backend::named(&site.at(7001), "one");
    let active = json!({"active": {
        "type": "tcp", "healthy": {"interval": 0.05, "successes": 1},
        "unhealthy": {"interval": 0.05, "tcp_failures": 1},
    }});
    let fields =
        json!({"targets": [target(&site, 7001, 10), target(&site, 7002, 10)], "healthchecks": active});
    let service = json!({"service": {"retries": 0}});
    let _sluice = start(&with("tcp", fields, service), &site.at(9000), &[]);
    // Without retries a dead target is heard of until a check has found it.
    eventually("the dead target is left out", || (count(&answers(&site, 10), "one") == 10).then_some(()));
    let _two = Backend::named(&site.at(7002), "two");
    eventually("both share alike", || (count(&answers(&site, 10), "two") == 5).then_some(()));
}

/// A share of healthy weight that is not above `threshold` refuses everybody.
#[test]
fn too_few_healthy_targets_refuse_everybody() {
    let site = Site::new();
    let one = Backend::named(&site.at(7001), "one");
    let checks =
        |threshold: u32| json!({"threshold": threshold, "passive": {"unhealthy": {"tcp_failures": 1}}});
    let text = |threshold| {
        let targets = [target(&site, 7001, 10), target(&site, 7002, 10)];
        with("tcp", json!({"targets": targets, "healthchecks": checks(threshold)}), json!({}))
    };
    let mut sluice = start(&text(50), &site.at(9000), &[]);
    eventually("the dead target is found", || answers(&site, 1)[0].is_empty().then_some(()));
    let before = one.accepted();
    assert_eq!(answers(&site, 5), [""; 5]);
    assert_eq!(one.accepted(), before);
    // Half of them is enough.
    sluice.reload(&text(49));
    assert_eq!(count(&answers(&site, 5), "one"), 5);
}

/// K36: an upstream's `host_header` is asked for; K39: its certificate is shown, unless the service has one.
#[test]
fn an_upstream_says_which_name_and_certificate_are_shown() {
    let ca = Ca::new();
    let (leaf, known) = (ca.leaf(&["header.test"]), ca.leaf(&["me.test"]));
    // Of an authority that the upstream does not know.
    let stranger = Ca::new().leaf(&["me.test"]);
    let site = Site::new();
    let _backend = backend(&site.at(7001), "tls", ca.server_asking(&leaf));
    let with = |of_upstream: &str, of_service: Option<&str>| {
        let upstream = json!({
            "targets": [target(&site, 7001, 1)], "host_header": "header.test:443", "client_certificate": {"id": of_upstream},
        });
        let certificates =
            json!([certificate("known", &known, &[]), certificate("stranger", &stranger, &[])]);
        let service = json!({"client_certificate": of_service});
        with("tls", upstream, json!({"certificates": certificates, "service": service}))
    };
    let mut sluice = start(&with("known", None), &site.at(9000), &[]);
    assert_eq!(greeting(&mut connect(&site.at(9000))), "tls header.test known");
    sluice.reload(&with("stranger", Some("known")));
    assert_eq!(greeting(&mut connect(&site.at(9000))), "tls header.test known");
    sluice.reload(&with("known", Some("stranger")));
    assert_eq!(answers(&site, 1), [""], "the service's comes first, though the upstream refuses it");
}
