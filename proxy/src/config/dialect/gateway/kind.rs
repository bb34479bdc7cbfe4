//! Which of the Gateway API's kinds a resource is, and in a version that has it.

use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::strangers::Strangers;
use crate::config::settings::Settings;

/// The group of all of them.
pub(super) const GROUP: &str = "gateway.networking.k8s.io";

/// The group of what the AWS Load Balancer Controller adds.
pub(super) const AWS: &str = "gateway.k8s.aws";

/// Kinds of these groups that are no misspelling of those read here.
const OTHERS: [&str; 7] = [
    "ListenerRuleConfiguration",
    "HTTPRoute",
    "GRPCRoute",
    "UDPRoute",
    "ListenerSet",
    "XListenerSet",
    "XBackendTrafficPolicy",
];

/// A kind that says something about TCP or TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    GatewayClass,
    Gateway,
    TcpRoute,
    TlsRoute,
    ReferenceGrant,
    BackendTlsPolicy,
    LoadBalancerConfiguration,
    TargetGroupConfiguration,
}

/// As users write them, in which versions, and what a message calls such a resource.
const NAMES: [(&str, Kind, &[&str], &str); 6] = [
    ("GatewayClass", Kind::GatewayClass, &["v1", "v1beta1", "v1alpha2"], "GatewayClass"),
    ("Gateway", Kind::Gateway, &["v1", "v1beta1", "v1alpha2"], "Gateway"),
    ("TCPRoute", Kind::TcpRoute, &["v1", "v1alpha2"], "route"),
    ("TLSRoute", Kind::TlsRoute, &["v1", "v1alpha3", "v1alpha2"], "route"),
    ("ReferenceGrant", Kind::ReferenceGrant, &["v1", "v1beta1", "v1alpha2"], "grant"),
    ("BackendTLSPolicy", Kind::BackendTlsPolicy, &["v1", "v1alpha3", "v1alpha2"], "policy"),
];

/// The same of Amazon's group.
const AWS_NAMES: [(&str, Kind, &[&str], &str); 2] = [
    ("LoadBalancerConfiguration", Kind::LoadBalancerConfiguration, &["v1", "v1beta1"], "configuration"),
    ("TargetGroupConfiguration", Kind::TargetGroupConfiguration, &["v1", "v1beta1"], "configuration"),
];

impl Kind {
    /// What a message calls such a resource.
    pub(super) fn noun(self) -> &'static str {
        NAMES
            .iter()
            .chain(&AWS_NAMES)
            .find(|(_, kind, ..)| *kind == self)
            .map_or("resource", |(.., noun)| noun)
    }

    /// Whether without it connections would be less safe than its author wanted. Such a resource is known even where it
    /// cannot be read: whoever is under it is refused then.
    pub(super) fn protects(self) -> bool {
        matches!(self, Self::BackendTlsPolicy | Self::TargetGroupConfiguration)
    }
}

/// Whether a resource's kind is one of those.
pub(in crate::config::dialect) fn knows(resource: &Resource<'_>) -> bool {
    let names: &[_] = match resource.api_version.split_once('/') {
        Some((GROUP, _)) => &NAMES,
        Some((AWS, _)) => &AWS_NAMES,
        _ => &[],
    };
    names.iter().any(|(name, ..)| *name == resource.kind)
}

/// The kind of a resource that is to be read, and what is wrong with its version; others are counted or found fault
/// with.
pub(super) fn of(
    resource: &Resource<'_>,
    settings: &Settings,
    strangers: &mut Strangers,
    found: &mut Vec<Diagnostic>,
) -> Option<(Kind, Result<(), String>)> {
    let (group, version) = resource.api_version.split_once('/').unwrap_or_default();
    let all: &[_] = match group {
        GROUP => &NAMES,
        AWS => &AWS_NAMES,
        _ => {
            let described = format!("kind {} ({})", resource.kind, resource.api_version);
            strangers.meet(&described, &resource.place);
            return None;
        }
    };
    let Some((_, kind, versions, _)) = all.iter().find(|(name, ..)| *name == resource.kind) else {
        let names: Vec<_> = all.iter().map(|(name, ..)| *name).collect();
        strangers.turn_away(resource, [&names, &OTHERS], &settings.ambassador.namespace, found);
        return None;
    };
    if versions.contains(&version) {
        return Some((*kind, Ok(())));
    }
    let message =
        format!("{:?} has no {}; write {group}/{}", resource.api_version, resource.kind, versions[0]);
    Some((*kind, Err(message)))
}
