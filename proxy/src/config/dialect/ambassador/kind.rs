//! Which of Ambassador's kinds a resource is, and in a version that has it.

use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::strangers::Strangers;
use crate::config::settings::Settings;

const VERSIONS: [&str; 5] = ["v3alpha1", "v2", "v1", "v1beta2", "v1beta1"];

/// Kinds of Ambassador that are no misspelling of those read here.
const OTHERS: [&str; 10] = [
    "Mapping",
    "AuthService",
    "RateLimitService",
    "TracingService",
    "LogService",
    "DevPortal",
    "Filter",
    "FilterPolicy",
    "RateLimit",
    "ProjectController",
];

/// A kind that says something about TCP, or where its services are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    TcpMapping,
    Module,
    Listener,
    Host,
    TlsContext,
    ServiceResolver,
    EndpointResolver,
    ConsulResolver,
}

/// As users write them.
const NAMES: [(&str, Kind); 8] = [
    ("TCPMapping", Kind::TcpMapping),
    ("Module", Kind::Module),
    ("Listener", Kind::Listener),
    ("Host", Kind::Host),
    ("TLSContext", Kind::TlsContext),
    ("KubernetesServiceResolver", Kind::ServiceResolver),
    ("KubernetesEndpointResolver", Kind::EndpointResolver),
    ("ConsulResolver", Kind::ConsulResolver),
];

impl Kind {
    /// What a message calls such a resource.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Kind::TcpMapping => "mapping",
            Kind::Module => "Module",
            Kind::Listener => "Listener",
            Kind::Host => "Host",
            Kind::TlsContext => "TLSContext",
            Kind::ServiceResolver | Kind::EndpointResolver | Kind::ConsulResolver => "resolver",
        }
    }
}

/// Whether a kind is one of those.
pub(in crate::config::dialect) fn knows(kind: &str) -> bool {
    NAMES.iter().any(|(name, _)| *name == kind)
}

/// The kind of a resource that is to be read; others are counted or found fault with.
pub(super) fn of(
    resource: &Resource<'_>,
    settings: &Settings,
    strangers: &mut Strangers,
    found: &mut Vec<Diagnostic>,
) -> Option<Kind> {
    let Some((_, kind)) = NAMES.iter().find(|(name, _)| *name == resource.kind) else {
        let names = NAMES.map(|(name, _)| name);
        strangers.turn_away(resource, [&names, &OTHERS], &settings.ambassador.namespace, found);
        return None;
    };
    let version = resource.api_version.split_once('/').map_or("", |(_, version)| version);
    if VERSIONS.contains(&version) || (version == "v0" && *kind == Kind::Module) {
        return Some(*kind);
    }
    let report =
        Report::new(resource.place.clone(), resource.label(&settings.ambassador.namespace), kind.noun());
    let message =
        format!("{:?} has no {}; write getambassador.io/v3alpha1", resource.api_version, resource.kind);
    report.discard("apiVersion", message);
    found.extend(report.into_diagnostics());
    None
}
