//! Rules about single words: who may use a crate, `unsafe`, or a sleep; what nobody may leave behind.

use super::Finding;
use super::source::{Source, find_word, line_of};

const LONGEST: usize = 500;

/// A name, and where it may stand.
struct Rule {
    word: &'static str,
    /// Where the rule holds.
    within: &'static [&'static str],
    /// Except here.
    except: &'static [&'static str],
    why: &'static str,
}

const EVERYWHERE: &[&str] = &["proxy", "proxy-common", "proxy-ebpf", "tests", "xtask"];
const NOWHERE: &[&str] = &[];

const RULES: &[Rule] = &[
    Rule {
        word: "aya",
        within: &["proxy/src"],
        except: &["proxy/src/ebpf"],
        why: "only proxy/src/ebpf imports aya: the rest must build without it",
    },
    Rule {
        word: "aya_log",
        within: &["proxy/src"],
        except: &["proxy/src/ebpf"],
        why: "only proxy/src/ebpf imports aya: the rest must build without it",
    },
    Rule {
        word: "clap",
        within: &["proxy/src"],
        except: &["proxy/src/cli", "proxy/src/cli.rs"],
        why: "only cli imports clap: everything else takes proven Settings",
    },
    Rule {
        word: "serde_yaml",
        within: &["proxy/src"],
        except: &["proxy/src/config"],
        why: "only config reads YAML: everything else takes its model",
    },
    Rule {
        word: "dialect",
        within: &["proxy/src"],
        except: &["proxy/src/config"],
        why: "a dialect's types end where config lowers them into config::model",
    },
    Rule {
        word: "unsafe",
        within: EVERYWHERE,
        except: &[
            "proxy/src/ebpf",
            "proxy/src/relay",
            "proxy-common",
            "proxy-ebpf",
            "proxy/build.rs",
            "tests/harness",
        ],
        why: "unsafe belongs in ebpf, relay, proxy-common and proxy-ebpf (and the test harness), where it is reviewed as such",
    },
    Rule { word: "todo!", within: EVERYWHERE, except: NOWHERE, why: "finish it, or leave it out" },
    Rule { word: "unimplemented!", within: EVERYWHERE, except: NOWHERE, why: "finish it, or leave it out" },
    Rule { word: "dbg!", within: EVERYWHERE, except: NOWHERE, why: "left over from debugging" },
];

/// Every breach of a word rule in one file.
pub(super) fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |line, message: String| findings.push(Finding { file: file.path.clone(), line, message });
    for rule in RULES.iter().filter(|rule| file.is_in(rule.within) && !file.is_in(rule.except)) {
        for at in find_word(&file.code, rule.word) {
            found(line_of(&file.code, at), format!("`{}`: {}", rule.word, rule.why));
        }
    }
    // Split, so that this file may name them.
    for note in [concat!("TO", "DO"), concat!("FIX", "ME")] {
        for at in find_word(&file.text, note) {
            found(line_of(&file.text, at), format!("{note}: finish it, or open an issue"));
        }
    }
    if file.is_in(&["tests"]) {
        for at in find_word(&file.code, "sleep").filter(|&at| file.code[at..].starts_with("sleep(")) {
            let line = line_of(&file.code, at);
            if !excused(&file.text, line) {
                found(
                    line,
                    "`sleep`: wait for the event itself; where time is the point, say so on the line: // tidy: why".to_owned(),
                );
            }
        }
    }
    let length = file.text.lines().count();
    if file.path.ends_with(".rs") && length > LONGEST {
        found(0, format!("{length} lines, {LONGEST} at most: a file has one job"));
    }
    findings
}

/// Whether a line, or the comment right above it, gives a reason.
fn excused(text: &str, line: usize) -> bool {
    let reason = |line: &str| line.split_once("// tidy: ").is_some_and(|(_, why)| !why.trim().is_empty());
    let above = line.checked_sub(2).and_then(|n| text.lines().nth(n));
    text.lines().nth(line - 1).is_some_and(reason)
        || above.is_some_and(|l| l.trim_start().starts_with("//") && reason(l))
}
