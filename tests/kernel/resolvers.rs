//! Endpoints that Kubernetes' resources or Consul's catalogue say.

use serde_json::Value;

use crate::harness::admin::Admin;
use crate::harness::backend::Backend;
use crate::harness::consul::{Consul, Mood};
use crate::harness::sluice::Builder;
use crate::harness::{eventually, net};
use crate::relay::{answered, await_answer};

const ADMIN: Admin = Admin("127.0.0.1:9915");

fn mapping(service: &str, resolver: &str) -> String {
    format!(
        "apiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {{name: m}}\n\
         spec: {{address: 127.0.0.1, port: 7000, service: \"{service}\", resolver: {resolver}}}\n"
    )
}

fn backends() {
    net::private();
    Backend::named("127.0.0.2:7001", "two");
    Backend::named("127.0.0.3:7003", "three");
}

fn config() -> Value {
    ADMIN.json("/config")
}

#[test]
fn connections_go_to_the_endpoints_of_a_slice_and_follow_it() {
    backends();
    let with_slice = |address: &str, port: u16, ready: bool| {
        format!(
            "{}---\napiVersion: v1\nkind: Service\nmetadata: {{name: db}}\n\
             spec: {{ports: [{{name: pg, port: 5432, targetPort: pg}}]}}\n---\n\
             apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
             metadata: {{name: db-1, labels: {{kubernetes.io/service-name: db}}}}\n\
             endpoints: [{{addresses: [{address}], conditions: {{ready: {ready}}}}}]\nports: [{{name: pg, port: {port}}}]\n",
            mapping("db:5432", "kubernetes-endpoint")
        )
    };
    let mut sluice = Builder::new(&with_slice("127.0.0.2", 7001, true)).admin(ADMIN).start();
    assert_eq!(answered(), "two");
    assert_eq!(sluice.closed()["upstream"], "127.0.0.2:7001");
    let shown = &config()["listeners"][0]["routes"][0]["mappings"][0];
    assert_eq!(shown["resolution"]["endpoints"], serde_json::json!(["127.0.0.2:7001"]));
    assert_eq!(shown["service"], "db:5432");

    sluice.reload(&with_slice("127.0.0.3", 7003, true));
    assert_eq!(answered(), "three");
    assert_eq!(sluice.closed()["upstream"], "127.0.0.3:7003");
    sluice.reload(&with_slice("127.0.0.3", 7003, false));
    assert_eq!(answered(), "");
    assert_eq!(sluice.closed()["reason"], "resolve_failed");
}

#[test]
fn consul_is_followed_and_its_last_answer_outlives_it() {
    backends();
    let consul = Consul::start("127.0.0.1:8500");
    // The first instance is at its node's address.
    consul.register(100, &[("", 7001)]);
    let yaml = mapping("web", "prod")
        + "---\napiVersion: getambassador.io/v3alpha1\nkind: ConsulResolver\nmetadata: {name: prod}\n\
           spec: {address: '127.0.0.1:8500', datacenter: eu 1}\n";
    let mut sluice = Builder::new(&yaml).admin(ADMIN).start();
    assert_eq!(answered(), "two");
    let first = consul.asked()[0].clone();
    assert_eq!(first, "/v1/health/service/web?passing=1&dc=eu%201");
    eventually("a question that waits", || {
        consul.asked().iter().any(|path| path.ends_with("&index=100&wait=60000ms")).then_some(())
    });

    // A change ends the question that waits.
    consul.register(101, &[("127.0.0.3", 7003)]);
    await_answer("three");
    let resolution = config()["resolutions"][0].clone();
    assert_eq!((&resolution["name"], &resolution["source"]), (&"eu 1/web".into(), &"catalogue".into()));
    assert_eq!(resolution["endpoints"], serde_json::json!(["127.0.0.3:7003"]));

    // Restored from a backup, it counts from somewhere before: what it has now is asked for without an index.
    eventually("a question that waits", || {
        consul.asked().iter().any(|path| path.contains("&index=101&")).then_some(())
    });
    let before = consul.asked().len();
    consul.register(7, &[("127.0.0.2", 7001)]);
    await_answer("two");
    eventually("a new beginning", || {
        let asked = consul.asked();
        let begun = asked[before..].iter().position(|path| !path.contains("index="))?;
        asked[before + begun..].iter().any(|path| path.contains("&index=7&")).then_some(())
    });

    let error = || config()["resolutions"][0]["error"].as_str().unwrap_or_default().to_owned();
    for (mood, said) in [(Mood::Fails, "No cluster leader"), (Mood::Silent, "no answer in time")] {
        consul.mood(mood);
        eventually(said, || {
            assert_eq!(answered(), "two");
            error().contains(said).then_some(())
        });
    }
    sluice.expect_log("what it told last stays in use");

    consul.register(8, &[("127.0.0.3", 7003)]);
    consul.mood(Mood::Answers);
    await_answer("three");
    sluice.expect_log("the catalogue answers again");
    // Nobody passes: an answer too.
    consul.register(9, &[]);
    await_answer("");
}
