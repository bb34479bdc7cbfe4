//! `cargo xtask bench`: sluice and other proxies on the same machine, in the same minutes, under
//! the same loads.

mod backend;
mod beside;
mod bulk;
mod case;
mod connect;
mod cpu;
mod digest;
mod exchange;
mod field;
mod fresh;
mod generator;
mod install;
mod json;
mod latency;
mod line;
mod load;
mod machine;
mod memory;
mod message;
mod namespace;
mod pace;
mod paced;
mod pattern;
mod peers;
mod plot;
mod reload;
mod report;
#[cfg(test)]
mod report_tests;
mod rounds;
mod schedule;
mod service;
mod stats;
mod suite;
mod summary;
mod tables;
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
use suite::{Asked, Suite, folder};

pub(crate) use install::run as install;

/// How much to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What is measured.
    #[arg(value_name = "SUITE", default_value = "cleartext")]
    asked: Asked,
    /// A few rounds of half a second: whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// Rounds in which every peer meets every case once [default: 7; 3 of latency, scale and delay].
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds per sample [default: 3; of latency and delay 2.5, of scale 2].
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
    Inside(Box<Options>),
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
        /// Requests or connections a second, where the case has a rate.
        rate: u32,
    },
    /// A long line to the network of a process.
    Line {
        /// The process.
        far: u32,
    },
}

/// Sets up, builds, and measures, each suite in a network of its own.
pub(crate) fn run(options: &Options) -> Result<()> {
    let suites = options.asked.suites();
    // A word of the command line that fits nothing shows now, and not after everything is built.
    for suite in &suites {
        options.plan(*suite)?;
        options.peers(*suite)?;
    }
    setup::run(setup::Scope::Bench)?;
    // The load generator too: unoptimised it would be what is measured.
    for (package, binary) in [("proxy", "sluice"), ("xtask", "xtask")] {
        cmd::run(&mut cmd::cargo(&["build", "--release", "--package", package, "--bin", binary]))?;
    }
    // Made here, so that they are the user's, and not root's.
    fs::create_dir_all(plot::folder()).with_context(|| folder().display().to_string())?;
    let mut failed = Vec::new();
    for suite in suites {
        for file in [suite.latest(), suite.part()] {
            OpenOptions::new().create(true).append(true).open(file)?;
        }
        let arguments = options.arguments(suite);
        let inside = cmd::run(&mut namespace::enter(&cmd::target_dir().join("release/xtask"), &arguments)?);
        failed.extend(inside.err().map(|error| format!("{}: {error:#}", suite.name())));
    }
    digest::join()?;
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// One of the bench's own processes.
pub(crate) fn part(part: &Part) -> Result<()> {
    match part {
        Part::Inside(options) => inside(options),
        Part::Backend(addresses) => backend::run(addresses),
        Part::Load { case, address, millis, rate } => {
            load::run(*case, *address, Duration::from_millis(*millis), *rate)
        }
        Part::Line { far } => line::run(*far),
    }
}

fn inside(options: &Options) -> Result<()> {
    let [suite] = options.asked.suites()[..] else { bail!("one suite at a time") };
    namespace::prepare()?;
    let machine = Machine::here();
    let (plan, peers) = (options.plan(suite)?, options.peers(suite)?);
    if suite.is_tls() {
        tls::make_keys(&folder())?;
    }
    let mut field = Field::start(suite, &peers, &folder(), machine.cores)?;
    let results = rounds::run(&plan, &mut field);
    let peers: Vec<_> = field.peers.iter().map(|running| (running.peer, running.version.clone())).collect();
    let report =
        Report { machine: &machine, plan: &plan, peers: &peers, absent: &field.absent, results: &results };
    println!("{}", report.markdown());
    for (path, text) in [(suite.latest(), format!("{:#}\n", report.json())), (suite.part(), report.digest())]
    {
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    let plots = report.plot()?;
    eprintln!("bench: every sample is in {}, and {plots} plots beside it", suite.latest().display());
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
    fn plan(&self, suite: Suite) -> Result<Plan> {
        let (rounds, seconds) = suite.extent(self.quick);
        Ok(Plan {
            suite,
            cases: chosen(&self.only, suite.cases())?,
            rounds: self.rounds.unwrap_or(rounds),
            time: Duration::from_secs_f64(self.seconds.unwrap_or(seconds)),
            seed: self.seed,
        })
    }

    fn peers(&self, suite: Suite) -> Result<Vec<Peer>> {
        chosen(&self.peers, suite.peers())
    }

    /// The same on a command line, for one suite.
    fn arguments(&self, suite: Suite) -> Vec<String> {
        let mut words = vec![suite.name()];
        words.extend(self.quick.then(|| "--quick".to_owned()));
        words.extend(self.rounds.map(|rounds| format!("--rounds={rounds}")));
        words.extend(self.seconds.map(|seconds| format!("--seconds={seconds}")));
        words.extend(self.only.iter().map(|case| format!("--only={}", case.name())));
        words.extend(self.peers.iter().map(|peer| format!("--peers={}", peer.name())));
        words.push(format!("--seed={}", self.seed));
        words
    }
}

/// What was asked for of what there is, or all of it.
fn chosen<T: Copy + PartialEq + Debug>(asked: &[T], there: impl Iterator<Item = T>) -> Result<Vec<T>> {
    let there: Vec<T> = there.collect();
    if let Some(stray) = asked.iter().find(|item| !there.contains(item)) {
        bail!("{stray:?} is no part of this bench, but of another (see cargo xtask bench --help)");
    }
    Ok(there.into_iter().filter(|item| asked.is_empty() || asked.contains(item)).collect())
}
