//! sluice itself, with either relay.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::Place;
use crate::cmd;

/// What the others do not do either: no endpoint, no line per connection.
const RUN: [&str; 5] = ["run", "--admin", "none", "--access-log", "none"];

/// The release build.
pub(in crate::bench) fn program() -> PathBuf {
    cmd::target_dir().join("release/sluice")
}

pub(super) fn command(name: &str, relay: &str, place: Place<'_>) -> Result<Command> {
    let file = place.folder.join(format!("{name}.yaml"));
    fs::write(&file, mapping(relay, place))?;
    let mut command = Command::new(program());
    command.args(RUN).arg(file);
    Ok(command)
}

fn mapping(relay: &str, place: Place<'_>) -> String {
    format!(
        "apiVersion: getambassador.io/v3alpha1\n\
         kind: TCPMapping\n\
         metadata: {{name: bench, annotations: {{sluice.dev/relay: {relay}}}}}\n\
         spec: {{address: {}, port: {}, service: \"{}\"}}\n",
        place.front.ip(),
        place.front.port(),
        place.back
    )
}
