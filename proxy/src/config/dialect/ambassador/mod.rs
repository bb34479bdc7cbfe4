//! Ambassador's resources: `TCPMapping`, and what the others of them say about it.

mod circuit_breaker;
mod group;
mod kind;
mod listener;
mod mapping;
mod module;
mod namespace;
mod overrides;
mod scope;
mod service;
mod spec;
mod weights;

#[cfg(test)]
mod tests;

use self::group::Candidate;
use self::kind::Kind;
use self::listener::Stacks;
use self::mapping::Context;
use self::module::Module;
use self::scope::Scope;
use super::report::Report;
use super::resource::Resource;
use super::strangers::{Stranger, Strangers};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::Config;
use crate::config::settings::Settings;

/// Lowers the resources that are meant for this process.
pub(super) fn lower(
    resources: &[Resource<'_>],
    settings: &Settings,
    strangers: &mut Strangers,
    found: &mut Vec<Diagnostic>,
) -> Config {
    let (mut mappings, mut modules, mut listeners) = (Vec::new(), Vec::new(), Vec::new());
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
            Kind::Module => modules.push((resource, report)),
            Kind::Listener => {
                let described = format!("kind Listener ({})", resource.api_version);
                strangers.meet(Stranger::Tls, &described, &resource.place);
                listeners.push((resource, report));
            }
        }
    }
    let module = Module::read(modules, settings, found);
    let stacks = Stacks::read(listeners, settings, found);
    let context = Context { settings, module: &module, stacks: &stacks };
    let candidates: Vec<Candidate> = mappings
        .into_iter()
        .filter_map(|(resource, report)| mapping::lower(resource, report, &context, found))
        .collect();
    group::assemble(candidates, found)
}
