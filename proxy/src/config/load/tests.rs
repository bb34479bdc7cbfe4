//! From files to listeners.

use std::path::Path;

use super::*;
use crate::config::diagnostic::Severity;
use crate::config::scratch::Scratch;

fn loader(paths: Vec<PathBuf>) -> Loader {
    Loader::new(&Settings { paths, ..Settings::default() })
}

fn mapping(name: &str, port: u32) -> String {
    format!(
        "apiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {{name: {name}}}\nspec: {{port: {port}, service: 'svc:1'}}\n"
    )
}

fn ports(loaded: &Loaded) -> Vec<u16> {
    loaded.config.listeners.iter().map(|listener| listener.bind.port()).collect()
}

#[test]
fn every_example_is_free_of_errors() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        let loaded = loader(vec![path.clone()]).load();
        let bad: Vec<_> = loaded.diagnostics.iter().filter(|found| found.severity > Severity::Info).collect();
        assert!(bad.is_empty(), "{bad:?}");
        assert!(!loaded.config.listeners.is_empty(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 6);
}

#[test]
fn the_quickstart_is_what_the_run_command_expects() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/quickstart.yaml");
    let loaded = loader(vec![path]).load();
    let mapping = &loaded.config.listeners[0].routes[0].mappings[0];
    assert_eq!(loaded.config.listeners[0].bind.to_string(), "0.0.0.0:7000");
    assert_eq!(mapping.name.to_string(), "TCPMapping default/echo");
    assert_eq!(mapping.service.to_string(), "127.0.0.1:7001");
    assert_eq!(&*mapping.stats_name, "TCPMapping default/echo");
}

#[test]
fn one_broken_file_never_affects_another() {
    let scratch = Scratch::new();
    scratch.write("a.yaml", &mapping("a", 1001));
    scratch.write("b.yaml", &format!("{}---\n{}", mapping("b", 1002), mapping("c", 70000)));
    let mut loader = loader(vec![scratch.path("")]);
    let loaded = loader.load();
    assert_eq!((ports(&loaded), loaded.files.len(), loaded.resources), (vec![1001, 1002], 2, 3));
    let lines: Vec<_> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    let expected = "b.yaml#2: TCPMapping default/c: spec.port: 70000 is not an integer from 1 to 65535; \
                    the mapping is discarded";
    assert_eq!(lines, [format!("{}", scratch.path(expected).display())]);

    scratch.write("a.yaml", "apiVersion: [");
    scratch.write("b.yaml", &mapping("b", 1003));
    assert_eq!(ports(&loader.load()), [1001, 1003]);
    scratch.write("a.yaml", &mapping("a", 1004));
    assert_eq!(ports(&loader.load()), [1003, 1004]);
}

#[test]
fn findings_come_by_file_and_document() {
    let scratch = Scratch::new();
    let unknown = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n";
    scratch.write("b.yaml", &format!("{unknown}---\n{}", mapping("b", 0)));
    scratch.write("a.yaml", &format!("{}---\nx: [\n", mapping("a", 0)));
    let loaded = loader(vec![scratch.path("b.yaml"), scratch.path("a.yaml")]).load();
    let places: Vec<_> = loaded
        .diagnostics
        .iter()
        .map(|found| (found.file.file_name().unwrap().to_str().unwrap(), found.document))
        .collect();
    assert_eq!(places, [("a.yaml", 1), ("a.yaml", 2), ("b.yaml", 1), ("b.yaml", 2)]);
}

#[test]
fn duplicates_across_files_name_both_places() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.write("a.yaml", &mapping("m", 1)), scratch.write("b.yaml", &mapping("m", 2)));
    let loaded = loader(vec![scratch.path("")]).load();
    assert_eq!(ports(&loaded), [2]);
    let line = loaded.diagnostics[0].to_string();
    assert!(line.starts_with(&format!("{}#1: ", a.display())), "{line}");
    assert!(line.contains(&format!("{}#1", b.display())), "{line}");
}
