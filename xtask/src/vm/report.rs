//! What the kernel did, capability by capability.

use std::fmt;

use super::plan::{Outcome, Test};

/// What became of every test.
#[derive(Debug)]
pub(super) struct Report<'a> {
    /// `uname -r`, and Debian's version.
    pub(super) kernel: String,
    pub(super) results: Vec<(&'a Test, Outcome)>,
}

impl Report<'_> {
    /// How many tests ended so.
    pub(super) fn count(&self, outcome: Outcome) -> usize {
        self.results.iter().filter(|(_, o)| *o == outcome).count()
    }

    /// Capabilities in the order of their tests, each with what its tests came to.
    fn lines(&self) -> Vec<(&str, Vec<Outcome>)> {
        let mut lines: Vec<(&str, Vec<Outcome>)> = Vec::new();
        for (test, outcome) in &self.results {
            match lines.iter_mut().find(|(name, _)| *name == test.capability) {
                Some((_, outcomes)) => outcomes.push(*outcome),
                None => lines.push((test.capability, vec![*outcome])),
            }
        }
        lines
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:40}{:10}tests", format!("Linux {}", self.kernel), "result")?;
        for (name, outcomes) in self.lines() {
            let count = |of: Outcome| outcomes.iter().filter(|o| **o == of).count();
            // The worst of them.
            let result = [Outcome::Fail, Outcome::Fallback].into_iter().find(|o| count(*o) > 0);
            let counts: Vec<_> = Outcome::ALL
                .into_iter()
                .filter(|outcome| count(*outcome) > 0)
                .map(|outcome| format!("{} {}", count(outcome), outcome.word()))
                .collect();
            writeln!(f, "{name:40}{:10}{}", result.unwrap_or(Outcome::Pass).word(), counts.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Outcome, Test};
    use super::Report;

    #[test]
    fn a_capability_is_what_the_worst_of_its_tests_is() {
        let test = |capability, name: &str| Test {
            capability,
            program: "kernel".into(),
            name: name.to_owned(),
            relay: true,
            alone: false,
        };
        let tests = [test("half-close", "a"), test("half-close", "b"), test("reload", "c"), test("TLS", "d")];
        let outcomes = [Outcome::Pass, Outcome::Fail, Outcome::Fallback, Outcome::Pass];
        let report = Report { kernel: "6.1".to_owned(), results: tests.iter().zip(outcomes).collect() };
        let said = report.to_string();
        let line = |of: &str| {
            let line = said.lines().find(|line| line.starts_with(of)).unwrap_or_default();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("half-close"), "half-close fail 1 pass, 1 fail");
        assert_eq!(line("reload"), "reload fallback 1 fallback");
        assert_eq!(line("TLS"), "TLS pass 1 pass");
    }
}
