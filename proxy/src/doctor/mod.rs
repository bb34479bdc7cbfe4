//! `sluice doctor`: what this kernel and these privileges allow, each probed by doing it.

mod finding;
mod kernel;
mod limits;
mod privileges;
mod relay;
mod report;
mod sockets;
#[cfg(test)]
mod tests;

use std::io;
use std::process::ExitCode;

use crate::cli::Format;
use crate::config::settings::Settings;
use report::Report;

/// Connections would be relayed in userspace.
const EXIT_DEGRADED: u8 = 1;

/// Probes everything and writes what it found to standard output.
pub async fn run(settings: &Settings, format: Format) -> ExitCode {
    let report = probe(settings).await;
    // A reader that closed early (`| head`) has read what it wanted.
    let _ = report.write(format, &mut io::stdout().lock());
    if report.kernel_relay { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DEGRADED) }
}

async fn probe(settings: &Settings) -> Report {
    let mut findings = kernel::probe();
    findings.extend(privileges::probe());
    let relay = relay::probe(settings).await;
    let kernel_relay = relay.works;
    findings.extend(relay.findings);
    findings.extend(sockets::probe(settings));
    findings.extend(limits::probe(settings));
    Report { kernel_relay, findings }
}
