//! Takes the samples: in every round each case meets every peer once, in an order shuffled anew,
//! so that whatever else the machine does falls on all alike.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::case::Case;
use super::cpu::{Processors, Tree};
use super::field::{Field, Running};
use super::generator::Load;
use super::line::Line;
use super::load::Done;
use super::memory::Memory;
use super::pace::Slowest;
use super::peers::Peer;
use super::reload;
use super::stats::Shuffler;
use super::suite::Suite;

/// Longest sample that only tells how fast somebody is.
const TRIAL: Duration = Duration::from_millis(800);

/// Between samples: the last one's connections are taken down.
const SETTLE: Duration = Duration::from_millis(100);

/// Share of the processors' time from which on a sample says more of the host than of the peer, and is taken again.
const STOLEN: f64 = 0.02;

/// How often a sample is taken at most. The one that least was stolen from counts.
const TAKES: usize = 3;

/// One peer under one case, once.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) round: usize,
    pub(super) case: Case,
    pub(super) peer: Peer,
    /// Requests or connections a second that were due; 0 where as many as possible were.
    pub(super) rate: u32,
    pub(super) done: Done,
    /// CPU seconds of the peer's own processes.
    pub(super) own: Option<f64>,
    /// CPU seconds of the whole machine: load, backend and kernel threads included.
    pub(super) machine: f64,
    /// Share of the processors' time that the host of this virtual machine gave to others.
    pub(super) stolen: f64,
    /// What each connection that was held took, before anything else was done.
    pub(super) memory: Option<Memory>,
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
    let slowest = slowest(plan, field);
    let mut results = Results::default();
    let mut shuffler = Shuffler::new(plan.seed);
    for round in 1..=plan.rounds {
        for &case in &plan.cases {
            eprintln!("bench: round {round} of {}: {}", plan.rounds, case.name());
            let Some(rate) = case.pace().map_or(Some(0), |pace| pace.rate(&slowest)) else {
                eprintln!("bench: {} is left out: nobody could be asked how fast it may be", case.name());
                continue;
            };
            // A peer that ended has failed once; there is nothing more to learn from it.
            let takes_part = |peer: &&mut Running| !peer.gone && (!case.reloads() || peer.peer.can_reload());
            let mut order: Vec<&mut Running> = field.peers.iter_mut().filter(takes_part).collect();
            shuffler.shuffle(&mut order);
            for running in order {
                thread::sleep(SETTLE);
                let peer = running.peer;
                let time = plan.time.max(case.least());
                match quietest(|| sample(round, case, running, field.line.as_ref(), rate, time)) {
                    Ok(sample) => {
                        // Slow readers end by a reset, and the backend says so.
                        let _ = field.backend.news();
                        results.samples.push(sample);
                    }
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

/// Of a few takes the one that the host disturbed least; a take that fails is not made good by another.
fn quietest(take: impl Fn() -> Result<Sample>) -> Result<Sample> {
    let mut best = take()?;
    for _ in 1..TAKES {
        if best.stolen <= STOLEN {
            break;
        }
        thread::sleep(SETTLE);
        let again = take()?;
        if again.stolen < best.stolen {
            best = again;
        }
    }
    Ok(best)
}

fn sample(
    round: usize,
    case: Case,
    running: &Running,
    line: Option<&Line>,
    rate: u32,
    time: Duration,
) -> Result<Sample> {
    let tree = || running.tree();
    let own = |tree: Option<Tree>| tree.as_ref().map(Tree::seconds).transpose();
    let held = case.held();
    let memory_before = held.map(|_| Memory::now(tree()?.as_ref())).transpose()?;
    let mut load = Load::start(case, running.peer, line, rate, time)?;
    load.expect_ready()?;
    let memory = match held.zip(memory_before) {
        Some((connections, before)) => Some(Memory::now(tree()?.as_ref())?.grown(before, connections)),
        None => None,
    };
    let own_before = own(tree()?)?;
    let machine_before = Processors::now()?;
    load.go()?;
    let done = if case.reloads() {
        let (done, reloads) = reload::meanwhile(running, || load.result());
        reloads?;
        done?
    } else {
        load.result()?
    };
    let machine = Processors::now()?.since(machine_before);
    let own = own(tree()?)?.zip(own_before).map(|(after, before)| after - before);
    load.end()?;
    if !case.reloads() {
        ensure!(
            done.failed == 0,
            "{} connections failed, one: {}",
            done.failed,
            done.why.unwrap_or_default()
        );
    }
    let (peer, stolen) = (running.peer, machine.share_stolen());
    Ok(Sample { round, case, peer, rate, done, own, machine: machine.busy, stolen, memory })
}

/// What the slowest proxy reaches in each case whose rate others are a share of.
fn slowest(plan: &Plan, field: &Field) -> Slowest {
    let mut slowest = Slowest::new();
    let asked = plan.cases.iter().filter_map(|case| case.pace()?.asks());
    for case in asked {
        if slowest.contains_key(&case) {
            continue;
        }
        eprintln!("bench: how fast the slowest is: {}", case.name());
        let proxies =
            field.peers.iter().filter(|running| running.peer != Peer::Direct || field.peers.len() == 1);
        let rates = proxies.filter_map(|running| {
            thread::sleep(SETTLE);
            match sample(0, case, running, None, 0, plan.time.min(TRIAL)) {
                Ok(sample) => Some(sample.rate()),
                Err(error) => {
                    eprintln!("bench: {} does not count here: {error:#}", running.peer.name());
                    None
                }
            }
        });
        if let Some(rate) = rates.min_by(f64::total_cmp) {
            slowest.insert(case, rate);
        }
    }
    slowest
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::load::Done;
    use super::*;

    /// What comes of takes from which so much was stolen, and how many of them were needed.
    fn quietest_of(stolen: &[f64]) -> (f64, usize) {
        let left = RefCell::new(stolen.iter());
        let best = quietest(|| {
            let stolen = *left.borrow_mut().next().unwrap();
            let done = Done::of(1, Duration::from_secs(1));
            let (case, peer) = (Case::Small1, Peer::Direct);
            Ok(Sample { round: 1, case, peer, rate: 0, done, own: None, machine: 0.0, stolen, memory: None })
        });
        (best.unwrap().stolen, stolen.len() - left.borrow().len())
    }

    #[test]
    fn a_sample_that_the_host_disturbed_is_taken_again() {
        assert_eq!(quietest_of(&[0.0, 0.0, 0.0]), (0.0, 1));
        assert_eq!(quietest_of(&[0.5, 0.01, 0.0]), (0.01, 2));
        assert_eq!(quietest_of(&[0.3, 0.2, 0.4, 0.0]), (0.2, 3));
    }
}
