//! Rules about where files are: a top level a newcomer can read, and no module that nothing compiles.

use std::collections::HashSet;

use super::Finding;
use super::source::{Source, find_word};

const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "config",
    "proxy",
    "proxy-common",
    "proxy-ebpf",
    "target",
    "tests",
    "xtask",
];

/// Entries of the repository's root that do not belong there.
pub(super) fn top_level(names: &[String]) -> Vec<Finding> {
    let stray = |name: &&String| {
        !TOP_LEVEL.contains(&name.as_str()) && !name.starts_with('.') && !name.starts_with("LICENSE")
    };
    let finding = |name: &String| Finding {
        file: name.clone(),
        line: 0,
        message: "does not belong at the top level: its entries are fixed, so that folder names alone guide"
            .to_owned(),
    };
    names.iter().filter(stray).map(finding).collect()
}

/// Rust files that no `mod`, `#[path]` or Cargo.toml names: they rot unseen.
pub(super) fn unreachable(files: &[Source]) -> Vec<Finding> {
    let named: HashSet<String> = files.iter().flat_map(names).collect();
    files
        .iter()
        .filter(|file| file.path.ends_with(".rs") && !is_root(&file.path) && !named.contains(&file.path))
        .map(|file| Finding {
            file: file.path.clone(),
            line: 0,
            message:
                "nothing compiles this file: declare it with `mod` (tests: in proxy/Cargo.toml), or delete it"
                    .to_owned(),
        })
        .collect()
}

/// What cargo finds by itself.
fn is_root(path: &str) -> bool {
    ["/src/main.rs", "/src/lib.rs", "/build.rs"].iter().any(|root| path.ends_with(root))
}

/// The files that one file brings into a build.
fn names(file: &Source) -> Vec<String> {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let quoted_paths = file.text.lines().filter_map(|line| line.split_once("path = \"")?.1.split('"').next());
    let mut named: Vec<String> = quoted_paths.map(|path| join(folder, path)).collect();
    // Modules of main.rs, lib.rs and mod.rs are siblings; any other file's are in a folder of its name.
    let inside = match name.strip_suffix(".rs") {
        Some("main" | "lib" | "mod") | None => folder.to_owned(),
        Some(stem) => format!("{folder}/{stem}"),
    };
    for at in find_word(&file.code, "mod") {
        let rest = file.code[at + "mod".len()..].trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if rest[end..].trim_start().starts_with(';') {
            named.push(format!("{inside}/{}.rs", &rest[..end]));
            named.push(format!("{inside}/{}/mod.rs", &rest[..end]));
        }
    }
    named
}

fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
