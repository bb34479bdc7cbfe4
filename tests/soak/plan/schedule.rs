//! What is done to sluice and its surroundings, and when, from the seed alone.

use std::time::Duration;

use crate::route::{Config, Upstream};

/// One thing done; what lasts for a while is undone by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// The configuration changes.
    Reload(Config),
    /// The kernel relay is switched off, and on again.
    RelayOff(Duration),
    /// An upstream dies with its connections, and comes back.
    UpstreamDies(Upstream, Duration),
    /// SIGKILL, and another sluice.
    Kill(Birth),
    /// A new sluice beside the old one, which is told to end.
    HandOver(Birth),
    /// SIGSTOP, SIGCONT.
    Freeze(Duration),
    /// Hardly a descriptor is left.
    Starve(Duration),
    /// The kernel has little memory for sluice's sockets.
    Squeeze(Duration),
    /// A share of all segments is lost, in percent.
    Lose(u32, Duration),
    /// The link carries no more than this, in Mbit/s.
    Throttle(u32, Duration),
}

/// What a sluice is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Birth {
    pub(crate) join_after: &'static str,
    pub(crate) budget: &'static str,
}

/// A disturbance, and how long it is quiet before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) after: Duration,
    pub(crate) what: Disturbance,
}

impl Birth {
    pub(super) fn draw(rng: &mut fastrand::Rng) -> Self {
        Self {
            join_after: ["0", "4KiB", "16KiB"][rng.usize(0..3)],
            // The small one is spent by a dozen connections.
            budget: ["0", "8MiB"][rng.usize(0..2)],
        }
    }
}

impl Step {
    /// The next of a round's steps, one of each kind before any comes again: `kinds` are those that are left.
    pub(super) fn draw(
        rng: &mut fastrand::Rng,
        kinds: &mut Vec<u8>,
        config: &mut Config,
        replace: bool,
    ) -> Self {
        if kinds.is_empty() {
            // Twice as many reloads, two upstreams' deaths, and no more than one new process of each kind.
            *kinds = vec![0, 0, 0, 0, 1, 2, 2, 5, 6, 7, 8, 9];
            if replace {
                kinds.extend([3, 4]);
            }
            rng.shuffle(kinds);
        }
        let for_ms = |rng: &mut fastrand::Rng, from, to| Duration::from_millis(rng.u64(from..to));
        let what = match kinds.pop().unwrap_or_default() {
            0 => {
                config.change(rng);
                Disturbance::Reload(config.clone())
            }
            1 => Disturbance::RelayOff(for_ms(rng, 300, 3000)),
            2 => Disturbance::UpstreamDies(
                Upstream::ALL[rng.usize(0..Upstream::ALL.len())],
                for_ms(rng, 100, 1500),
            ),
            3 => Disturbance::Kill(Birth::draw(rng)),
            4 => Disturbance::HandOver(Birth::draw(rng)),
            5 => Disturbance::Freeze(for_ms(rng, 100, 1500)),
            6 => Disturbance::Starve(for_ms(rng, 500, 2000)),
            7 => Disturbance::Squeeze(for_ms(rng, 1000, 4000)),
            8 => Disturbance::Lose(rng.u32(1..4), for_ms(rng, 1000, 4000)),
            _ => Disturbance::Throttle(rng.u32(100..400), for_ms(rng, 1000, 4000)),
        };
        Self { after: for_ms(rng, 300, 2000), what }
    }
}
