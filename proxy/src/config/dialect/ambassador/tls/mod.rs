//! Certificates for mappings: what `Host`, `TLSContext`, `Secret` and the Module `tls` come to.

mod block;
mod context;
mod declared;
mod glob;
mod host;
mod originate;
pub(super) mod parameters;
mod store;
mod terminate;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::secret::Secrets;
use crate::config::material::Files;
use crate::config::model::{NameSent, Origination};
use crate::config::settings::Settings;

#[cfg(test)]
pub(super) use glob::overlap;
pub(super) use originate::Wanted;
pub(super) use parameters::alpn;

use context::Contexts;
use host::Host;
use store::Store;

/// Everything a mapping can find certificates in.
pub(super) struct Tls<'a> {
    /// In Ambassador's order: by name, then namespace.
    hosts: Vec<Host>,
    contexts: Contexts,
    store: Store<'a>,
    settings: &'a Settings,
    /// Those made so far.
    originations: RefCell<Originations>,
    /// That upstreams are not verified is said once.
    unverified_said: Cell<bool>,
}

/// By who declared them and the name they ask for.
type Originations = HashMap<(Arc<str>, NameSent), Vec<Arc<Origination>>>;

/// The resources that say something about TLS.
pub(super) struct Resources<'r, 'd> {
    pub(super) hosts: Vec<(&'r Resource<'d>, Report)>,
    pub(super) contexts: Vec<(&'r Resource<'d>, Report)>,
    /// The Module `tls`, which older installations have.
    pub(super) module: Option<(&'r Resource<'d>, Report)>,
}

impl<'a> Tls<'a> {
    /// Reads the resources; certificates are looked up where a mapping wants them.
    pub(super) fn read(
        resources: Resources<'_, '_>,
        namespacing: bool,
        secrets: &'a Secrets,
        files: &'a RefCell<Files>,
        settings: &'a Settings,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let defaults = block::Defaults { own_namespace: &settings.ambassador.namespace, namespacing };
        let contexts = Contexts::read(resources.contexts, resources.module, &defaults, found);
        let hosts = host::read(resources.hosts, &defaults, found);
        let store = Store::new(secrets, files, settings.ambassador.force_secret_validation);
        Self {
            hosts,
            contexts,
            store,
            settings,
            originations: RefCell::default(),
            unverified_said: false.into(),
        }
    }

    /// Gives out what was found about the resources, once every mapping has been served.
    pub(super) fn finish(self, found: &mut Vec<Diagnostic>) {
        for host in self.hosts {
            found.extend(host.declared.report.into_diagnostics());
        }
        self.contexts.finish(found);
    }
}
