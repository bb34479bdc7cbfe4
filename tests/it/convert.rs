//! `sluice convert`: the examples in other words, and back.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{file, sluice, sluice_with};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples")
}

/// What would be served, without what each dialect calls it.
fn table(text: &str) -> Value {
    let ended = sluice_with(&["check", "--format", "json", "-"], &[], text);
    assert_eq!(ended.code, Some(0), "{ended:?}\n{text}");
    let mut report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut served = report["served"].take();
    anonymise(&mut served);
    for route in served.as_array_mut().unwrap().iter_mut().flat_map(|l| l["routes"].as_array_mut().unwrap()) {
        // Shares have no order.
        route["mappings"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    }
    served
}

fn anonymise(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in ["name", "stats_name", "source"] {
                fields.remove(name);
            }
            // Addresses that are listed have no name that would matter.
            if fields.get("resolution").is_some_and(|resolution| resolution != "dns") {
                fields.remove("service");
            }
            fields.values_mut().for_each(anonymise);
        }
        Value::Array(items) => items.iter_mut().for_each(anonymise),
        _ => {}
    }
}

/// The document in the words of `to`, nothing of it lost.
fn converted(to: &str, text: &str) -> String {
    let ended = sluice_with(&["convert", "--to", to, "--keys", "-"], &[], text);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{text}");
    ended.stdout
}

#[test]
fn an_example_says_the_same_in_all_of_its_own_words() {
    let mut count = 0;
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(table(&text), table(&converted("ambassador", &text)), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 11);
}

#[test]
fn so_does_one_with_certificates() {
    let mesh = std::env::temp_dir().join(format!("sluice-convert-{}", std::process::id()));
    let made = Command::new("sh").arg(examples().join("tls/certificates.sh")).arg(&mesh).output().unwrap();
    let secrets = String::from_utf8(made.stdout).unwrap();
    for entry in std::fs::read_dir(examples().join("tls")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text =
                std::fs::read_to_string(&path).unwrap().replace("/etc/istio-certs", mesh.to_str().unwrap());
            let text = format!("{text}---\n{secrets}");
            assert_eq!(table(&text), table(&converted("ambassador", &text)), "{}", path.display());
        }
    }
    std::fs::remove_dir_all(mesh).unwrap();
}

#[test]
fn keys_are_written_only_where_they_are_asked_for() {
    let made = Command::new("sh").arg(examples().join("tls/certificates.sh")).output().unwrap();
    let secrets = file(&String::from_utf8(made.stdout).unwrap());
    let example = examples().join("tls/terminate.yaml");
    let ended = sluice(&["convert", "--to", "ambassador", example.to_str().unwrap(), &secrets]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("the private key is not written; give --keys"), "{ended:?}");
    assert!(!ended.stdout.contains("tls.key"), "{ended:?}");
}

#[test]
fn what_is_in_error_is_told_and_the_rest_converted() {
    let text = "apiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {name: a}\n\
                spec: {port: 1, service: db:5432}\n---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\n\
                metadata: {name: b}\nspec: {port: none, service: db:5432}\n";
    let ended = sluice_with(&["convert", "--to", "ambassador", "-"], &[], text);
    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert!(ended.stderr.starts_with("error: -#2: TCPMapping default/b: spec.port: "), "{ended:?}");
    assert!(ended.stdout.contains("service: db:5432") && !ended.stdout.contains("name: b"), "{ended:?}");
}
