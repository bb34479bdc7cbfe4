//! config/deploy at work: its image with a read-only root, under the identity, capabilities, variables and mounts of
//! its manifests, probed as kubelet probes and reloaded as kubelet reloads.

use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::process::Signal;
use rustix::thread::CapabilitySet;
use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::image::{Image, capabilities};
use crate::harness::manifests::{container, documents, of_kind, pod};
use crate::harness::net;
use crate::harness::sluice::Sluice;
use crate::harness::tls::{Ca, client_trusting, echoed, hello};
use crate::relay::ready;

/// The Pod's address, and that of the node and its database.
const POD: &str = "10.9.0.1";
const NODE: &str = "10.9.0.2";
const DATABASE: &str = "10.9.0.2:5432";
const HOSTS: &str = "127.0.0.1 localhost\n10.9.0.2 postgres.database\n";

/// Joins the kernel with its first message.
const AT_ONCE: (&str, &str) = ("SLUICE_JOIN_AFTER", "0");

/// Another network, from which kubelet asks.
struct Node {
    ask: Sender<(&'static str, String)>,
    answers: Receiver<(u16, String)>,
}

impl Node {
    /// With a database in it.
    fn beside() -> Self {
        let (ask, asked) = channel::<(&'static str, String)>();
        let (answer, answers) = channel();
        net::behind_veth("pod", &format!("{POD}/24"), &format!("{NODE}/24"), move || {
            Backend::echo(DATABASE);
            for (method, path) in asked {
                let _ = answer.send(Admin("10.9.0.1:9915").call(method, &path));
            }
        });
        Self { ask, answers }
    }

    /// What the Pod's admin endpoint answers.
    fn call(&self, method: &'static str, path: &str) -> (u16, String) {
        self.ask.send((method, path.to_owned())).unwrap();
        self.answers.recv().unwrap()
    }
}

/// What `CapEff` or another line of /proc/PID/status says.
fn capability_set(sluice: &Sluice, line: &str) -> CapabilitySet {
    let status = fs::read_to_string(format!("/proc/{}/status", sluice.pid())).unwrap();
    let set = status.lines().find_map(|l| l.strip_prefix(line)).unwrap();
    CapabilitySet::from_bits_retain(u64::from_str_radix(set.trim(), 16).unwrap())
}

/// A message there and back; the line about it.
fn exchange(sluice: &mut Sluice, address: &str) -> Value {
    let mut stream = connect(address);
    for _ in 0..4 {
        stream.write_all(b"message").unwrap();
        stream.read_exact(&mut [0; 7]).unwrap();
    }
    drop(stream);
    sluice.closed()
}

/// What the manifest grants, of which loading is over and done with; and nothing that can be written to.
fn is_confined(sluice: &Sluice, context: &Value) {
    let granted = capabilities(context);
    assert_eq!(capability_set(sluice, "CapBnd:"), granted);
    for line in ["CapPrm:", "CapEff:"] {
        assert_eq!(capability_set(sluice, line), granted.difference(CapabilitySet::BPF), "{line}");
    }
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", sluice.pid())).unwrap();
    for place in ["/", "/etc/sluice", "/sys"] {
        let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = fields.rfind(|fields| fields[4] == place).unwrap_or_else(|| panic!("{place}: {mounts}"));
        assert!(mount[5].starts_with("ro,"), "{place}: {mount:?}");
    }
}

#[test]
fn the_sidecar_relays_in_the_kernel_and_reloads() {
    if !ready("the_sidecar_relays_in_the_kernel_and_reloads") {
        return;
    }
    let documents = documents("sidecar");
    let node = Node::beside();
    Backend::echo("127.0.0.1:16379");
    let mut image = Image::assemble("sidecar", HOSTS);
    let mut sluice = image.start(&documents, &[AT_ONCE]);
    sluice.expect_log("serving");
    let context = &container(pod(&documents))["securityContext"];
    is_confined(&sluice, context);

    // As kubelet and Prometheus ask, and as nobody may order.
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let path = container(pod(&documents))[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(node.call("GET", path).0, 200, "{probe}");
    }
    let (status, why) = node.call("POST", "/drain");
    assert_eq!((status, why.trim()), (403, "changes are taken from this host only"));
    assert_eq!(node.call("GET", "/readyz").0, 200);

    for (address, mapping) in
        [("10.9.0.1:6379", "TCPMapping default/inbound"), ("127.0.0.1:5432", "TCPMapping default/outbound")]
    {
        let record = exchange(&mut sluice, address);
        assert_eq!((&record["relay"], &record["mapping"]), (&"kernel".into(), &mapping.into()), "{record}");
    }

    // `kubectl apply` with another port, some time later.
    let mappings = of_kind(&documents, "ConfigMap")["data"]["mappings.yaml"].as_str().unwrap();
    image.project("mappings", &json!({"mappings.yaml": mappings.replace("port: 5432", "port: 5433")}));
    sluice.expect_log("reloaded");
    assert_eq!(exchange(&mut sluice, "127.0.0.1:5433")["relay"], "kernel");

    // From within, through `kubectl port-forward` for one, everything may be changed.
    assert_eq!(Admin("127.0.0.1:9915").call("POST", "/log?filter=info").0, 200);
    sluice.signal(Signal::TERM);
    assert!(sluice.wait().success());
}

/// A certificate that cert-manager renewed, by another authority: who trusts that one alone is content soon.
#[test]
fn a_renewed_secret_is_taken_up() {
    if !ready("a_renewed_secret_is_taken_up") {
        return;
    }
    let documents = documents("overlays/tls");
    Backend::echo("127.0.0.1:16379");
    let mut image = Image::assemble("tls", HOSTS);
    let [first, second] = [Ca::new(), Ca::new()];
    let secret = |ca: &Ca| {
        let leaf = ca.leaf(&["shop.example.com"]);
        json!({"tls.crt": leaf.chain, "tls.key": leaf.key})
    };
    let shakes_hands = |ca: &Ca| {
        let config = Arc::new(client_trusting(&ca.pem));
        hello("127.0.0.1:6379", "shop.example.com", &config)
            .is_ok_and(|mut client| echoed(&mut client, b"word") == b"word")
    };
    image.project("tls", &secret(&first));
    let mut sluice = image.start(&documents, &[]);
    sluice.expect_log("serving");
    assert_eq!([&first, &second].map(shakes_hands), [true, false]);
    image.project("tls", &secret(&second));
    sluice.expect_log("reloaded");
    assert_eq!([&first, &second].map(shakes_hands), [false, true]);
}

#[test]
fn the_daemonset_serves_the_nodes_port() {
    if !ready("the_daemonset_serves_the_nodes_port") {
        return;
    }
    let documents = documents("daemonset");
    let node = Node::beside();
    let mut image = Image::assemble("daemonset", HOSTS);
    let mut sluice = image.start(&documents, &[AT_ONCE]);
    sluice.expect_log("serving");
    is_confined(&sluice, &container(pod(&documents))["securityContext"]);
    // kubelet is on the node itself, and nobody else reaches the endpoint.
    assert_eq!(Admin("127.0.0.1:9915").call("GET", "/readyz").0, 200);
    assert_eq!(exchange(&mut sluice, "10.9.0.1:5432")["relay"], "kernel");
    drop(node);
}

#[test]
fn without_privileges_the_sidecar_relays_by_splice() {
    if !ready("without_privileges_the_sidecar_relays_by_splice") {
        return;
    }
    let documents = documents("overlays/unprivileged");
    let _node = Node::beside();
    let mut image = Image::assemble("unprivileged", HOSTS);
    let mut sluice = image.start(&documents, &[AT_ONCE]);
    let told = sluice.expect_log("relaying in userspace");
    assert!(told.contains("this process lacks CAP_BPF and CAP_NET_ADMIN"), "{told}");
    sluice.expect_log("serving");
    is_confined(&sluice, &container(pod(&documents))["securityContext"]);
    assert_eq!(exchange(&mut sluice, "127.0.0.1:5432")["relay"], "splice");
}
