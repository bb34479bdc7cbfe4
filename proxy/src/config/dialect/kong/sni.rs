//! Names that clients ask for, as routes and certificates write them.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::dialect::names;
use crate::config::model::{CertificateName, NamePattern};

/// What a name of a route means, or why none is meant.
pub(super) fn of_route(text: &str) -> Result<NamePattern, String> {
    match parts(text)? {
        Parts::Exact(name) => Ok(NamePattern::Exact(name)),
        Parts::Before(suffix) => Ok(NamePattern::Suffix(suffix)),
        Parts::Behind(prefix) => Ok(NamePattern::Prefix(prefix)),
        Parts::All => Err("\"*\" alone is no name; a route without snis takes every name".to_owned()),
    }
}

/// For which names a certificate is shown; `None` is those that have no other.
pub(super) fn of_certificate(text: &str) -> Result<Option<CertificateName>, String> {
    Ok(match parts(text)? {
        Parts::Exact(name) => Some(CertificateName::Exact(name)),
        Parts::Before(suffix) => Some(CertificateName::Before(suffix)),
        Parts::Behind(prefix) => Some(CertificateName::Behind(prefix)),
        Parts::All => None,
    })
}

enum Parts {
    Exact(Arc<str>),
    /// With its dot.
    Before(Arc<str>),
    /// With its dot.
    Behind(Arc<str>),
    All,
}

fn parts(text: &str) -> Result<Parts, String> {
    let shown: String = text.chars().take(80).collect();
    let bare = text.trim();
    if bare == "*" {
        return Ok(Parts::All);
    }
    if bare.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(format!("{shown:?} must not be an IP: clients ask for names; write one"));
    }
    if bare.contains(':') {
        return Err(format!("{shown:?} must not have a port; write the name alone"));
    }
    let name = |name: &str| {
        let found = names::server_name(name);
        found.ok_or_else(|| format!("{shown:?} is no DNS name, so no client can ask for it; write one"))
    };
    // The dot of the root is none of the name's.
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    match (bare.matches('*').count(), bare.strip_prefix("*."), bare.strip_suffix(".*")) {
        (0, ..) => name(bare).map(Parts::Exact),
        (1, Some(rest), _) => name(rest).map(|rest| Parts::Before(format!(".{rest}").into())),
        (1, _, Some(rest)) => name(rest).map(|rest| Parts::Behind(format!("{rest}.").into())),
        (1, ..) => Err(format!(
            "{shown:?}: the wildcard must be the leftmost or the rightmost label, as in *.example.com or example.*"
        )),
        _ => Err(format!("{shown:?}: only one wildcard must be specified")),
    }
}
