//! Lists of networks in annotations.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;

/// A list, or one string with commas or lines between, or in brackets: Kubernetes takes nothing but text in
/// annotations. `without` says what it means to leave the annotation out.
pub(super) fn read(
    annotations: &Fields<'_>,
    name: &'static str,
    without: &str,
    report: &Report,
) -> Option<Vec<IpNet>> {
    let texts = annotations.texts(name)?;
    let (mut networks, mut named) = (Vec::new(), false);
    for item in items(&texts) {
        named = true;
        match network(item) {
            Some(network) => networks.push(network),
            None => report.discard(
                annotations.path(name),
                format!("{item:?} is no network; write one such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1"),
            ),
        }
    }
    if !named {
        let message = format!("names nobody; give networks such as 10.0.0.0/8, or leave it out {without}");
        report.discard(annotations.path(name), message);
    }
    Some(networks)
}

/// What a list has, or the text of one.
pub(super) fn items(texts: &[String]) -> impl Iterator<Item = &str> {
    texts
        .iter()
        .flat_map(|text| text.split([',', '\n']))
        .map(|item| item.trim_matches(|c: char| c.is_whitespace() || "[]\"'".contains(c)))
        .filter(|item| !item.is_empty())
}

/// A network, or an address alone.
fn network(item: &str) -> Option<IpNet> {
    item.parse::<IpNet>().map(|net| net.trunc()).or_else(|_| item.parse::<IpAddr>().map(IpNet::from)).ok()
}
