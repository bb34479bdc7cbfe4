//! What DNS says about the addresses of a name.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError, NoRecords};

use crate::config::model::Families;

/// For an answer without addresses that does not say for how long it holds.
const NEGATIVE: Duration = Duration::from_secs(5);

/// What is said about one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Answer {
    /// Nobody asked, or nobody has answered yet.
    Unasked,
    /// It has these.
    Addresses {
        /// At least one, in the order they were told.
        addresses: Vec<IpAddr>,
        /// For how long they hold.
        ttl: Duration,
    },
    /// It has none.
    None {
        /// For how long there are none.
        ttl: Duration,
        /// What was said.
        message: String,
    },
    /// It is not known.
    Failed {
        /// Why.
        message: String,
        /// No server answered at all.
        silence: bool,
    },
}

/// What is said about both families of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Answers {
    /// A records.
    pub(in super::super) ipv4: Answer,
    /// AAAA records.
    pub(in super::super) ipv6: Answer,
}

impl Answer {
    pub(super) fn of(answer: Result<Lookup, NetError>) -> Self {
        let lookup = match answer {
            Ok(lookup) => lookup,
            Err(NetError::Dns(DnsError::NoRecordsFound(NoRecords {
                negative_ttl, response_code, ..
            }))) => {
                let ttl = negative_ttl.map_or(NEGATIVE, |seconds| Duration::from_secs(seconds.into()));
                return Self::None { ttl, message: response_code.to_string() };
            }
            Err(error) => {
                let silence = !matches!(error, NetError::Dns(DnsError::ResponseCode(_)));
                return Self::Failed { message: error.to_string(), silence };
            }
        };
        let addresses: Vec<_> = lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
        // Aliases on the way hold no longer than what they lead to.
        let ttl = lookup.answers().iter().map(|record| record.ttl).min();
        let ttl = ttl.map_or(NEGATIVE, |seconds| Duration::from_secs(seconds.into()));
        if addresses.is_empty() {
            return Self::None { ttl, message: "no records".to_owned() };
        }
        Self::Addresses { addresses, ttl }
    }

    /// Whether there is an address.
    pub(in super::super) fn has_addresses(&self) -> bool {
        matches!(self, Self::Addresses { .. })
    }

    /// Whether it is not known.
    pub(in super::super) fn has_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

impl Answers {
    /// The same failure for each family that is asked for.
    pub(super) fn failed(families: Families, message: &str) -> Self {
        let failed = |wanted| match wanted {
            true => Answer::Failed { message: message.to_owned(), silence: false },
            false => Answer::Unasked,
        };
        Self { ipv4: failed(families.ipv4), ipv6: failed(families.ipv6) }
    }

    /// Whether either family has an address.
    pub(in super::super) fn any_address(&self) -> bool {
        self.ipv4.has_addresses() || self.ipv6.has_addresses()
    }

    /// Whether either family is not known.
    pub(in super::super) fn any_failure(&self) -> bool {
        self.ipv4.has_failed() || self.ipv6.has_failed()
    }

    /// Whether no server answered.
    pub(super) fn is_silence(&self) -> bool {
        [&self.ipv4, &self.ipv6].iter().any(|answer| matches!(answer, Answer::Failed { silence: true, .. }))
    }
}
