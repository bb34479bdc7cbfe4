//! All findings, as a table for people or JSON for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::finding::Finding;
use crate::cli::Format;

/// Everything that was found, in the shape of the JSON output.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether sluice would relay in the kernel.
    pub(super) kernel_relay: bool,
    pub(super) findings: Vec<Finding>,
}

impl Report {
    pub(super) fn write(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Text => self.write_table(out),
            Format::Json => {
                serde_json::to_writer(&mut *out, self)?;
                writeln!(out)
            }
        }
    }

    fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        let width = self.findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
        for Finding { state, what, detail, remedy } in &self.findings {
            write!(out, "{:<8}  {what:<width$}  {detail}", state.as_str())?;
            if !remedy.is_empty() {
                write!(out, "  → {remedy}")?;
            }
            writeln!(out)?;
        }
        let verdict = if self.kernel_relay {
            "sluice relays in the kernel here"
        } else {
            "sluice would relay in userspace here: everything works, slower"
        };
        writeln!(out, "\n{verdict}")
    }
}
