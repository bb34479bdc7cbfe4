mod ambassador;
mod help;
mod kong;
mod precedence;
mod reference;
mod values;

use clap::Parser;

use super::{Cli, Overrides};

/// What a command line says; the tests' own environment has no `SLUICE_` variable.
fn flags(words: &[&str]) -> Result<Overrides, String> {
    let line = ["sluice", "run", "mappings.yaml"].iter().chain(words);
    match Cli::try_parse_from(line).map_err(|e| e.to_string())?.command {
        super::Command::Run(run) => Ok(run.common.overrides),
        other => panic!("{other:?}"),
    }
}

/// What a settings file says.
fn file(text: &str) -> Overrides {
    serde_json::from_value(serde_json::from_str(text).unwrap()).unwrap()
}
