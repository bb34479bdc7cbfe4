//! The committed corpus, replayed wherever tests run.

use std::fs;
use std::path::Path;

use super::TARGETS;

#[test]
#[allow(clippy::print_stdout, reason = "names the input that fails, and is shown only then")]
fn the_corpus_breaks_no_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    let mut folders: Vec<_> = fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, TARGETS.map(|(name, _)| name), "a folder for every target, and no other");
    for (name, target) in TARGETS {
        let seeds: Vec<_> =
            fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!seeds.is_empty(), "{name}");
        for seed in seeds {
            println!("{}", seed.display());
            target(&fs::read(seed).unwrap());
        }
    }
}

#[test]
fn no_private_key_is_committed() {
    fn keys(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                keys(&path, found);
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            let bodies = text.split("PRIVATE KEY-----\n").skip(1).step_by(2);
            let real = |body: &str| body.split("-----").next().is_some_and(|base64| base64.len() > 64);
            if bodies.into_iter().any(real) {
                found.push(path.display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    keys(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz"), &mut found);
    assert!(found.is_empty(), "longer than any that is made up: {found:?}");
}
