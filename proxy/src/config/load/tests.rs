//! From files to listeners.

use std::path::Path;

use super::*;
use crate::config::diagnostic::Severity;
use crate::config::material::fixtures;
use crate::config::model::Downstream;
use crate::config::scratch::Scratch;
use crate::config::source::is_configuration;

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

/// What certificates.sh makes for the examples: Secrets, and the files of a mesh.
fn certificates(scratch: &Scratch) -> (PathBuf, PathBuf) {
    let authority = fixtures::Authority::new("ca");
    let (server, client) = (authority.certify("orders.example.com"), authority.certify("client"));
    let secret = |name: &str, entries: &[(&str, &str)]| {
        let data: serde_json::Map<_, _> =
            entries.iter().map(|(key, pem)| ((*key).to_owned(), (*pem).into())).collect();
        let metadata = serde_json::json!({ "name": name });
        let document = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data
        });
        format!("---\n{document}\n")
    };
    let secrets = secret("ca", &[("ca.crt", &authority.pem)])
        + &secret("revoked", &[("crl.pem", &authority.revoke(7, 2100))])
        + &secret("server-cert", &[("tls.crt", &server.chain), ("tls.key", &server.key)])
        + &secret("client-cert", &[("tls.crt", &client.chain), ("tls.key", &client.key)]);
    for (name, pem) in [("cert-chain", &server.chain), ("key", &server.key), ("root-cert", &authority.pem)] {
        scratch.write(&format!("mesh/{name}.pem"), pem);
    }
    (scratch.write("certificates.yaml", &secrets), scratch.path("mesh"))
}

#[test]
fn every_example_is_free_of_errors() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples");
    let scratch = Scratch::new();
    let (secrets, mesh) = certificates(&scratch);
    let mut count = 0;
    for folder in [examples.clone(), examples.join("tls")] {
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        for path in paths.filter(|path| is_configuration(path)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.replace("/etc/istio-certs", mesh.to_str().unwrap());
            let loaded = loader(vec![scratch.write("example.yaml", &text), secrets.clone()]).load();
            let found = loaded.diagnostics.iter();
            let bad: Vec<_> = found.filter(|found| found.severity > Severity::Info).collect();
            assert!(bad.is_empty(), "{}: {bad:?}", path.display());
            let mappings = loaded.config.listeners.iter().flat_map(|listener| &listener.routes);
            let mappings: usize = mappings.map(|route| route.mappings.len()).sum();
            // Routes of the Gateway API have a mapping for each backend; those of the examples all have weights.
            let word = if text.contains("kind: Gateway\n") { "weight: " } else { "kind: TCPMapping" };
            assert_eq!(mappings, text.matches(word).count(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 15);
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

#[test]
fn certificates_in_files_are_read_with_every_load() {
    let scratch = Scratch::new();
    let [old, new] = ["old.example.com", "new.example.com"].map(fixtures::pair);
    let (chain, key) = (scratch.write("tls.crt", &old.chain), scratch.write("tls.key", &old.key));
    let context = format!(
        "apiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {{name: c}}\n\
         spec: {{hosts: [x], cert_chain_file: {}, private_key_file: {}}}\n---\n",
        chain.display(),
        key.display()
    );
    let mapping = mapping("m", 1001).replace("port:", "host: x, port:");
    let config = scratch.write("a.yaml", &(context.clone() + &mapping));
    let mut loader = loader(vec![config.clone()]);
    let served = |loaded: &Loaded| match &loaded.config.listeners[0].routes[0].downstream {
        Downstream::Terminate(termination) => termination.certificates[0].clone(),
        Downstream::Raw => panic!("{:?}", loaded.diagnostics),
    };
    let first = loader.load();
    assert_eq!(first.material, [chain.clone(), key.clone()]);
    assert_eq!(served(&first), served(&loader.load()));

    std::fs::write(&chain, &new.chain).unwrap();
    let half = loader.load();
    assert_eq!(served(&half), served(&first), "the pair that was good stays until both are there");
    let line = half.diagnostics[0].to_string();
    assert!(
        line.contains("do not belong together") && line.ends_with("; what was last good in it stays"),
        "{line}"
    );
    assert!(!half.diagnostics[0].discarded);

    std::fs::write(&key, &new.key).unwrap();
    let second = loader.load();
    assert_ne!(served(&second), served(&first));
    assert_eq!(second.diagnostics, []);

    std::fs::write(&config, mapping.replace("host: x, ", "")).unwrap();
    assert_eq!(loader.load().material, [""; 0].map(PathBuf::from));
}
