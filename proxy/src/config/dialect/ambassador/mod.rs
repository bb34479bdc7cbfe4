//! Ambassador's resources: `TCPMapping`, and what the others of them say about it.

mod binds;
mod circuit_breaker;
mod group;
mod host_glob;
mod kind;
mod listener;
mod mapping;
mod module;
mod namespace;
mod networks;
mod overrides;
mod proxy_protocol;
mod resolution;
mod resolvers;
mod scope;
mod service;
mod spec;
mod tls;
mod way;
mod weights;
mod write;

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use self::group::Candidate;
use self::kind::Kind;
pub(super) use self::kind::knows;
use self::listener::Stacks;
use self::mapping::Context;
use self::module::Module;
use self::resolvers::Resolvers;
use self::scope::Scope;
use self::tls::Tls;
pub(super) use self::write::write;
use super::cluster::Cluster;
use super::merge::Claim;
use super::report::Report;
use super::resource::Resource;
use super::secret::Secrets;
use super::strangers::Strangers;
use crate::config::diagnostic::Diagnostic;
use crate::config::material::Files;
use crate::config::settings::Settings;

/// What resources are read against.
pub(super) struct Sources<'a> {
    pub(super) secrets: &'a Secrets,
    pub(super) cluster: &'a Cluster<'a>,
    pub(super) files: &'a RefCell<Files>,
    pub(super) settings: &'a Settings,
}

/// Lowers the resources that are meant for this process.
pub(super) fn lower(
    resources: &[Resource<'_>],
    Sources { secrets, cluster, files, settings }: Sources<'_>,
    strangers: &mut Strangers,
    found: &mut Vec<Diagnostic>,
) -> Vec<Claim> {
    let (mut mappings, mut modules, mut listeners) = (Vec::new(), Vec::new(), Vec::new());
    let mut resolvers = Vec::new();
    let mut about_tls = tls::Resources { hosts: Vec::new(), contexts: Vec::new(), module: None };
    let scope = Scope::new(&settings.ambassador, found);
    for resource in resources {
        let Some(kind) = kind::of(resource, settings, strangers, found) else {
            continue;
        };
        let noun = kind.noun();
        let report =
            Report::new(resource.place.clone(), resource.label(&settings.ambassador.namespace), noun);
        if !scope.includes(resource, &report) {
            found.extend(report.into_diagnostics());
            continue;
        }
        match kind {
            Kind::TcpMapping => mappings.push((resource, report)),
            Kind::Module if resource.name().as_deref() == Some("tls") => {
                about_tls.module = Some((resource, report));
            }
            Kind::Module => modules.push((resource, report)),
            Kind::Listener => listeners.push((resource, report)),
            Kind::Host => about_tls.hosts.push((resource, report)),
            Kind::TlsContext => about_tls.contexts.push((resource, report)),
            Kind::ServiceResolver | Kind::EndpointResolver | Kind::ConsulResolver => {
                resolvers.push((kind, resource, report));
            }
        }
    }
    let module = Module::read(modules, settings, found);
    let stacks = Stacks::read(listeners, settings, found);
    let namespacing = module.secret_namespacing.unwrap_or(true);
    let tls = Tls::read(about_tls, namespacing, secrets, files, settings, found);
    let resolvers = Resolvers::read(resolvers, &settings.ambassador.namespace, found);
    let context =
        Context { settings, module: &module, stacks: &stacks, tls: &tls, resolvers: &resolvers, cluster };
    let candidates: Vec<Candidate> = mappings
        .into_iter()
        .filter_map(|(resource, report)| mapping::lower(resource, report, &context, found))
        .collect();
    tls.finish(found);
    stacks.finish(found);
    group::assemble(candidates, found)
}
