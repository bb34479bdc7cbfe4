//! What the samples say: spreads per case and peer, and ratios per round.

use super::case::Case;
use super::peers::Peer;
use super::rounds::{Results, Sample};
use super::stats::Spread;

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
        let ratios: Vec<f64> =
            self.of(case, peer)
                .filter_map(|mine| {
                    let rivals = self.samples.iter().filter(|other| {
                        other.case == case && other.round == mine.round && other.peer.is_rival()
                    });
                    let best = rivals.map(Sample::rate).max_by(f64::total_cmp)?;
                    Some(mine.rate() / best)
                })
                .collect();
        Spread::of(&ratios)
    }

    /// Whether anything went wrong with this peer in this case.
    pub(super) fn failed(&self, case: Case, peer: Peer) -> bool {
        self.failures.iter().any(|failure| failure.case == case && failure.peer == peer)
    }

    fn of(&self, case: Case, peer: Peer) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.case == case && sample.peer == peer)
    }

    fn spread(&self, case: Case, peer: Peer, value: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(&self.of(case, peer).filter_map(value).collect::<Vec<_>>())
    }
}
