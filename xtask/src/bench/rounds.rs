//! Takes the samples: in every round each case meets every peer once, in an order shuffled anew,
//! so that whatever else the machine does falls on all alike.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::case::Case;
use super::cpu;
use super::field::{Field, Running, itself};
use super::load::Done;
use super::peers::Peer;
use super::service::bound;
use super::stats::Shuffler;
use super::suite::Suite;

/// Between samples: the last one's connections are taken down.
const SETTLE: Duration = Duration::from_millis(100);

/// One peer under one case, once.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) round: usize,
    pub(super) case: Case,
    pub(super) peer: Peer,
    pub(super) done: Done,
    /// CPU seconds of the peer's own processes.
    pub(super) own: Option<f64>,
    /// CPU seconds of the whole machine: load, backend and kernel threads included.
    pub(super) machine: f64,
}

/// A sample that went wrong: lost or wrong bytes, an early end, a hang.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) round: usize,
    pub(super) case: Case,
    pub(super) peer: Peer,
    pub(super) why: String,
}

/// How much is measured.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) suite: Suite,
    pub(super) cases: Vec<Case>,
    pub(super) rounds: usize,
    pub(super) time: Duration,
    pub(super) seed: u64,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) samples: Vec<Sample>,
    pub(super) failures: Vec<Failure>,
}

/// Carries out the plan.
pub(super) fn run(plan: &Plan, field: &mut Field) -> Results {
    let mut results = Results::default();
    let mut shuffler = Shuffler::new(plan.seed);
    for round in 1..=plan.rounds {
        for &case in &plan.cases {
            eprintln!("bench: round {round} of {}: {}", plan.rounds, case.name());
            // A peer that ended has failed once; there is nothing more to learn from it.
            let mut order: Vec<&mut Running> = field.peers.iter_mut().filter(|peer| !peer.gone).collect();
            shuffler.shuffle(&mut order);
            for running in order {
                thread::sleep(SETTLE);
                let peer = running.peer;
                match sample(round, case, running, plan.time) {
                    Ok(sample) => results.samples.push(sample),
                    Err(error) => {
                        // The one who sees a wrong byte may be at the other end.
                        let epitaph = running.epitaph();
                        running.gone = epitaph.is_some();
                        let others = [epitaph, field.backend.news()];
                        let why = [Some(format!("{error:#}"))].into_iter().chain(others).flatten();
                        let why = why.collect::<Vec<_>>().join("; ");
                        eprintln!("bench: FAILED: {}, {}: {why}", peer.name(), case.name());
                        results.failures.push(Failure { round, case, peer, why });
                    }
                }
            }
        }
    }
    results
}

fn sample(round: usize, case: Case, running: &Running, time: Duration) -> Result<Sample> {
    let own = || running.tree.as_ref().map(cpu::Tree::seconds).transpose();
    let own_before = own()?;
    let machine_before = cpu::machine()?;
    let done = load(case, running.peer, time)?;
    let machine = cpu::machine()? - machine_before;
    let own = own()?.zip(own_before).map(|(after, before)| after - before);
    Ok(Sample { round, case, peer: running.peer, done, own, machine })
}

/// Runs the load generator as a process of its own: its threads and memory end with the sample.
fn load(case: Case, peer: Peer, time: Duration) -> Result<Done> {
    let mut command = itself("load")?;
    command.args([case.name(), peer.front(case.way()).to_string(), time.as_millis().to_string()]);
    let output = bound(&command).stderr(Stdio::piped()).output().context("starting the load generator")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim().trim_start_matches("xtask: "));
    Done::parse(&String::from_utf8_lossy(&output.stdout))
}
