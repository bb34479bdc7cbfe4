//! What `sluice check` tells of a configuration in the API's own words.

use serde_json::Value;

use super::{EDGE, World};
use crate::command::{file, sluice};
use crate::harness::admin::Admin;
use crate::harness::sluice::Builder;

fn condition<'a>(part: &'a Value, kind: &str) -> &'a Value {
    let conditions = part["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == kind).unwrap()
}

#[test]
fn check_tells_what_a_controller_would_write() {
    let world = World::new()
        .gateway(&[
            "{name: tcp, port: 7000, protocol: TCP}",
            "{name: web, port: 7001, protocol: HTTP}",
            "{name: tls, port: 7002, protocol: TLS, tls: {mode: Terminate, certificateRefs: [{name: nobody}]}}",
        ])
        .service("b1", 8001)
        .tcp_route("r, generation: 3", "{name: edge, sectionName: tcp}", "{name: nobody, port: 80}");
    let ended = sluice(&["check", "--format", "json", &file(&world.documents)]);
    assert_eq!(ended.code, Some(64), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let status = report["status"].as_array().unwrap();
    let names: Vec<_> = status.iter().map(|status| status["resource"].as_str().unwrap()).collect();
    assert_eq!(names, ["GatewayClass sluice", "Gateway default/edge", "TCPRoute default/r"]);
    assert_eq!(condition(&status[0], "Accepted")["status"], "True");

    let gateway = &status[1];
    assert_eq!(condition(gateway, "Accepted")["reason"], "ListenersNotValid");
    let (tcp, web, tls) = (&gateway["parts"][0], &gateway["parts"][1], &gateway["parts"][2]);
    assert_eq!((&tcp["part"], &tcp["attachedRoutes"]), (&"listener tcp".into(), &1.into()));
    assert_eq!(tcp["supportedKinds"], serde_json::json!(["TCPRoute"]));
    assert_eq!(condition(web, "Accepted")["reason"], "UnsupportedProtocol");
    let resolved = condition(tls, "ResolvedRefs");
    assert_eq!(
        (&resolved["status"], &resolved["reason"]),
        (&"False".into(), &"InvalidCertificateRef".into())
    );
    assert_eq!(resolved["message"], "there is no Secret default/nobody");

    let route = &status[2];
    assert_eq!(route["observedGeneration"], 3);
    assert_eq!(route["parts"][0]["part"], "parent Gateway default/edge section tcp");
    assert_eq!(condition(&route["parts"][0], "Accepted")["status"], "True");
    assert_eq!(condition(&route["parts"][0], "ResolvedRefs")["reason"], "BackendNotFound");
}

/// GatewayModifyListeners, as far as it is about conditions.
#[test]
fn the_admin_endpoint_tells_the_same_and_keeps_up() {
    let world = World::new()
        .gateway(&["{name: a, port: 7001, protocol: TCP}"])
        .service("b1", 8001)
        .tcp_route("r", EDGE, "{name: b1, port: 80}");
    let admin = Admin(world.at(9915).leak());
    let mut sluice = Builder::new(&world.documents).flags(&["--kernel-relay", "false"]).admin(admin).start();
    let status = admin.json("/config")["status"].clone();
    let checked = sluice_check(&world.documents);
    assert_eq!(status, checked);
    let names = |status: &Value| -> Vec<String> {
        let parts = status[1]["parts"].as_array().unwrap();
        parts
            .iter()
            .map(|part| format!("{} {}", part["part"].as_str().unwrap(), part["attachedRoutes"]))
            .collect()
    };
    assert_eq!(names(&status), ["listener a 1"]);
    let more = "  - {name: a, port: 7001, protocol: TCP}\n  - {name: b, port: 7002, protocol: TCP}\n";
    sluice.reload(&world.replaced("  - {name: a, port: 7001, protocol: TCP}\n", more));
    assert_eq!(names(&admin.json("/config")["status"]), ["listener a 1", "listener b 1"]);
}

fn sluice_check(documents: &str) -> Value {
    let ended = sluice(&["check", "--format", "json", &file(documents)]);
    let mut report: Value = serde_json::from_str(&ended.stdout).unwrap();
    report["status"].take()
}
