//! `cargo xtask bench`: sluice and other proxies on the same machine, in the same minutes, under
//! the same loads.

mod backend;
mod bulk;
mod case;
mod connect;
mod cpu;
mod exchange;
mod field;
mod install;
mod json;
mod load;
mod machine;
mod message;
mod namespace;
mod pattern;
mod peers;
mod report;
#[cfg(test)]
mod report_tests;
mod rounds;
mod service;
mod stats;
mod suite;
mod summary;
mod tls;
mod way;
mod wire;

use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};

use crate::{cmd, setup};
use case::Case;
use field::Field;
use machine::Machine;
use peers::Peer;
use report::Report;
use rounds::Plan;
use suite::{Suite, folder};

pub(crate) use install::run as install;

/// How much to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What is measured.
    #[arg(default_value = "cleartext")]
    suite: Suite,
    /// Three rounds of half a second: whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// Rounds in which every peer meets every case once [default: 7].
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds per sample [default: 3].
    #[arg(long)]
    seconds: Option<f64>,
    /// Only these cases.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Case>,
    /// Only these peers.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Of the order in which peers take turns.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The bench's own processes.
#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// As root, in a network of its own: take samples and report.
    Inside(Options),
    /// What stands behind every peer.
    Backend(backend::Addresses),
    /// One sample's load.
    Load {
        /// What to do.
        case: Case,
        /// To whom.
        address: SocketAddr,
        /// For how long.
        millis: u64,
    },
}

/// Sets up, builds, and measures in a network of its own.
pub(crate) fn run(options: &Options) -> Result<()> {
    // A word of the command line that fits nothing shows now, and not after everything is built.
    options.plan()?;
    options.peers()?;
    setup::run(setup::Scope::Bench)?;
    // The load generator too: unoptimised it would be what is measured.
    for (package, binary) in [("proxy", "sluice"), ("xtask", "xtask")] {
        cmd::run(&mut cmd::cargo(&["build", "--release", "--package", package, "--bin", binary]))?;
    }
    // Made here, so that they are the user's, and not root's.
    fs::create_dir_all(folder()).with_context(|| folder().display().to_string())?;
    OpenOptions::new().create(true).append(true).open(options.suite.latest())?;
    cmd::run(&mut namespace::enter(&cmd::target_dir().join("release/xtask"))?)
}

/// One of the bench's own processes.
pub(crate) fn part(part: &Part) -> Result<()> {
    match part {
        Part::Inside(options) => inside(options),
        Part::Backend(addresses) => backend::run(addresses),
        Part::Load { case, address, millis } => load::run(*case, *address, Duration::from_millis(*millis)),
    }
}

fn inside(options: &Options) -> Result<()> {
    namespace::prepare()?;
    let machine = Machine::here();
    let (plan, peers) = (options.plan()?, options.peers()?);
    if options.suite == Suite::Tls {
        tls::make_keys(&folder())?;
    }
    let mut field = Field::start(options.suite, &peers, &folder(), machine.cores)?;
    let results = rounds::run(&plan, &mut field);
    let peers: Vec<_> = field.peers.iter().map(|running| (running.peer, running.version.clone())).collect();
    let report =
        Report { machine: &machine, plan: &plan, peers: &peers, absent: &field.absent, results: &results };
    println!("{}", report.markdown());
    let path = options.suite.latest();
    fs::write(&path, format!("{:#}\n", report.json())).with_context(|| path.display().to_string())?;
    eprintln!("bench: every sample is in {}", path.display());
    ensure!(
        results.failures.is_empty(),
        "{} samples FAILED, the first: {}",
        results.failures.len(),
        first(&results)
    );
    Ok(())
}

fn first(results: &rounds::Results) -> String {
    results.failures.first().map_or_else(String::new, |failure| {
        format!("{}, {}: {}", failure.peer.name(), failure.case.name(), failure.why)
    })
}

impl Options {
    fn plan(&self) -> Result<Plan> {
        let (rounds, seconds) = if self.quick { (3, 0.5) } else { (7, 3.0) };
        Ok(Plan {
            suite: self.suite,
            cases: chosen(&self.only, self.suite.cases())?,
            rounds: self.rounds.unwrap_or(rounds),
            time: Duration::from_secs_f64(self.seconds.unwrap_or(seconds)),
            seed: self.seed,
        })
    }

    fn peers(&self) -> Result<Vec<Peer>> {
        chosen(&self.peers, self.suite.peers())
    }
}

/// What was asked for of what there is, or all of it.
fn chosen<T: Copy + PartialEq + Debug>(asked: &[T], there: impl Iterator<Item = T>) -> Result<Vec<T>> {
    let there: Vec<T> = there.collect();
    if let Some(stray) = asked.iter().find(|item| !there.contains(item)) {
        bail!(
            "{stray:?} is no part of this bench, but of the other (cargo xtask bench, cargo xtask bench tls)"
        );
    }
    Ok(there.into_iter().filter(|item| asked.is_empty() || asked.contains(item)).collect())
}
