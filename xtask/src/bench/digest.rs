//! The summary: what README shows of a report.

use std::fs;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::case::{Case, Unit};
use super::peers::Peer;
use super::report::Report;
use super::suite::{Suite, folder};
use super::summary::Lost;
use super::tables::{millis, number, plain_ratio, row, table};

/// Of latencies: between the usual and the worst.
const SHOWN: [f64; 3] = [0.5, 0.99, 0.999];

/// By which latencies are compared.
const COMPARED: f64 = 0.99;

/// Puts the parts of all suites that were ever measured here into one file.
pub(super) fn join() -> Result<()> {
    let parts = Suite::value_variants().iter().filter_map(|suite| fs::read_to_string(suite.part()).ok());
    let path = folder().join("summary.md");
    fs::write(&path, parts.collect::<String>()).with_context(|| path.display().to_string())?;
    eprintln!("bench: for README: {}", path.display());
    Ok(())
}

impl Report<'_> {
    /// This suite's part.
    pub(super) fn digest(&self) -> String {
        let (title, machine) = (title(self.plan.suite), self.machine);
        let head = format!("{title}, {}, commit {}; {}.\n\n", machine.date, machine.commit, self.stolen());
        [head, self.short_rates(), self.short_latencies(), self.short_memory(), self.losses()].concat()
    }

    fn short_rates(&self) -> String {
        let rows: Vec<_> = self
            .of(|case| case.pace().is_none())
            .map(|case| {
                let rates = self.names().map(|peer| {
                    self.results.rate(case, peer).map_or_else(String::new, |it| number(it.median))
                });
                let ratio = self.leader().map(|peer| plain_ratio(self.results.ratio(case, peer)));
                row(&case.name(), case.unit().rate().0, rates.chain(ratio))
            })
            .collect();
        self.unless_empty("Medians of what went through", rows)
    }

    fn short_latencies(&self) -> String {
        let rows: Vec<_> = self
            .of(|case| case.pace().is_some())
            .map(|case| {
                let cells = self.names().map(|peer| self.short_latency(case, peer));
                let ratio =
                    self.leader().map(|peer| plain_ratio(self.results.latency_ratio(case, peer, COMPARED)));
                let unit = if case.unit() == Unit::Connections { "conn/s" } else { "req/s" };
                let due = self
                    .results
                    .due(case)
                    .map_or_else(String::new, |due| format!("{} {unit}", number(due.into())));
                row(&case.name(), &due, cells.chain(ratio))
            })
            .collect();
        self.unless_empty("Milliseconds: p50 / p99 / p99.9, and the ratio of p99 (below 1 is sooner)", rows)
    }

    fn short_latency(&self, case: Case, peer: Peer) -> String {
        self.results
            .latency(case, peer)
            .map_or_else(String::new, |latency| SHOWN.map(|part| millis(latency.quantile(part))).join(" / "))
    }

    fn short_memory(&self) -> String {
        let rows: Vec<_> = self
            .of(|case| case.held().is_some())
            .map(|case| {
                let cells = self.names().map(|peer| self.held(case, peer));
                row(&case.name(), "connection", cells.chain(self.leader().map(|_| String::new())))
            })
            .collect();
        self.unless_empty("KiB per connection: the proxy's own / the whole machine's", rows)
    }

    /// What README has to say in words: connections that a reload has cost, and what an elephant reached.
    fn losses(&self) -> String {
        let lines = self.plan.cases.iter().flat_map(|&case| {
            self.names().filter_map(move |peer| {
                let Lost { unanswered, failed, done } = self.results.lost(case, peer);
                let beside =
                    self.results.beside(case, peer).map(|it| format!("{} Gbit/s beside", number(it.median)));
                let lost = (failed > 0).then(|| format!("{failed} of {} connections lost", done + failed));
                let late = (unanswered > 0)
                    .then(|| format!("{unanswered} of {} not answered in time", done + unanswered));
                let said: Vec<_> = [beside, lost, late].into_iter().flatten().collect();
                (!said.is_empty())
                    .then(|| format!("- {}, {}: {}\n", case.name(), peer.title(), said.join(", ")))
            })
        });
        let lines: String = lines.collect();
        if lines.is_empty() { lines } else { lines + "\n" }
    }

    /// Whose ratio is shown: the first of ours.
    fn leader(&self) -> Option<Peer> {
        self.names().find(|peer| peer.is_ours())
    }

    fn of(&self, wanted: impl Fn(&Case) -> bool) -> impl Iterator<Item = Case> {
        self.plan.cases.iter().copied().filter(move |case| wanted(case))
    }

    fn unless_empty(&self, title: &str, rows: Vec<String>) -> String {
        if rows.is_empty() {
            return String::new();
        }
        let short = |peer: Peer| peer.title().trim_start_matches("sluice, ");
        let ratio = self.leader().map(|peer| format!("{} ÷ best other", short(peer)));
        table(title, self.names().map(|peer| peer.title().to_owned()).chain(ratio), rows.into_iter())
    }
}

fn title(suite: Suite) -> &'static str {
    match suite {
        Suite::Cleartext => "**Cleartext**, as much as goes through",
        Suite::Tls => "**TLS 1.3** with AES-128-GCM, as much as goes through",
        Suite::Latency => "**Latency** at set rates",
        Suite::TlsLatency => "**Latency** at set rates with TLS 1.3 that ends in the proxy",
        Suite::Scale => "**Connections**, 64 B there and back",
        Suite::Delay => "**Far** clients: 50 ms there and back, 1 Gbit/s",
    }
}
