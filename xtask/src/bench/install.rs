//! The peers' packages. One that cannot be had is reported, and the bench does without it.

use std::path::Path;

use anyhow::Result;

use super::peers::ENVOY;
use crate::apt::Apt;
use crate::cmd;

/// A peer's packages, and the service they would start.
const PACKAGED: [(&[&str], &str); 2] =
    [(&["haproxy"], "haproxy"), (&["nginx-light", "libnginx-mod-stream"], "nginx")];

/// Installs what is missing.
pub(crate) fn run(apt: Option<&Apt>) -> Result<()> {
    if let Some(apt) = apt {
        apt.install(&["iproute2", "util-linux"], "the bench's network")?;
        for (packages, service) in PACKAGED {
            // Any build of nginx will do, so it is the program that counts.
            let packages = if cmd::installed(service) { &packages[1..] } else { packages };
            or_report(service, packaged(apt, packages, service));
        }
    }
    or_report("envoy", ENVOY.install(apt));
    Ok(())
}

fn or_report(peer: &str, result: Result<()>) {
    if let Err(error) = result {
        eprintln!("setup: the bench goes without {peer}: {error:#}");
    }
}

fn packaged(apt: &Apt, packages: &[&str], service: &str) -> Result<()> {
    let ours = !cmd::installed(service);
    apt.install(packages, "the bench")?;
    if !ours {
        // Its service, if any, is somebody's.
        return Ok(());
    }
    if Path::new("/run/systemd/system").is_dir() {
        return cmd::run(cmd::as_root("systemctl", &[])?.args(["disable", "--now", service]));
    }
    // Without systemd it may not have been started at all, and then there is nothing to stop.
    cmd::run(cmd::as_root("service", &[])?.args([service, "stop"])).or(Ok(()))
}
