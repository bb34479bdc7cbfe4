//! The report as Markdown.

use std::fmt::Write as _;

use super::case::Case;
use super::machine::Machine;
use super::peers::Peer;
use super::rounds::{Plan, Results};
use super::stats::Spread;
use super::suite::Suite;
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
        [self.head(), self.rates(), self.costs(), self.failures()].concat()
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
        let tls = match self.plan.suite {
            Suite::Cleartext => String::new(),
            Suite::Tls => format!(", {}", tls::WHAT),
        };
        format!(
            "{date}, {kernel}, {cores} × {processor}, {memory_gib} GiB, TCP {congestion}{tls}; commit {commit}; {} rounds of {:.1} s, seed {}\n\n{}\n\n",
            self.plan.rounds,
            self.plan.time.as_secs_f64(),
            self.plan.seed,
            [versions, absent].concat().join("\n"),
        )
    }

    /// Median, smallest and largest, and for ours the ratio to the best of the others.
    fn rates(&self) -> String {
        let ours: Vec<Peer> = self.names().filter(|peer| peer.is_ours()).collect();
        let ratios = ours.iter().map(|peer| format!("{} ÷ best other", peer.name()));
        let titles = self.names().map(Peer::name).chain(ratios);
        let rows = self.plan.cases.iter().map(|&case| {
            let rates = self.names().map(|peer| self.rate(case, peer));
            let ratios = ours.iter().map(|&peer| ratio(self.results.ratio(case, peer)));
            row(&case.name(), case.unit().rate().0, rates.chain(ratios))
        });
        table("Rate: median (min–max, ±MAD)", titles, rows)
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

    fn names(&self) -> impl Iterator<Item = Peer> {
        self.peers.iter().map(|(peer, _)| *peer)
    }
}

/// A ratio, marked when its spread includes 1.
fn ratio(spread: Option<Spread>) -> String {
    spread.map_or_else(String::new, |spread| {
        let mark = if spread.swallows(1.0) { "≈ " } else { "" };
        format!("{mark}**{:.2}** ({:.2}–{:.2})", spread.median, spread.min, spread.max)
    })
}

fn seconds(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |spread| match spread.median {
            // Of the kernel relay's own seconds little would be left otherwise.
            median @ ..0.0095 => format!("{median:.4}"),
            median => format!("{median:.3}"),
        },
    )
}

/// Three digits or so.
fn number(value: f64) -> String {
    match value {
        100_000.0.. => format!("{:.0}k", value / 1e3),
        1_000.0.. => format!("{:.1}k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn table(title: &str, columns: impl Iterator<Item = String>, rows: impl Iterator<Item = String>) -> String {
    let columns: Vec<String> = columns.collect();
    let mut text = format!("{title}:\n\n| case | per | {} |\n|---|---|", columns.join(" | "));
    text.push_str(&"---:|".repeat(columns.len()));
    text.push('\n');
    text.extend(rows);
    text.push('\n');
    text
}

fn row(case: &str, unit: &str, cells: impl Iterator<Item = String>) -> String {
    let mut text = format!("| {case} | {unit} |");
    for cell in cells {
        // Writing to a string does not fail.
        let _ = write!(text, " {cell} |");
    }
    text.push('\n');
    text
}
