//! What `kubectl apply -k` would send, held against Kubernetes' own schema.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::program::{run, tools};

/// Of every document on standard input: what the releases in the arguments say against it. Then all of them as JSON.
const VALIDATE: &str = "
import json, sys, yaml
from kubernetes_validate import utils
documents = [d for d in yaml.safe_load_all(sys.stdin) if d]
for d in documents:
    for release in sys.argv[1:]:
        try:
            utils.validate(d, release, strict=True)
        except (utils.ValidationError, utils.SchemaNotFoundError) as e:
            print(release, d['kind'], '.'.join(map(str, getattr(e, 'path', []))), e.message)
            sys.exit(1)
print(json.dumps(documents))
";

/// Releases that a manifest has to fit: the first with `preStop.sleep` by default, and the newest there is.
const RELEASES: [&str; 2] = ["1.30", "1.37"];

/// config/deploy
pub(crate) fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/deploy")
}

/// The documents of a kustomization below config/deploy/kubernetes, as YAML.
///
/// # Panics
/// When kubectl has something against it.
pub(crate) fn build(kustomization: &str) -> String {
    let folder = deploy().join("kubernetes").join(kustomization);
    let output = Command::new(tools().join("kubectl/bin/kubectl")).arg("kustomize").arg(folder).output();
    let output = output.unwrap_or_else(|e| panic!("kubectl: {e}; `cargo xtask setup` installs it"));
    assert!(output.status.success(), "{kustomization}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Documents that fit the schema.
///
/// # Errors
/// What the first that does not has wrong.
pub(crate) fn validate(yaml: &str) -> Result<Vec<Value>, String> {
    read(yaml, &RELEASES)
}

fn read(yaml: &str, releases: &[&str]) -> Result<Vec<Value>, String> {
    let modules = format!("PYTHONPATH={}", tools().join("kubernetes-validate").display());
    let words = [&[&modules, "python3", "-c", VALIDATE], releases].concat();
    let said = run("env", &words, yaml.as_bytes());
    serde_json::from_str(&said).map_err(|_no_json| said)
}

/// The documents of a kustomization, whether they fit the schema or not, which takes seconds.
///
/// # Panics
/// When they cannot be read.
pub(crate) fn documents(kustomization: &str) -> Vec<Value> {
    read(&build(kustomization), &[]).unwrap_or_else(|why| panic!("{kustomization}: {why}"))
}

/// The only one of this kind.
///
/// # Panics
/// When there is none.
pub(crate) fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|d| d["kind"] == kind).unwrap_or_else(|| panic!("there is no {kind}"))
}

/// What describes the Pods: a Pod's own `spec`, or that of a template.
pub(crate) fn pod(documents: &[Value]) -> &Value {
    match documents.iter().find(|d| d["kind"] == "DaemonSet") {
        Some(set) => &set["spec"]["template"]["spec"],
        None => &of_kind(documents, "Pod")["spec"],
    }
}

/// sluice's container in a Pod.
///
/// # Panics
/// When there is none.
pub(crate) fn container(pod: &Value) -> &Value {
    let lists = ["initContainers", "containers"].into_iter().filter_map(|list| pod[list].as_array());
    lists.flatten().find(|container| container["name"] == "sluice").expect("a container called sluice")
}

/// A variable of a container.
///
/// # Panics
/// When it has no value of its own.
pub(crate) fn variable<'a>(container: &'a Value, name: &str) -> &'a str {
    let variables = container["env"].as_array().unwrap();
    let found = variables.iter().find(|v| v["name"] == name).and_then(|v| v["value"].as_str());
    found.unwrap_or_else(|| panic!("no value for {name}"))
}
