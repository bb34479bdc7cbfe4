//! The examples with TLS, and the certificates that are made for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{file, sluice_with};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/tls")
}

#[test]
fn every_example_works_with_the_certificates_made_for_it() {
    let mesh = std::env::temp_dir().join(format!("sluice-mesh-{}", std::process::id()));
    let made = Command::new("sh").arg(folder().join("certificates.sh")).arg(&mesh).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let secrets = String::from_utf8(made.stdout).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let example = file(&text.replace("/etc/istio-certs", mesh.to_str().unwrap()));
        let ended = sluice_with(&["check", &example, "-"], &[], &secrets);
        assert_eq!(ended.code, Some(0), "{}: {ended:?}", path.display());
        assert!(ended.stdout.ends_with("0 errors, 0 warnings\n"), "{}: {ended:?}", path.display());
        count += 1;
    }
    std::fs::remove_dir_all(mesh).unwrap();
    assert!(count >= 7);
}
