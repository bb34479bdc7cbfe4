//! Annotations about the PROXY protocol: whose headers a `Listener` takes, and which one a mapping's upstream gets.

use super::networks;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::words::nearest;
use crate::config::model::{ProxySources, ProxyVersion};

/// On a `Listener`.
pub(super) const FROM: &str = "sluice.dev/proxy-protocol-from";
/// On a mapping.
pub(super) const SEND: &str = "sluice.dev/proxy-protocol";

/// The header that a mapping's upstream wants to hear.
pub(super) fn sent(annotations: &Fields<'_>) -> Option<ProxyVersion> {
    let versions =
        [ProxyVersion::V1, ProxyVersion::V2 { checksum: false }, ProxyVersion::V2 { checksum: true }];
    annotations.choice(SEND, &versions.map(|version| (version.as_str(), version)))
}

/// Whose headers a Listener takes that has PROXY in its stack or, without, is not to name anybody.
pub(super) fn sources(resource: &Resource<'_>, in_stack: bool, report: &Report) -> ProxySources {
    let annotations = resource.metadata(report).and_then(|metadata| metadata.child("annotations"));
    let Some(annotations) = annotations else {
        return ProxySources::Everyone;
    };
    warn_unknown(&annotations, report);
    let without = "to take everybody's headers";
    let Some(networks) = networks::read(&annotations, FROM, without, report) else {
        return ProxySources::Everyone;
    };
    if !in_stack {
        let message = "says whose PROXY headers are taken, and none are: write protocolStack: [PROXY, TCP], or leave \
                       it out";
        report.warn(annotations.path(FROM), message);
    }
    ProxySources::Networks(networks)
}

fn warn_unknown(annotations: &Fields<'_>, report: &Report) {
    for name in annotations.names() {
        if !name.starts_with("sluice.dev/") || name == FROM {
            continue;
        }
        let hint = match nearest(&name, &[FROM]) {
            Some(near) if name != SEND => format!("did you mean {near:?}?"),
            _ => format!("a Listener knows {FROM}"),
        };
        report.warn(annotations.path(&name), format!("unknown annotation {name:?} is ignored; {hint}"));
    }
}
