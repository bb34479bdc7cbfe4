//! config/sluice.yaml tells the truth.

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::super::{Cli, Layer, Overrides, Source, merge};
use crate::config::settings::Settings;
use crate::config::settings_file;

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/sluice.yaml")
}

/// Keys and values as they stand there, commented out.
fn entries() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(path()).unwrap();
    let entry = |line: &str| {
        let (key, value) = line.strip_prefix("# ")?.split_once(": ")?;
        let is_key = key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        is_key.then(|| (key.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(entry).collect()
}

#[test]
fn it_names_exactly_the_settings_there_are() {
    let mut named: Vec<_> = entries().into_iter().map(|(key, _)| key).collect();
    let mut known = Overrides::keys();
    named.sort();
    known.sort();
    assert_eq!(named, known);
}

#[test]
fn it_can_be_used_as_it_is() {
    let says: Overrides = settings_file::read(&path(), &Overrides::keys()).unwrap();
    assert_eq!(says, Overrides::default());
}

#[test]
fn its_values_are_the_defaults() {
    let text: String = entries().iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    let file = std::env::temp_dir().join(format!("sluice-reference-{}.yaml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let says: Result<Overrides, _> = settings_file::read(&file, &Overrides::keys());
    std::fs::remove_file(&file).unwrap();
    let layer = Layer { source: Source::File(file), says: says.unwrap() };
    assert_eq!(merge(&[layer]).unwrap(), Settings::default());
}

#[test]
fn help_tells_the_same_defaults_and_the_file_every_name() {
    let text = std::fs::read_to_string(path()).unwrap();
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    for (key, value) in entries() {
        let arg = run.get_arguments().find(|arg| arg.get_long() == Some(&key)).unwrap();
        let help = arg.get_help().unwrap().to_string();
        assert!(help.ends_with(&format!("[default: {value}]")), "{key}: {value} in the file, help: {help}");
        let variable = arg.get_env().unwrap().to_str().unwrap();
        let names = format!("# Flag --{key}, variable {variable}");
        assert!(text.contains(&names), "no line {names:?}");
        for prefix in ["AMBASSADOR_", "KONG_"] {
            if let Some((_, rest)) = help.split_once(&format!("({prefix}")) {
                let name = format!("{prefix}{}", rest.split(')').next().unwrap());
                assert!(text.contains(&name), "{name} is not named");
            }
        }
    }
}

#[test]
fn settings_are_shown_as_a_file_would_have_them() {
    let flags = "--admin=none --workers=3 --confine=false --drain-time=1500ms --log-filter=warn,sluice=debug --log-format=json \
                 --log-kernel=true --access-log=close,open --access-log-interval=90s --max-connections=7 \
                 --max-connections-per-listener=5 --max-file-size=1MiB --kernel-relay=false \
                 --window-start=128KiB --window-max=1MiB --budget=1GiB --connect-timeout=250ms \
                 --idle-timeout=7d --half-closed-timeout=none --max-connection-age=36h --backlog=16 \
                 --user-timeout=30s --keepalive-time=none --keepalive-interval=61s --keepalive-probes=2 \
                 --ambassador-id=a --ambassador-namespace=b --single-namespace=true --label-selector=c=d \
                 --bind-address=::1 --upstream-tls-verify=system --client-hello-timeout=1s --handshake-timeout=2s \
                 --max-handshakes=3 --certificate-map=arn:a=b;arn:c=d/e;arn:f=/g,/h --certs-single-namespace=false --force-secret-validation=true";
    let said = super::flags(&flags.split_whitespace().collect::<Vec<_>>()).unwrap();
    let layer = Layer { source: Source::Flag, says: said };
    for settings in [Settings::default(), merge(&[layer]).unwrap()] {
        let shown = settings_file::show(&settings);
        let mut named: Vec<_> = shown.keys().cloned().collect();
        let mut known = Overrides::keys();
        named.sort();
        known.sort();
        assert_eq!(named, known);
        let says = super::file(&serde_json::Value::Object(shown).to_string());
        assert_eq!(merge(&[Layer { source: Source::Default, says }]).unwrap(), settings);
    }
}
