//! config/deploy: what goes into a cluster fits its schema, sluice's own reading, and itself.

use std::fs;

use serde_json::{Value, json};

use crate::command::{file, sluice};
use crate::harness::manifests::{build, container, deploy, documents, of_kind, pod, validate, variable};
use crate::harness::program;
use crate::harness::tls::Ca;

/// Every kustomization, by its folder.
const ALL: [&str; 5] = ["sidecar", "daemonset", "overlays/tls", "overlays/unprivileged", "overlays/large"];

/// What sinks may still take after the drain, in seconds.
const LAST_LINES: u64 = 5;

const MIB: u64 = 1 << 20;

#[test]
fn no_kustomization_is_left_out() {
    let folder = deploy().join("kubernetes");
    let folders = |of: &str| fs::read_dir(folder.join(of)).unwrap().flatten().map(|e| e.path());
    let here = folders("").chain(folders("overlays"));
    let count = here.filter(|path| path.join("kustomization.yaml").is_file()).count();
    assert_eq!(count, ALL.len());
}

#[test]
fn every_manifest_fits_the_schema() {
    for kustomization in ALL {
        let valid = validate(&build(kustomization)).unwrap_or_else(|why| panic!("{kustomization}: {why}"));
        assert!(valid.len() >= 3, "{kustomization}");
    }
}

/// The proof that the test above could fail.
#[test]
fn what_does_not_fit_the_schema_is_told() {
    for (right, wrong, told) in [
        ("hostNetwork: true", "hostNetwrok: true", "hostNetwrok"),
        ("containerPort: 6379", "containerPort: redis", "containerPort"),
        ("defaultMode: 256", "defaultMode: r--------", "defaultMode"),
    ] {
        let yaml = ALL.map(build).join("---\n");
        assert!(yaml.contains(right), "{right}");
        let why = validate(&yaml.replacen(right, wrong, 1)).unwrap_err();
        assert!(why.contains(told), "{why}");
    }
}

#[test]
fn every_mapping_would_be_served() {
    let leaf = Ca::new().leaf(&["shop.example.com"]);
    let (chain, key) = (program::file("chain", &leaf.chain), program::file("key", &leaf.key));
    for kustomization in ALL {
        let documents = documents(kustomization);
        let mappings = of_kind(&documents, "ConfigMap")["data"]["mappings.yaml"].as_str().unwrap();
        let mappings =
            mappings.replace("/etc/sluice-tls/tls.crt", &chain).replace("/etc/sluice-tls/tls.key", &key);
        let checked = sluice(&["check", &file(&mappings)]);
        assert_eq!(checked.code, Some(0), "{kustomization}: {checked:?}");
        assert!(checked.stdout.ends_with("0 errors, 0 warnings\n"), "{kustomization}: {checked:?}");
    }
}

#[test]
fn no_container_may_do_more_than_it_has_to() {
    for kustomization in ALL {
        let documents = documents(kustomization);
        let pod = pod(&documents);
        let context = &container(pod)["securityContext"];
        let added = match kustomization {
            "overlays/unprivileged" => Value::Null,
            _ => json!(["BPF", "NET_ADMIN", "NET_BIND_SERVICE"]),
        };
        assert_eq!(context["capabilities"]["add"], added, "{kustomization}");
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{kustomization}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{kustomization}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{kustomization}");
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{kustomization}");
        assert!(context["privileged"].is_null(), "{kustomization}");
        let volumes = pod["volumes"].as_array().unwrap();
        assert!(volumes.iter().all(|volume| volume["hostPath"].is_null()), "{kustomization}");
    }
}

#[test]
fn a_drain_has_the_time_that_it_was_promised() {
    for kustomization in ALL {
        let documents = documents(kustomization);
        let pod = pod(&documents);
        let container = container(pod);
        let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
        let drain: u64 = variable(container, "SLUICE_DRAIN_TIME").strip_suffix('s').unwrap().parse().unwrap();
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace >= pause + drain + LAST_LINES, "{kustomization}: {grace}");
    }
}

/// Of each byte of budget three may lie in a send buffer, which the limit counts.
#[test]
fn memory_limits_hold_forced_send_buffers() {
    for kustomization in ALL {
        let documents = documents(kustomization);
        let container = container(pod(&documents));
        let limit = bytes(container["resources"]["limits"]["memory"].as_str().unwrap());
        let budget = bytes(variable(container, "SLUICE_BUDGET"));
        assert!(limit >= 3 * budget + 128 * MIB, "{kustomization}: {limit} for a budget of {budget}");
        assert!(limit <= 6 * budget, "{kustomization}: a limit of {limit} is never used");
    }
}

/// kubelet asks where sluice answers.
#[test]
fn probes_and_admin_meet() {
    for kustomization in ALL {
        let documents = documents(kustomization);
        let pod = pod(&documents);
        let container = container(pod);
        let (host, port) = variable(container, "SLUICE_ADMIN").rsplit_once(':').unwrap();
        for (probe, path) in
            [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")]
        {
            let get = &container[probe]["httpGet"];
            assert_eq!(get["path"], path, "{kustomization} {probe}");
            if pod["hostNetwork"] == true {
                assert_eq!((get["host"].as_str(), get["port"].to_string().as_str()), (Some(host), port));
            } else {
                // At the Pod's address: loopback is another host's for kubelet.
                assert_eq!((host, get["port"].as_str()), ("0.0.0.0", Some("admin")));
                let ports = container["ports"].as_array().unwrap();
                let admin = ports.iter().find(|p| p["name"] == "admin").unwrap();
                assert_eq!(admin["containerPort"].to_string(), port);
            }
        }
    }
}

/// systemd and Kubernetes grant the same.
#[test]
fn the_unit_grants_what_the_manifests_do() {
    let unit = fs::read_to_string(deploy().join("systemd/sluice.service")).unwrap();
    for key in ["AmbientCapabilities=", "CapabilityBoundingSet="] {
        let granted = unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        assert_eq!(granted, "CAP_BPF CAP_NET_ADMIN CAP_NET_BIND_SERVICE");
    }
    assert!(unit.contains("\nType=notify\n"));
    let value = |name: &str| {
        let key = format!("{name}=");
        unit.lines().find_map(|line| line.trim_start_matches("Environment=").strip_prefix(&key)).unwrap()
    };
    assert!(bytes(&format!("{}i", value("MemoryMax"))) >= 3 * bytes(value("SLUICE_BUDGET")) + 128 * MIB);
    let drain: u64 = value("SLUICE_DRAIN_TIME").strip_suffix('s').unwrap().parse().unwrap();
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() >= drain + LAST_LINES);
}

/// `64MiB`, `64Mi`, `1GiB`, `1Gi`
fn bytes(size: &str) -> u64 {
    let size = size.trim_end_matches('B');
    let (number, unit) = size.split_at(size.len() - 2);
    number.parse::<u64>().unwrap() * if unit == "Gi" { 1024 * MIB } else { MIB }
}
