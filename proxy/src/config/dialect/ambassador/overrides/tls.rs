//! Annotations about TLS: passing it through by name, preludes, and names of upstreams.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::dialect::ambassador::tls::alpn;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::names;
use crate::config::dialect::report::Report;
use crate::config::model::{NameSent, Prelude, SanPattern};

pub(in crate::config::dialect::ambassador) const MODE: &str = "sluice.dev/tls-mode";
pub(in crate::config::dialect::ambassador) const ALPN: &str = "sluice.dev/tls-alpn";
pub(in crate::config::dialect::ambassador) const STARTTLS: &str = "sluice.dev/starttls";
pub(in crate::config::dialect::ambassador) const SANS: &str = "sluice.dev/upstream-sans";
pub(in crate::config::dialect::ambassador) const SNI: &str = "sluice.dev/upstream-sni";
pub(in crate::config::dialect::ambassador) const DEPTH: &str = "sluice.dev/upstream-verify-depth";

/// As deep as OpenSSL goes unless it is told otherwise.
const DEEPEST: u64 = 100;

/// What a mapping's annotations say about TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::config::dialect::ambassador) struct TlsOverrides {
    /// Clients' TLS goes on as it comes.
    pub(in crate::config::dialect::ambassador) passthrough: bool,
    /// Sorted, so that lists of the same protocols are the same.
    pub(in crate::config::dialect::ambassador) alpn: Vec<Arc<[u8]>>,
    pub(in crate::config::dialect::ambassador) prelude: Option<Prelude>,
    pub(in crate::config::dialect::ambassador) sans: Vec<SanPattern>,
    /// The name sent to the upstream, where that is not left to the context or the service.
    pub(in crate::config::dialect::ambassador) server_name: Option<NameSent>,
    /// Certificates between the upstream's own and the root's at most.
    pub(in crate::config::dialect::ambassador) depth: Option<u8>,
    /// Where each of them stands, for whoever finds that it does not fit.
    pub(in crate::config::dialect::ambassador) paths: Paths,
}

/// Paths of the annotations that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::config::dialect::ambassador) struct Paths {
    pub(in crate::config::dialect::ambassador) mode: Option<String>,
    pub(in crate::config::dialect::ambassador) alpn: Option<String>,
    pub(in crate::config::dialect::ambassador) starttls: Option<String>,
    pub(in crate::config::dialect::ambassador) sans: Option<String>,
    pub(in crate::config::dialect::ambassador) sni: Option<String>,
    pub(in crate::config::dialect::ambassador) depth: Option<String>,
}

impl TlsOverrides {
    pub(super) fn read(annotations: &Fields<'_>, report: &Report) -> Self {
        let there = |name: &'static str| annotations.raw(name).map(|_| annotations.path(name));
        let mut alpn = alpn(annotations, ALPN, report);
        alpn.sort();
        alpn.dedup();
        Self {
            passthrough: annotations
                .choice(MODE, &[("terminate", false), ("passthrough", true)])
                .unwrap_or(false),
            alpn,
            prelude: annotations.choice(STARTTLS, &[("postgres", Prelude::Postgres)]),
            sans: sans(annotations, report),
            server_name: sni(annotations, report),
            depth: annotations.integer(DEPTH, 0..=DEEPEST).and_then(|depth| u8::try_from(depth).ok()),
            paths: Paths {
                mode: there(MODE),
                alpn: there(ALPN),
                starttls: there(STARTTLS),
                sans: there(SANS),
                sni: there(SNI),
                depth: there(DEPTH),
            },
        }
    }
}

fn sni(annotations: &Fields<'_>, report: &Report) -> Option<NameSent> {
    let text = annotations.filled(SNI)?;
    match text.trim() {
        "none" => Some(NameSent::Nothing),
        "host" => Some(NameSent::Host),
        "client" => Some(NameSent::Client),
        name => {
            let sent = names::server_name(name).map(NameSent::Fixed);
            if sent.is_none() {
                let message = format!("{name:?} is no DNS name, and none of host, client and none");
                report.discard(annotations.path(SNI), message);
            }
            sent
        }
    }
}

/// A list, or the text of one: Kubernetes takes nothing but text in annotations.
fn sans(annotations: &Fields<'_>, report: &Report) -> Vec<SanPattern> {
    let Some(texts) = annotations.texts(SANS) else {
        return Vec::new();
    };
    let items: Vec<_> = texts
        .iter()
        .flat_map(|text| text.split([',', '\n']))
        .map(|item| item.trim_matches(|c: char| c.is_whitespace() || "[]\"'".contains(c)))
        .filter(|item| !item.is_empty())
        .collect();
    if items.is_empty() {
        report.discard(annotations.path(SANS), "names nobody; give dns:NAME, or leave it out");
    }
    let mut patterns = Vec::new();
    for item in items {
        match san(item) {
            Some(pattern) => patterns.push(pattern),
            None => report.discard(
                annotations.path(SANS),
                format!("{item:?} is none of dns:NAME, uri:URI, spiffe://DOMAIN/PATH and ip:ADDRESS"),
            ),
        }
    }
    patterns
}

fn san(item: &str) -> Option<SanPattern> {
    let (kind, rest) = item.split_once(':')?;
    let rest = rest.trim();
    match kind {
        "dns" => names::server_name(rest).map(SanPattern::Dns),
        "ip" => rest.parse::<IpAddr>().ok().map(SanPattern::Ip),
        "uri" if rest.contains(':') => Some(SanPattern::Uri(rest.into())),
        // A SPIFFE identity is a URI already; some write the scheme twice.
        "spiffe" if rest.starts_with("//") => Some(SanPattern::Uri(item.into())),
        "spiffe" if rest.starts_with("spiffe://") => Some(SanPattern::Uri(rest.into())),
        _ => None,
    }
}
