//! The benches: what is measured, who takes part, and where the figures go.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::case::Case;
use super::peers::Peer;
use super::way::Way;
use crate::cmd;

/// A set of cases, and of ways for connections to come in and go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Bytes as they are, both sides: how much goes through.
    Cleartext,
    /// TLS from the client on, ended or begun anew for the backend: how much goes through.
    Tls,
    /// How long it takes at a set rate, alone and in bad company.
    Latency,
    /// The same with TLS that ends in between.
    TlsLatency,
    /// From one connection to 4,000 that are busy, and 9,000 that are not.
    Scale,
    /// Clients that are far.
    Delay,
}

/// One of them, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked(Option<Suite>);

impl ValueEnum for Asked {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(Some(Suite::Cleartext)),
            Self(Some(Suite::Tls)),
            Self(Some(Suite::Latency)),
            Self(Some(Suite::TlsLatency)),
            Self(Some(Suite::Scale)),
            Self(Some(Suite::Delay)),
            Self(None),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self.0 {
            Some(suite) => suite.to_possible_value(),
            None => Some(PossibleValue::new("all").help("One after the other")),
        }
    }
}

impl Asked {
    /// What was asked for, in the order of reports.
    pub(super) fn suites(self) -> Vec<Suite> {
        self.0.map_or_else(|| Suite::value_variants().to_vec(), |suite| vec![suite])
    }
}

impl Suite {
    /// As on the command line and in the names of files.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }

    /// The listeners that every peer has.
    pub(super) fn ways(self) -> &'static [Way] {
        match self {
            Self::Cleartext | Self::Latency | Self::Scale => &[Way::Plain],
            Self::Tls => &[Way::Ecdsa, Way::Rsa, Way::Again],
            Self::TlsLatency => &[Way::Ecdsa],
            Self::Delay => &[Way::Far],
        }
    }

    /// Whether TLS ends or begins in it.
    pub(super) fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::TlsLatency)
    }

    /// Rounds and seconds: three of them tell latencies, whose every sample is thousands; where it says what goes
    /// through there are more.
    pub(super) fn extent(self, quick: bool) -> (usize, f64) {
        match (self, quick) {
            (Self::Cleartext | Self::Tls, false) => (7, 3.0),
            (Self::Cleartext | Self::Tls, true) => (3, 0.5),
            (Self::Latency | Self::TlsLatency | Self::Delay, false) => (3, 2.5),
            (Self::Scale, false) => (3, 2.0),
            (_, true) => (1, 0.5),
        }
    }

    /// Its cases, in the order they are run and reported.
    pub(super) fn cases(self) -> impl Iterator<Item = Case> {
        Case::all().iter().copied().filter(move |case| case.suite() == self)
    }

    /// Who takes part, in the order of reports.
    pub(super) fn peers(self) -> impl Iterator<Item = Peer> {
        Peer::all().iter().copied().filter(move |peer| match peer {
            // Where TLS ends or begins there is one relay.
            Peer::Sluice => self.is_tls(),
            Peer::SluiceKernel | Peer::SluiceSplice => !self.is_tls(),
            Peer::Direct | Peer::Haproxy | Peer::Nginx | Peer::Envoy => true,
        })
    }

    /// Where its last samples are.
    pub(super) fn latest(self) -> PathBuf {
        folder().join(match self {
            Self::Cleartext => "latest.json".to_owned(),
            other => format!("latest-{}.json", other.name()),
        })
    }

    /// Where its part of the summary is.
    pub(super) fn part(self) -> PathBuf {
        folder().join(format!("summary-{}.md", self.name()))
    }
}

/// For configurations, certificates, logs and samples.
pub(super) fn folder() -> PathBuf {
    cmd::target_dir().join("bench")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use clap::ValueEnum;

    use super::{Asked, Case, Suite, Way};

    #[test]
    fn every_case_is_in_one_suite() {
        let cases: Vec<Case> = Suite::value_variants().iter().flat_map(|suite| suite.cases()).collect();
        assert_eq!(cases.len(), Case::all().len());
        assert!(Case::all().iter().all(|case| cases.contains(case)));
        for suite in Suite::value_variants() {
            // Also what tells the rate of others goes through a listener that is there.
            let asked = suite.cases().filter_map(|case| case.pace()?.asks());
            assert!(suite.cases().chain(asked).all(|case| suite.ways().contains(&case.way())), "{suite:?}");
        }
    }

    #[test]
    fn all_are_asked_for_by_one_word() {
        let asked = |word: &str| Asked::from_str(word, false).unwrap().suites();
        assert_eq!(asked("all"), Suite::value_variants());
        for suite in Suite::value_variants() {
            assert_eq!(asked(&suite.name()), [*suite]);
        }
    }

    #[test]
    fn no_two_listeners_share_a_port() {
        for suite in Suite::value_variants() {
            let mut owners = HashMap::new();
            for peer in suite.peers() {
                for &way in suite.ways() {
                    let (back, key) = peer.back(way);
                    let behind = (Some(peer), None::<Way>, key);
                    assert_eq!(*owners.entry(back).or_insert(behind), behind, "{back}");
                    let front = peer.front(way);
                    if front != back {
                        assert_eq!(owners.insert(front, (Some(peer), Some(way), None)), None, "{front}");
                    }
                }
            }
            assert!(owners.keys().all(|address| address.port() < 10_000));
        }
    }
}
