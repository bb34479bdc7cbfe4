//! sluice itself, with either relay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Place, Route};
use crate::bench::way::Way;
use crate::cmd;

/// What the others do not do either: no endpoint, no line per connection.
const RUN: [&str; 5] = ["run", "--admin", "none", "--access-log", "none"];

/// An hour, as with the others, and what a reload changes.
const IDLE: &str = "idle_timeout_ms: ";

/// The release build.
pub(in crate::bench) fn program() -> PathBuf {
    cmd::target_dir().join("release/sluice")
}

pub(super) fn command(name: &str, relay: &str, place: Place<'_>) -> Result<Command> {
    let file = file(name, place.folder);
    let documents: Vec<String> = match place.routes {
        [only] if only.way.inside().is_none() => vec![plain(relay, *only)],
        routes => routes.iter().map(|route| tls(*route, place.folder)).collect(),
    };
    fs::write(&file, documents.concat())?;
    let mut command = Command::new(program());
    command.args(RUN).arg(file);
    Ok(command)
}

fn file(name: &str, folder: &Path) -> PathBuf {
    folder.join(format!("{name}.yaml"))
}

/// Declares another idle timeout, hardly longer, in one step as an editor or Kubernetes would. sluice watches.
pub(super) fn change(name: &str, folder: &Path, turn: usize) -> Result<()> {
    let (file, new) = (file(name, folder), folder.join(format!("{name}.new")));
    let text = fs::read_to_string(&file)?;
    let (before, rest) = text.split_once(IDLE).context("a mapping without idle timeout")?;
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    fs::write(&new, format!("{before}{IDLE}{}{after}", 3_600_000 + turn))?;
    Ok(fs::rename(new, file)?)
}

fn plain(relay: &str, Route { front, back, .. }: Route) -> String {
    format!(
        "apiVersion: getambassador.io/v3alpha1\n\
         kind: TCPMapping\n\
         metadata: {{name: bench, annotations: {{sluice.dev/relay: {relay}}}}}\n\
         spec: {{address: {}, port: {}, service: \"{back}\", {IDLE}3600000}}\n",
        front.ip(),
        front.port(),
    )
}

/// A context goes by the name that clients ask for, so that each certificate has one of its own.
fn tls(Route { way, front, back }: Route, folder: &Path) -> String {
    let (name, ip, port) = (way.name(), front.ip(), front.port());
    let scheme = if way.outside().is_some() { "https://" } else { "" };
    let Some(key) = way.inside() else { return String::new() };
    let host = key.host();
    let context = match way {
        Way::Again => String::new(),
        _ => format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {{name: {name}}}\n\
             spec: {{hosts: [{host}], cert_chain_file: {}, private_key_file: {}, min_tls_version: v1.3, \
             ecdh_curves: [X25519]}}\n",
            key.certificate_file(folder).display(),
            key.key_file(folder).display()
        ),
    };
    format!(
        "{context}---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {{name: {name}}}\n\
         spec: {{address: {ip}, port: {port}, host: {host}, service: \"{scheme}{back}\"}}\n"
    )
}
