//! What the samples say: spreads per case and peer, and ratios per round.

use super::case::Case;
use super::latency::Latency;
use super::peers::Peer;
use super::rounds::{Results, Sample};
use super::stats::Spread;

/// What did not come to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub(super) unanswered: u64,
    pub(super) failed: u64,
    /// What did.
    pub(super) done: u64,
}

impl Sample {
    /// In the unit of its case.
    pub(super) fn rate(&self) -> f64 {
        self.amount() / self.done.time.as_secs_f64() / self.case.unit().rate().1
    }

    /// CPU seconds per unit of cost: of the peer itself.
    pub(super) fn own_cost(&self) -> Option<f64> {
        self.own.map(|seconds| self.per_unit(seconds))
    }

    /// The same, of the whole machine.
    pub(super) fn machine_cost(&self) -> f64 {
        self.per_unit(self.machine)
    }

    fn per_unit(&self, seconds: f64) -> f64 {
        // Nothing done at all has no price; one is nearest.
        seconds / self.amount().max(1.0) * self.case.unit().cost().1
    }

    #[expect(clippy::cast_precision_loss, reason = "a sample is far below 2^53 bytes")]
    fn amount(&self) -> f64 {
        self.done.amount as f64
    }
}

impl Results {
    /// How fast a peer was.
    pub(super) fn rate(&self, case: Case, peer: Peer) -> Option<Spread> {
        self.spread(case, peer, |sample| Some(sample.rate()))
    }

    /// CPU seconds of the peer itself.
    pub(super) fn own_cost(&self, case: Case, peer: Peer) -> Option<Spread> {
        self.spread(case, peer, Sample::own_cost)
    }

    /// CPU seconds of the whole machine.
    pub(super) fn machine_cost(&self, case: Case, peer: Peer) -> Option<Spread> {
        self.spread(case, peer, |sample| Some(sample.machine_cost()))
    }

    /// A peer's rate in each round divided by that of the round's best rival: what slows a whole
    /// round cancels out.
    pub(super) fn ratio(&self, case: Case, peer: Peer) -> Option<Spread> {
        let ratios: Vec<f64> = self
            .of(case, peer)
            .filter_map(|mine| {
                let best = self.rivals(mine).map(Sample::rate).max_by(f64::total_cmp)?;
                Some(mine.rate() / best)
            })
            .collect();
        Spread::of(&ratios)
    }

    /// How long requests took, all rounds together.
    pub(super) fn latency(&self, case: Case, peer: Peer) -> Option<Latency> {
        let mut all = Latency::new().ok()?;
        for sample in self.of(case, peer) {
            all.add(sample.done.latency.as_ref()?).ok()?;
        }
        (all.count() > 0).then_some(all)
    }

    /// A peer's latency below which this part of all is, in each round divided by that of the round's best rival.
    pub(super) fn latency_ratio(&self, case: Case, peer: Peer, part: f64) -> Option<Spread> {
        let quantile = |sample: &Sample| Some(sample.done.latency.as_ref()?.quantile(part));
        let ratios = self.of(case, peer).filter_map(|mine| {
            let best = self.rivals(mine).filter_map(quantile).min_by(f64::total_cmp)?;
            Some(quantile(mine)? / best)
        });
        Spread::of(&ratios.collect::<Vec<_>>())
    }

    /// Requests or connections a second that were due.
    pub(super) fn due(&self, case: Case) -> Option<u32> {
        self.samples.iter().find(|sample| sample.case == case).map(|sample| sample.rate)
    }

    /// What was not answered or was lost, all rounds together.
    pub(super) fn lost(&self, case: Case, peer: Peer) -> Lost {
        let sum = |value: fn(&Sample) -> u64| self.of(case, peer).map(value).sum();
        Lost {
            unanswered: sum(|sample| sample.done.unanswered),
            failed: sum(|sample| sample.done.failed),
            done: sum(|sample| sample.done.amount),
        }
    }

    /// Gbit/s of what went beside.
    pub(super) fn beside(&self, case: Case, peer: Peer) -> Option<Spread> {
        self.spread(case, peer, |sample| {
            let bits =
                u32::try_from(sample.done.beside >> 10).ok().filter(|it| *it > 0).map(f64::from)? * 8192.0;
            Some(bits / 1e9 / sample.done.time.as_secs_f64())
        })
    }

    /// Bytes of the peer itself for each connection that was held.
    pub(super) fn own_memory(&self, case: Case, peer: Peer) -> Option<Spread> {
        self.spread(case, peer, |sample| sample.memory?.own)
    }

    /// The same, of the whole machine.
    pub(super) fn whole_memory(&self, case: Case, peer: Peer) -> Option<Spread> {
        self.spread(case, peer, |sample| Some(sample.memory?.whole))
    }

    /// Shares of the processors' time that the host gave to others.
    pub(super) fn stolen(&self) -> Option<Spread> {
        Spread::of(&self.samples.iter().map(|sample| sample.stolen).collect::<Vec<_>>())
    }

    /// Whether anything went wrong with this peer in this case.
    pub(super) fn failed(&self, case: Case, peer: Peer) -> bool {
        self.failures.iter().any(|failure| failure.case == case && failure.peer == peer)
    }

    fn rivals(&self, mine: &Sample) -> impl Iterator<Item = &Sample> {
        let (case, round) = (mine.case, mine.round);
        self.samples
            .iter()
            .filter(move |other| other.case == case && other.round == round && other.peer.is_rival())
    }

    fn of(&self, case: Case, peer: Peer) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.case == case && sample.peer == peer)
    }

    fn spread(&self, case: Case, peer: Peer, value: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(&self.of(case, peer).filter_map(value).collect::<Vec<_>>())
    }
}
