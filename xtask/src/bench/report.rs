//! The report as Markdown.

use super::case::Case;
use super::latency::NAMED;
use super::line;
use super::machine::Machine;
use super::peers::Peer;
use super::rounds::{Plan, Results};
use super::stats::Spread;
use super::suite::Suite;
use super::summary::Lost;
use super::tables::{kibibytes, millis, number, ratio, row, seconds, table};
use super::tls;

/// What a report is about.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) machine: &'a Machine,
    pub(super) plan: &'a Plan,
    /// Peers that ran, with their versions.
    pub(super) peers: &'a [(Peer, String)],
    /// Peers that did not, and why.
    pub(super) absent: &'a [(Peer, String)],
    pub(super) results: &'a Results,
}

impl Report<'_> {
    /// All of it.
    pub(super) fn markdown(&self) -> String {
        let parts =
            [self.head(), self.rates(), self.latencies(), self.memory(), self.costs(), self.failures()];
        parts.concat()
    }

    fn head(&self) -> String {
        let Machine { date, kernel, processor, cores, memory_gib, congestion, commit } = self.machine;
        let versions: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, version)| !version.is_empty())
            .map(|(peer, version)| format!("- {}: {version}", peer.name()))
            .collect();
        let absent: Vec<_> =
            self.absent.iter().map(|(peer, why)| format!("- {}: left out: {why}", peer.name())).collect();
        let what = match self.plan.suite {
            Suite::Cleartext | Suite::Latency | Suite::Scale => String::new(),
            Suite::Tls | Suite::TlsLatency => format!(", {}", tls::WHAT),
            Suite::Delay => format!(", {}", line::WHAT),
        };
        format!(
            "{date}, {kernel}, {cores} × {processor}, {memory_gib} GiB, TCP {congestion}{what}; commit {commit}; {} rounds of {:.1} s, seed {}; {}\n\n{}\n\n",
            self.plan.rounds,
            self.plan.time.as_secs_f64(),
            self.plan.seed,
            self.stolen(),
            [versions, absent].concat().join("\n"),
        )
    }

    /// What the host of this virtual machine kept from it.
    pub(super) fn stolen(&self) -> String {
        self.results.stolen().map_or_else(String::new, |it| {
            format!(
                "the host took {:.1} % of the processors' time ({:.1}–{:.1})",
                it.median * 100.0,
                it.min * 100.0,
                it.max * 100.0
            )
        })
    }

    /// Median, smallest and largest, and for ours the ratio to the best of the others.
    fn rates(&self) -> String {
        let ours: Vec<Peer> = self.names().filter(|peer| peer.is_ours()).collect();
        let ratios = ours.iter().map(|peer| format!("{} ÷ best other", peer.name()));
        let titles = self.names().map(Peer::name).chain(ratios);
        let closed: Vec<_> = self.plan.cases.iter().filter(|case| case.pace().is_none()).collect();
        if closed.is_empty() {
            return String::new();
        }
        let rows = closed.into_iter().map(|&case| {
            let rates = self.names().map(|peer| self.rate(case, peer));
            let ratios = ours.iter().map(|&peer| ratio(self.results.ratio(case, peer)));
            row(&case.name(), case.unit().rate().0, rates.chain(ratios))
        });
        table("Rate: median (min–max, ±MAD)", titles, rows)
    }

    /// How long after they were due requests were answered, all rounds together.
    fn latencies(&self) -> String {
        let paced: Vec<_> = self.plan.cases.iter().filter(|case| case.pace().is_some()).collect();
        if paced.is_empty() {
            return String::new();
        }
        let columns =
            NAMED.iter().map(|(name, _)| *name).chain(["max", "not answered", "lost", "beside, Gbit/s"]);
        let rows = paced.into_iter().flat_map(|&case| {
            self.names().filter_map(move |peer| {
                let latency = self.results.latency(case, peer)?;
                let quantiles = NAMED.iter().map(|(_, part)| *part).chain([1.0]);
                let quantiles = quantiles.map(|part| millis(latency.quantile(part)));
                let Lost { unanswered, failed, .. } = self.results.lost(case, peer);
                let beside = self.results.beside(case, peer).map_or_else(String::new, |it| number(it.median));
                let rest = [unanswered.to_string(), failed.to_string(), beside];
                let name = format!("{}, {}", case.name(), peer.name());
                let rate = format!("{} /s", self.results.due(case)?);
                Some(row(&name, &rate, quantiles.chain(rest)))
            })
        });
        let title = "Latency in ms, from when a request was due (the load generator shares the processors, and its own \
                     delays are in all)";
        table(title, columns.map(str::to_owned), rows)
    }

    /// What a connection takes that is held.
    fn memory(&self) -> String {
        let held: Vec<_> = self.plan.cases.iter().filter(|case| case.held().is_some()).collect();
        if held.is_empty() {
            return String::new();
        }
        let rows = held.into_iter().map(|&case| {
            let cells = self.names().map(|peer| self.held(case, peer));
            row(&case.name(), "connection", cells)
        });
        table(
            "Memory in KiB: the peer's own / the whole machine's, medians",
            self.names().map(Peer::name),
            rows,
        )
    }

    /// Its own memory, and the machine's, per connection.
    pub(super) fn held(&self, case: Case, peer: Peer) -> String {
        let (own, whole) = (self.results.own_memory(case, peer), self.results.whole_memory(case, peer));
        let [own, whole] =
            [own, whole].map(|it| it.map_or_else(|| "–".to_owned(), |it| kibibytes(it.median)));
        format!("{own} / {whole}")
    }

    /// CPU seconds of the peer itself, and of the whole machine.
    fn costs(&self) -> String {
        let rows = self.plan.cases.iter().map(|&case| {
            let costs = self.names().map(|peer| {
                let machine = self.results.machine_cost(case, peer);
                let own = self.results.own_cost(case, peer);
                format!("{} / {}", seconds(own), seconds(machine))
            });
            row(&case.name(), case.unit().cost().0, costs)
        });
        table(
            "CPU seconds: the peer's own / the whole machine's, medians",
            self.names().map(Peer::name),
            rows,
        )
    }

    fn failures(&self) -> String {
        let lines = self.results.failures.iter().map(|failure| {
            format!(
                "- {}, {}, round {}: {}\n",
                failure.peer.name(),
                failure.case.name(),
                failure.round,
                failure.why
            )
        });
        let lines: String = lines.collect();
        if lines.is_empty() { lines } else { format!("**FAILED**\n\n{lines}\n") }
    }

    fn rate(&self, case: Case, peer: Peer) -> String {
        let failed = if self.results.failed(case, peer) { "FAILED " } else { "" };
        let rate =
            self.results.rate(case, peer).map_or_else(String::new, |Spread { median, min, max, mad }| {
                format!("{} ({}–{}, ±{})", number(median), number(min), number(max), number(mad))
            });
        format!("{failed}{rate}")
    }

    /// Those that ran, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = Peer> {
        self.peers.iter().map(|(peer, _)| *peer)
    }
}
