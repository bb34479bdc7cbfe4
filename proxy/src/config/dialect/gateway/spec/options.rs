//! `tls.options`: what a handshake may agree on, under sluice's own keys.

use std::sync::Arc;

use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::{Parameters, Versions};

const MIN: &str = "sluice.dev/min-tls-version";
const MAX: &str = "sluice.dev/max-tls-version";
const ALPN: &str = "sluice.dev/alpn";
/// Old and new, with TLS 1.3 or without.
const VERSIONS: [(&str, bool); 4] = [("1.2", false), ("1.3", true), ("v1.2", false), ("v1.3", true)];

/// Reads those that are sluice's; keys of others are warned of.
pub(super) fn read(options: &Fields<'_>, report: &Report) -> Parameters {
    let least = options.choice(MIN, &VERSIONS).unwrap_or(false);
    let most = options.choice(MAX, &VERSIONS).unwrap_or(true);
    if least && !most {
        report.discard(options.path(MAX), format!("is less than {MIN}, so no version is left"));
    }
    let text = options.text(ALPN).unwrap_or_default();
    let names: Vec<_> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.iter().any(|name| name.len() > 255) {
        report.discard(
            options.path(ALPN),
            "has a protocol of more than 255 bytes, the longest there is (RFC 7301)",
        );
    }
    let alpn: Vec<Arc<[u8]>> = names.into_iter().map(|name| name.as_bytes().into()).collect();
    options.warn_unknown(&[]);
    Parameters { versions: Versions { tls12: !least, tls13: most }, alpn, ..Parameters::default() }
}
