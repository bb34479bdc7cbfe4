//! Where a route's connections go, and which share of them nowhere.

use std::sync::Arc;

use super::grant::Grants;
use super::id::Id;
use super::route::{BackendRef, Route};
use super::status::Fault;
use super::store::permitted;
use crate::config::dialect::cluster::Cluster;
use crate::config::dialect::report::Report;
use crate::config::model::{Host, Resolution, Service};

/// A backend and its share.
#[derive(Debug)]
pub(super) struct Backend {
    /// `pay:80`, with its namespace where that is another than the route's.
    pub(super) shown: String,
    pub(super) weight: u32,
    /// Or why its share is refused.
    pub(super) found: Result<Found, Fault>,
}

/// A Service's port.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: Id,
    pub(super) port_name: PortName,
    pub(super) service: Service,
    pub(super) resolution: Resolution,
}

/// What is known of a port's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PortName {
    /// The configuration does not have the Service.
    Unknown,
    Unnamed,
    Named(String),
}

/// What backends are looked up in.
#[derive(Clone, Copy)]
pub(super) struct Backends<'a> {
    pub(super) cluster: &'a Cluster<'a>,
    pub(super) grants: &'a Grants,
    /// Where names need no namespace behind them.
    pub(super) namespace: &'a str,
}

const NOT_FOUND: &str = "BackendNotFound";

impl Backends<'_> {
    /// All of a route's, in its order.
    pub(super) fn of(&self, route: &Route) -> Vec<Backend> {
        let own = &route.head.id.namespace;
        let backend = |reference: &BackendRef| {
            let found = self.find(route.kind(), own, reference, &route.report);
            if let Err(fault) = &found {
                let message = format!("{}; its share of connections is refused", fault.message);
                route.report.error(&reference.field, message);
            }
            Backend { shown: shown(reference, own), weight: reference.weight, found }
        };
        route.backends.iter().map(backend).collect()
    }

    fn find(&self, kind: &str, own: &str, reference: &BackendRef, report: &Report) -> Result<Found, Fault> {
        let (object, id) = (&reference.object, reference.object.id(own));
        let (true, Some(port)) = (object.is("", "Service"), reference.port) else {
            let message =
                format!("{} is no Service of Kubernetes, which alone can be a backend", object.shown(own));
            return Err(Fault::new("InvalidKind", message));
        };
        permitted(self.grants, object, kind, own)?;
        let host = if id.namespace == self.namespace {
            id.name.clone()
        } else {
            format!("{}.{}", id.name, id.namespace)
        };
        let service = Service { host: Host::Name(host.to_ascii_lowercase().into()), port };
        if self.cluster.is_empty() {
            let message =
                format!("Service {id} is looked up in DNS as {service}: the configuration has no Services");
            report.info(&reference.field, message);
            return Ok(Found { id, port_name: PortName::Unknown, service, resolution: Resolution::Dns });
        }
        let not_found = |message: String| Fault::new(NOT_FOUND, message);
        let Some(known) = self.cluster.service(&id.namespace, &id.name) else {
            let elsewhere = self.cluster.elsewhere(&id.namespace, &id.name);
            return Err(not_found(format!("there is no Service {id} in the configuration{elsewhere}")));
        };
        if known.is_external {
            let message = format!(
                "Service {id} is an ExternalName, which the Gateway API advises against for its safety"
            );
            return Err(Fault::new("InvalidKind", message));
        }
        let port_name = known
            .port_name(port)
            .map_err(|ports| not_found(format!("Service {id} has no TCP port {port}; it has {ports}")))?;
        let port_name = match port_name {
            "" => PortName::Unnamed,
            name => PortName::Named(name.to_owned()),
        };
        let resolution =
            if known.has_endpoints { self.endpoints(&id, port, reference, report) } else { Resolution::Dns };
        Ok(Found { id, port_name, service, resolution })
    }

    fn endpoints(&self, id: &Id, port: u16, reference: &BackendRef, report: &Report) -> Resolution {
        let backing = self.cluster.backing(&id.namespace, &id.name, port).unwrap_or_default();
        for fault in &backing.faults {
            report.warn(&reference.field, fault);
        }
        if backing.endpoints.is_empty() {
            let message = format!(
                "no endpoint of Service {id} is ready; its share of connections is refused until one is"
            );
            report.warn(&reference.field, message);
        }
        Resolution::Fixed(Arc::from(backing.endpoints))
    }
}

fn shown(reference: &BackendRef, own: &str) -> String {
    let object = &reference.object;
    let namespace = object.namespace.as_deref().filter(|namespace| *namespace != own);
    let namespace = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let port = reference.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{namespace}{}{port}", object.name)
}
