//! Each rule on a line that breaks it and on one that does not.

use super::source::Source;
use super::{layout, rooms, words};

fn messages(path: &str, text: &str) -> Vec<String> {
    let file = Source::new(path, text);
    words::check(&file).into_iter().chain(rooms::check(&file)).map(|f| f.to_string()).collect()
}

#[track_caller]
fn clean(path: &str, text: &str) {
    assert_eq!(messages(path, text), Vec::<String>::new(), "{path}: {text}");
}

#[track_caller]
fn breach(path: &str, text: &str, expected: &str) {
    let found = messages(path, text);
    assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
    assert!(found[0].contains(expected), "{found:?} lacks {expected:?}");
}

#[test]
fn crates_stay_in_their_room() {
    breach("proxy/src/relay/mod.rs", "\nuse aya::Ebpf;", "relay/mod.rs:2: `aya`");
    clean("proxy/src/ebpf/mod.rs", "use aya::Ebpf;");
    clean("proxy-ebpf/src/main.rs", "use aya_ebpf::programs::SkBuffContext;");
    breach("proxy/src/app.rs", "use clap::Parser;", "`clap`");
    clean("proxy/src/cli.rs", "use clap::Parser;");
    clean("xtask/src/main.rs", "use clap::Parser;");
    breach("proxy/src/route/mod.rs", "fn f(v: serde_yaml::Value) {}", "`serde_yaml`");
    breach("proxy/src/app.rs", "use crate::config::dialect::detect;", "`dialect`");
    clean("proxy/src/config/load.rs", "use crate::config::dialect::detect;");
}

#[test]
fn unsafe_stays_where_it_is_reviewed() {
    breach("proxy/src/listener.rs", "unsafe { close(fd) }", "`unsafe`");
    breach("tests/it/main.rs", "unsafe { close(fd) }", "`unsafe`");
    clean("proxy/src/relay/splice.rs", "unsafe { splice() }");
    clean("proxy/src/listener.rs", "#![forbid(unsafe_code)]");
}

#[test]
fn comments_and_literals_are_not_code() {
    clean(
        "proxy/src/app.rs",
        "// aya does it\n/* clap /* too */ clap */ let s = \"aya\"; let r = r#\"\"clap\"#;",
    );
    clean("proxy/src/app.rs", r#"let a = '"'; let b = "\"aya"; fn f<'a>(x: &'a str) {} "#);
    breach("proxy/src/app.rs", r#"let q = '"'; let x = aya::y; let z = '\''; "#, "`aya`");
    breach("proxy/src/app.rs", "let r = var; \"x\"; use aya::z;", "`aya`");
}

#[test]
fn nothing_unfinished_stays() {
    breach("proxy/src/app.rs", concat!("// TO", "DO: later"), "finish it");
    breach("config/sluice.yaml", concat!("# FIX", "ME"), "finish it");
    breach("proxy/src/app.rs", "fn f() { todo!() }", "`todo!`");
    breach("xtask/src/cmd.rs", "dbg!(x);", "`dbg!`");
    clean("proxy/src/app.rs", "let method = Method::Todo;");
}

#[test]
fn tests_wait_for_events() {
    breach("tests/it/relay.rs", "thread::sleep(SECOND);", "`sleep`");
    breach("tests/it/relay.rs", "tokio::time::sleep(SECOND).await; // tidy: ", "`sleep`");
    clean("tests/it/relay.rs", "tokio::time::sleep(SECOND).await; // tidy: the timeout is what is tested");
    clean("tests/it/relay.rs", "// tidy: polls, nothing announces it\nthread::sleep(TICK);");
    clean("proxy/src/listener.rs", "tokio::time::sleep(backoff).await;");
}

#[test]
fn files_stay_short() {
    clean("proxy/src/app.rs", &"\n".repeat(500));
    breach("proxy/src/app.rs", &"\n".repeat(501), "501 lines");
}

#[test]
fn rooms_use_what_is_below_them() {
    clean(
        "proxy/src/conn/serve.rs",
        "use crate::{classify, relay::{self, Terms}, route::RouteTable as Table};",
    );
    clean(
        "proxy/src/relay/mod.rs",
        "use crate::telemetry::{CloseReason, Transfer};\nuse crate::ebpf::Datapath;",
    );
    breach("proxy/src/relay/mod.rs", "use crate::conn::Ctx;", "`conn::Ctx`");
    breach("proxy/src/classify/sni.rs", "use crate::{\n    route::RouteTable,\n};", "`route::RouteTable`");
    breach("proxy/src/route/mod.rs", "fn f() { crate::relay::choose() }", "`relay::choose`");
    clean("proxy/src/route/mod.rs", "use crate::upstream::Upstream; use crate::config::model::Route;");
    breach("proxy/src/upstream/dial.rs", "use crate::config::load;", "`config::load`");
    breach("proxy/src/conn/serve.rs", "use crate::listener::Accepted;", "`listener::Accepted`");
    breach("proxy/src/conn/serve.rs", "use crate::app::App;", "`app::App`");
    clean("proxy/src/app.rs", "use crate::{listener::Listener, relay};");
}

#[test]
fn super_reaches_other_rooms_too() {
    breach("proxy/src/upstream/mod.rs", "use super::relay::Terms;", "`relay::Terms`");
    breach("proxy/src/upstream/dial.rs", "use super::super::relay;", "`relay`");
    clean("proxy/src/upstream/dial.rs", "use super::relay; use super::Endpoint;");
    clean("proxy/src/config/dialect/report.rs", "pub(in crate::config) fn f() {}");
}

#[test]
fn the_top_level_is_fixed() {
    let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert!(layout::top_level(&names(&["Cargo.toml", "LICENSE-MIT", ".ci", "proxy", "target"])).is_empty());
    assert_eq!(layout::top_level(&names(&["scripts"])).len(), 1);
}

#[test]
fn every_module_is_compiled() {
    let files = [
        Source::new("proxy/Cargo.toml", "[[test]]\nname = \"it\"\npath = \"../tests/it/main.rs\""),
        Source::new("tests/it/main.rs", "#[path = \"../harness/mod.rs\"]\nmod harness;\nmod relay;"),
        Source::new("tests/it/relay.rs", ""),
        Source::new("tests/it/forgotten.rs", ""),
        Source::new("tests/harness/mod.rs", "mod netns;"),
        Source::new("tests/harness/netns/mod.rs", ""),
        Source::new("proxy/src/lib.rs", ""),
    ];
    let found = layout::unreachable(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].file, "tests/it/forgotten.rs");
}
