//! The two benches: what is measured, who takes part, and where the figures go.

use std::path::PathBuf;

use clap::ValueEnum;

use super::case::Case;
use super::peers::Peer;
use super::way::Way;
use crate::cmd;

/// A set of cases, and of ways for connections to come in and go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Bytes as they are, both sides.
    Cleartext,
    /// TLS from the client on, ended or begun anew for the backend.
    Tls,
}

impl Suite {
    /// The listeners that every peer has.
    pub(super) fn ways(self) -> &'static [Way] {
        match self {
            Self::Cleartext => &[Way::Plain],
            Self::Tls => &[Way::Ecdsa, Way::Rsa, Way::Again],
        }
    }

    /// Its cases, in the order they are run and reported.
    pub(super) fn cases(self) -> impl Iterator<Item = Case> {
        Case::all().iter().copied().filter(move |case| self.ways().contains(&case.way()))
    }

    /// Who takes part, in the order of reports.
    pub(super) fn peers(self) -> impl Iterator<Item = Peer> {
        Peer::all().iter().copied().filter(move |peer| match peer {
            // Where TLS ends or begins there is one relay.
            Peer::Sluice => self == Self::Tls,
            Peer::SluiceKernel | Peer::SluiceSplice => self == Self::Cleartext,
            Peer::Direct | Peer::Haproxy | Peer::Nginx | Peer::Envoy => true,
        })
    }

    /// Where its last samples are.
    pub(super) fn latest(self) -> PathBuf {
        folder().join(match self {
            Self::Cleartext => "latest.json",
            Self::Tls => "latest-tls.json",
        })
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

    use super::{Case, Suite, Way};

    #[test]
    fn every_case_is_in_one_suite() {
        let cases: Vec<Case> = Suite::value_variants().iter().flat_map(|suite| suite.cases()).collect();
        assert_eq!(cases, Case::all());
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
