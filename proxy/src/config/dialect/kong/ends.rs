//! `sources` and `destinations`: ends of connections, and how much they ask for.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::dialect::fields::{Fields, scalar, show};
use crate::config::dialect::report::Report;
use crate::config::model::Ends;

/// A list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct EndsList {
    pub(super) all: Vec<Ends>,
    /// What Kong's router ranks them by, over all of them: 8 for an address, 4 for a port, 1 for a network.
    pub(super) class: u64,
}

impl EndsList {
    /// The list of that name; none where it is empty.
    pub(super) fn read(fields: &Fields<'_>, name: &'static str, report: &Report) -> Self {
        let mut list = Self::default();
        for entry in fields.children(name).unwrap_or_default() {
            let ip = entry.raw("ip").map(|value| (scalar(value), value));
            let network = match ip {
                None => None,
                Some((text, value)) => match text.as_deref().and_then(network) {
                    Some(network) => Some(network),
                    None => {
                        let message = format!(
                            "invalid ip or cidr range: {}; write 10.1.2.3 or 10.0.0.0/8",
                            show(value)
                        );
                        report.discard(entry.path("ip"), message);
                        continue;
                    }
                },
            };
            let port = entry.integer("port", 0..=65_535).and_then(|port| u16::try_from(port).ok());
            let is_strange = !entry.unknown(&[]).is_empty();
            entry.refuse_unknown(&[]);
            if !is_strange && network.is_none() && port.is_none() && entry.raw("port").is_none() {
                report.discard(entry.path("ip"), "is missing, as is port; write one of them");
            }
            list.class |= match network {
                None => 0,
                Some((_, true)) => 1,
                Some((_, false)) => 8,
            };
            list.class |= if port.is_some() { 4 } else { 0 };
            list.all.push(Ends { network: network.map(|(network, _)| network), port });
        }
        list
    }

    /// These, where a network of one address is written as the address.
    pub(super) fn of(all: &[Ends]) -> Self {
        let class = all.iter().fold(0, |class, ends| {
            let of_address = ends.network.map_or(0, |network| if is_one(network) { 8 } else { 1 });
            class | of_address | if ends.port.is_some() { 4 } else { 0 }
        });
        Self { all: all.to_vec(), class }
    }
}

/// Whether it is but one address.
pub(super) fn is_one(network: IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

/// An address or a network, without what is behind its prefix; and whether it is written as a network.
pub(super) fn network(text: &str) -> Option<(IpNet, bool)> {
    let text = text.trim();
    if text.contains('/') {
        return text.parse::<IpNet>().ok().map(|network| (network.trunc(), true));
    }
    text.parse::<IpAddr>().ok().map(|address| (IpNet::from(address.to_canonical()), false))
}
