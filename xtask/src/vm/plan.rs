//! What the guest is to do, as the host writes it and the guest reads it.

use std::path::PathBuf;

use serde_json::{Value, json};

/// A test of a test program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    /// What it shows.
    pub(super) capability: &'static str,
    pub(super) program: PathBuf,
    pub(super) name: String,
    /// Whether it is about the kernel relay, and pointless without.
    pub(super) relay: bool,
    /// Whether it measures what the whole machine does.
    pub(super) alone: bool,
}

/// All of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) sluice: PathBuf,
    /// Where tests run: their package's folder.
    pub(super) folder: PathBuf,
    pub(super) tests: Vec<Test>,
}

/// What became of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Pass,
    Fail,
    /// Not run: this kernel relays nothing, and sluice does it in userspace.
    Fallback,
}

impl Plan {
    /// For the guest.
    pub(super) fn write(&self) -> Value {
        let tests = self.tests.iter().map(|test| {
            json!({"program": test.program, "name": test.name, "relay": test.relay, "alone": test.alone})
        });
        json!({"sluice": self.sluice, "folder": self.folder, "tests": tests.collect::<Vec<_>>()})
    }

    /// What the host wrote; `None` when it is something else. The guest does not ask for what.
    pub(super) fn read(plan: &Value) -> Option<Self> {
        let path = |value: &Value| value.as_str().map(PathBuf::from);
        let test = |value: &Value| {
            Some(Test {
                capability: "",
                program: path(&value["program"])?,
                name: value["name"].as_str()?.to_owned(),
                relay: value["relay"].as_bool()?,
                alone: value["alone"].as_bool()?,
            })
        };
        Some(Self {
            sluice: path(&plan["sluice"])?,
            folder: path(&plan["folder"])?,
            tests: plan["tests"].as_array()?.iter().map(test).collect::<Option<_>>()?,
        })
    }
}

impl Outcome {
    /// Every one of them.
    pub(super) const ALL: [Self; 3] = [Self::Pass, Self::Fail, Self::Fallback];

    /// Its word between guest and host, and in the report.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Fallback => "fallback",
        }
    }

    /// The outcome of this word.
    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Test};

    #[test]
    fn the_guest_reads_what_the_host_writes() {
        let test = Test {
            capability: "",
            program: "/target/kernel".into(),
            name: "ends::kernel::nobody_listens".to_owned(),
            relay: true,
            alone: false,
        };
        let plan = Plan { sluice: "/target/sluice".into(), folder: "/proxy".into(), tests: vec![test] };
        assert_eq!(Plan::read(&plan.write()), Some(plan));
    }
}
