//! `cargo xtask soak`: the test program `soak` for minutes or hours, as root, in a network of its own.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;

use crate::{cmd, setup, test};

/// How long, and from which seed.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// How long there is load; rests and judging come on top.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// What shapes and disturbances follow from; drawn and printed when not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Give every connection the shape of this one, and disturb nothing: to look at a failure more closely.
    #[arg(long)]
    only: Option<u64>,
    /// Soak what is shipped. Without it debug assertions and overflow checks are part of what is looked for.
    #[arg(long)]
    release: bool,
}

/// Sets up, builds and runs it; any fault is an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::run(setup::Scope::All)?;
    let seed = options.seed.unwrap_or_else(drawn);
    // No time limit, and its output as it comes: not a case for nextest.
    let mut soak = cmd::cargo(&["test", "--package", "proxy", "--test", "soak"]);
    if options.release {
        soak.arg("--release");
    }
    soak.args(["--", "--exact", "soak", "--nocapture"]);
    variables(&mut soak, options, seed);
    test::privileged(&mut soak)?;
    eprintln!("soak: {} minutes; again: cargo xtask soak --seed {seed}", options.minutes);
    cmd::run(&mut soak)
}

fn variables(soak: &mut Command, options: &Options, seed: u64) {
    soak.env("SLUICE_SOAK_MINUTES", options.minutes.to_string())
        .env("SLUICE_SOAK_SEED", seed.to_string())
        // What the run itself asks of sluice waits behind the load, on a link that may be narrow.
        .env("SLUICE_TEST_PATIENCE", "6");
    if let Some(only) = options.only {
        soak.env("SLUICE_SOAK_ONLY", only.to_string());
    }
}

/// Short enough to be typed again.
fn drawn() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() % 1_000_000) as u64
}
