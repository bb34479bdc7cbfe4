//! Which room of proxy/src may use which: app → listener → conn → {classify, route, upstream, relay, tls}.

use super::Finding;
use super::source::{Source, find_word, line_of};

/// What every room may name: proven configuration, and measuring with its words.
const COMMON: &[&str] = &["config::model", "config::settings", "counter", "crypto", "telemetry"];

/// A room, and what it may use besides [`COMMON`] and itself. Rooms not listed (app, doctor) put others together.
const ROOMS: &[(&str, &[&str])] = &[
    ("admin", &["config", "conn", "drain", "upstream"]),
    ("classify", &[]),
    ("cli", &["config"]),
    ("config", &[]),
    ("conn", &["classify", "relay", "route", "tls", "upstream"]),
    ("drain", &["conn"]),
    ("ebpf", &[]),
    ("listener", &["conn", "drain", "relay::socket"]),
    ("relay", &["ebpf", "tls"]),
    ("route", &["tls", "upstream"]),
    ("sinks", &["tls"]),
    ("telemetry", &["config::diagnostic"]),
    ("tls", &[]),
    ("upstream", &[]),
];

/// Every use of a room by another that may not.
pub(super) fn check(file: &Source) -> Vec<Finding> {
    let Some(module) = file.path.strip_prefix("proxy/src/").and_then(|p| p.strip_suffix(".rs")) else {
        return Vec::new();
    };
    let module: Vec<&str> = module.split('/').filter(|part| *part != "mod").collect();
    let Some((room, allowed)) = ROOMS.iter().find(|(room, _)| *room == module[0]) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (at, path) in used(&file.code, module.len()) {
        let may =
            |prefix: &&str| path.strip_prefix(*prefix).is_some_and(|r| r.is_empty() || r.starts_with("::"));
        let is_room = path.split("::").next().is_some_and(|first| first == "app" || is_listed(first));
        if is_room && !may(room) && !COMMON.iter().any(may) && !allowed.iter().any(may) {
            findings.push(Finding {
                file: file.path.clone(),
                line: line_of(&file.code, at),
                message: format!(
                    "`{room}` uses `{path}`: it may use {} (xtask/src/tidy/rooms.rs has the table)",
                    [*allowed, COMMON].concat().join(", ")
                ),
            });
        }
    }
    findings
}

fn is_listed(name: &str) -> bool {
    ROOMS.iter().any(|(room, _)| *room == name)
}

/// Paths from the crate's root that the code names, with their offsets. `depth` is the file's own.
fn used(code: &str, depth: usize) -> Vec<(usize, String)> {
    let above = "super::".repeat(depth);
    let mut paths = Vec::new();
    for (word, prefix) in [("crate", "crate::"), ("super", above.as_str())] {
        for at in find_word(code, word) {
            // `pub(in crate::…)` restricts, it does not use; the last of several `super` begins nothing.
            if code[..at].trim_end().ends_with("(in") || code[..at].ends_with("super::") {
                continue;
            }
            if let Some(tree) = code[at..].strip_prefix(prefix) {
                let mut found = Vec::new();
                expand(tree, "", &mut found);
                paths.extend(found.into_iter().map(|path| (at, path)));
            }
        }
    }
    paths
}

/// Flattens a use tree: `{a::b, c::{d}}` into `a::b` and `c::d`. Returns what follows it.
fn expand<'a>(tree: &'a str, prefix: &str, paths: &mut Vec<String>) -> &'a str {
    let tree = tree.trim_start();
    if let Some(mut rest) = tree.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with('}') {
                return rest.strip_prefix('}').unwrap_or(rest);
            }
            rest = expand(rest, prefix, paths);
            // Past `as name` and the comma, to the next item.
            let next = rest.find([',', '}']).unwrap_or(rest.len());
            rest = rest[next..].strip_prefix(',').unwrap_or(&rest[next..]);
        }
    }
    let end = tree.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(tree.len());
    let (name, rest) = tree.split_at(end);
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    match rest.strip_prefix("::") {
        Some(rest) if !name.is_empty() => expand(rest, &path, paths),
        _ => {
            paths.push(path.trim_end_matches("::").to_owned());
            rest
        }
    }
}
