//! Services that routes refer to.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Standing, grant, lacks};
use crate::config::dialect::write::{Draft, ObjectName, Taken, service};
use crate::config::model::{Host, Mapping, Matcher, Resolution, Route, Service, Target};
use crate::config::settings::Settings;

/// Services that have been written, or are taken to be there.
pub(super) struct Backends {
    taken: Taken,
    /// Those whose endpoints are written: by port and endpoints.
    fixed: Vec<(u16, Vec<SocketAddr>, ObjectName)>,
    /// Those that DNS knows.
    named: Vec<(ObjectName, u16)>,
}

/// Where a route's connections go.
pub(super) struct Shares {
    pub(super) references: Vec<Value>,
    /// One for each mapping.
    pub(super) services: Vec<ObjectName>,
}

/// The Service that a name stands for, `name` or `name.namespace` as within a cluster.
pub(super) fn object(host: &str, settings: &Settings) -> Option<ObjectName> {
    let host = host.strip_suffix(".svc.cluster.local").or_else(|| host.strip_suffix(".svc")).unwrap_or(host);
    let mut labels = host.split('.');
    let (name, namespace) = (labels.next()?, labels.next());
    let own = &settings.ambassador.namespace;
    labels.next().is_none().then(|| ObjectName {
        name: name.to_owned(),
        namespace: namespace.filter(|namespace| namespace != own).map(str::to_owned),
    })
}

impl Backends {
    /// Names that DNS knows are kept free of others.
    pub(super) fn new(standing: &[Standing<'_>]) -> Self {
        let mut taken = Taken::default();
        for mapping in standing.iter().flat_map(|standing| &standing.route.mappings) {
            if let Some(Service { host: Host::Name(name), .. }) = lacks::only(mapping) {
                let name = name.split('.').next().unwrap_or(name);
                taken.free(ObjectName { name: name.to_owned(), namespace: None });
            }
        }
        Self { taken, fixed: Vec::new(), named: Vec::new() }
    }

    /// `None` where nobody is left; what was lost has been noted.
    pub(super) fn of(&mut self, route: &Route, draft: &mut Draft<'_>) -> Option<Shares> {
        let kind = if matches!(route.matcher, Matcher::Tls { .. }) { "TLSRoute" } else { "TCPRoute" };
        let (mut references, mut services) = (Vec::new(), Vec::new());
        for mapping in &route.mappings {
            let (name, port) = match (lacks::only(mapping), &mapping.resolution) {
                (Some(Service { host: Host::Ip(ip), port }), _) => {
                    self.backed(mapping, &[SocketAddr::new(*ip, *port)], draft)
                }
                (Some(Service { host: Host::Name(name), port }), _) => {
                    let known = (object(name, draft.settings)?, *port);
                    if !self.named.contains(&known) {
                        self.named.push(known.clone());
                    }
                    known
                }
                (None, Resolution::Fixed(endpoints)) => self.backed(mapping, endpoints, draft),
                (None, Resolution::Targets(targets)) => {
                    let endpoints = self.of_targets(mapping, targets, draft)?;
                    self.backed(mapping, &endpoints, draft)
                }
                (None, Resolution::Dns | Resolution::Catalogue(_)) => return None,
            };
            grant(kind, "Service", &name, draft);
            references.push(json!({
                "name": name.name,
                "namespace": name.namespace,
                "port": port,
                "weight": mapping.weight.0,
            }));
            services.push(name);
        }
        Some(Shares { references, services })
    }

    /// Endpoints of equal shares are those of a Service; there is no other way to say several.
    fn of_targets(
        &self,
        mapping: &Mapping,
        targets: &[Target],
        draft: &mut Draft<'_>,
    ) -> Option<Vec<SocketAddr>> {
        let weights: Vec<_> = targets.iter().map(|target| target.weight).collect();
        let endpoints: Option<Vec<_>> = targets
            .iter()
            .map(|target| match target.service.host {
                Host::Ip(ip) => Some(SocketAddr::new(ip, target.service.port)),
                Host::Name(_) => None,
            })
            .collect();
        if endpoints.is_none() {
            draft.lose(
                &mapping.name.0,
                "goes to several names at once, and a Service has addresses; the route is left out",
            );
        } else if weights.iter().any(|weight| *weight != weights[0]) {
            draft.lose(
                &mapping.name.0,
                "goes to addresses of different weights, and endpoints of a Service have none",
            );
        }
        endpoints
    }

    fn backed(
        &mut self,
        mapping: &Mapping,
        endpoints: &[SocketAddr],
        draft: &mut Draft<'_>,
    ) -> (ObjectName, u16) {
        let port = mapping.service.port;
        let known = self.fixed.iter().find(|(own, of, _)| *own == port && of == endpoints);
        if let Some((.., name)) = known {
            return (name.clone(), port);
        }
        let words = &mapping.name.0;
        let wanted =
            ObjectName { namespace: None, ..ObjectName::of(words, &draft.settings.ambassador.namespace) };
        let name = self.taken.free(wanted);
        self.fixed.push((port, endpoints.to_vec(), name.clone()));
        (name, port)
    }

    /// Where some Services are written, whoever reads them takes them for all that there are.
    pub(super) fn finish(self, draft: &mut Draft<'_>) {
        if self.fixed.is_empty() {
            return;
        }
        for (port, endpoints, name) in &self.fixed {
            service::backed(name, *port, endpoints, draft);
        }
        let mut ports: Vec<(ObjectName, Vec<u16>)> = Vec::new();
        for (name, port) in self.named {
            match ports.iter_mut().find(|(known, _)| *known == name) {
                Some((_, ports)) => ports.push(port),
                None => ports.push((name, vec![port])),
            }
        }
        for (name, ports) in ports {
            service::bare(&name, &ports, draft);
        }
    }
}
