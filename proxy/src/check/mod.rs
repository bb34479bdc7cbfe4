//! `sluice check`: everything that is wrong with a configuration, what would be served, and nothing started.

mod outline;
mod resolved;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use self::resolved::{Resolved, resolve};
use crate::admin;
use crate::app::EXIT_USAGE;
use crate::cli::Format;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::inventory::Inventory;
use crate::config::load::{Loaded, Loader};
use crate::config::model::{Config, ResourceStatus};
use crate::config::settings::Settings;

/// What was found, in the shape of the JSON output.
#[derive(Debug, Serialize)]
struct Report<'a> {
    diagnostics: &'a [Diagnostic],
    #[serde(skip)]
    config: &'a Config,
    /// What would be served, as `GET /config` shows it.
    served: Vec<Value>,
    /// What controllers would write beside the resources.
    status: &'a [ResourceStatus],
    /// Where connections would go, if somebody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<Vec<Resolved>>,
    /// What the documents were taken for.
    #[serde(flatten)]
    inventory: &'a Inventory,
    listeners: usize,
    mappings: usize,
    discarded: usize,
}

/// Loads the configured paths and writes all findings to standard output, with every mapping's endpoints where
/// they are asked for.
pub async fn run(settings: &Settings, format: Format, endpoints: bool) -> ExitCode {
    let loaded = Loader::new(settings).load();
    let mut report = Report::of(&loaded);
    if endpoints {
        report.resolved = Some(resolve(&loaded.config, settings).await);
    }
    // A reader that closed early (`| head`) has read what it wanted.
    let _ = report.write(format, &mut io::stdout().lock());
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) }
}

impl<'a> Report<'a> {
    fn of(loaded: &'a Loaded) -> Self {
        Self {
            diagnostics: &loaded.diagnostics,
            config: &loaded.config,
            served: admin::listeners(&loaded.config),
            status: &loaded.statuses,
            resolved: None,
            inventory: &loaded.inventory,
            listeners: loaded.config.listeners.len(),
            mappings: loaded.config.mappings().count(),
            discarded: loaded.diagnostics.iter().filter(|d| d.discarded).count(),
        }
    }

    /// Whether all that was asked for would be served as written.
    fn is_good(&self) -> bool {
        self.discarded == 0 && self.count(Severity::Error) == 0
    }

    fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == severity).count()
    }

    fn write(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Text => self.write_text(out),
            Format::Json => {
                serde_json::to_writer(&mut *out, self)?;
                writeln!(out)
            }
        }
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for diagnostic in self.diagnostics {
            let severity = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
            };
            // One line each, whatever a name or a value has in it.
            writeln!(out, "{severity}: {}", diagnostic.to_string().replace(['\n', '\r'], " "))?;
        }
        outline::write(self.config, out)?;
        for resolved in self.resolved.iter().flatten() {
            writeln!(out, "{resolved}")?;
        }
        write!(out, "{}", self.inventory)?;
        writeln!(
            out,
            "{}, {}, {}, {}",
            counted(self.listeners, "listener"),
            counted(self.mappings, "mapping"),
            counted(self.count(Severity::Error), "error"),
            counted(self.count(Severity::Warning), "warning"),
        )
    }
}

fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
