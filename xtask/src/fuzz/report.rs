//! What libFuzzer's log comes to.

use std::fmt;
use std::path::PathBuf;

/// A target's run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) executions: u64,
    /// How much of the code was reached.
    covered: Option<String>,
    /// The input that broke it.
    pub(super) finding: Option<PathBuf>,
}

impl Report {
    /// Reads a log to its end.
    pub(super) fn of(log: &str) -> Self {
        let mut report = Self::default();
        for line in log.lines() {
            if let Some(path) = line.split_once("Test unit written to ").map(|(_, path)| path.trim()) {
                report.finding = Some(path.into());
            } else if let Some(executed) = line.strip_prefix("stat::number_of_executed_units:") {
                report.executions = executed.trim().parse().unwrap_or(0);
            } else if let Some((_, covered)) = line.split_once(" cov: ") {
                let words: Vec<_> = covered.split_whitespace().collect();
                report.covered = words.first().map(|edges| format!("{edges} edges"));
            }
        }
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let covered = self.covered.as_deref().unwrap_or("no edges");
        write!(f, "{} executions, {covered}", self.executions)?;
        match &self.finding {
            Some(input) => write!(f, ", broken by {}", input.display()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn a_log_tells_how_much_was_done_and_what_was_found() {
        let log = "#2\tINITED cov: 17 ft: 18 corp: 1/1b exec/s: 0\n#9\tNEW    cov: 60 ft: 89 corp: 2/9b\n";
        let good = Report::of(&format!("{log}stat::number_of_executed_units: 1234\n"));
        assert_eq!(good.to_string(), "1234 executions, 60 edges");
        let bad =
            "artifact_prefix='/a/'; Test unit written to /a/crash-1\nstat::number_of_executed_units: 5\n";
        let bad = Report::of(&format!("{log}{bad}"));
        assert_eq!(bad.to_string(), "5 executions, 60 edges, broken by /a/crash-1");
    }
}
