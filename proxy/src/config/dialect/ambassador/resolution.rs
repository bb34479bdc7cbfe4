//! Who knows where a mapping's service is, and what the service's name means to them.

use std::sync::Arc;

use super::mapping::Context;
use super::namespace::qualify;
use super::overrides::BalancingOverrides;
use super::resolvers::Resolver;
use super::service::{Port, Upstream};
use super::spec::Spec;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::{Catalogue, Host, Resolution, Service, Target};

const DEFAULT_PORT: u16 = 80;
const DEFAULT_TLS_PORT: u16 = 443;
/// What Ambassador has always used.
const DEFAULT_RESOLVER: &str = "kubernetes-service";

/// Where a mapping goes.
pub(super) struct Destination {
    pub(super) service: Service,
    pub(super) resolution: Resolution,
}

/// What a mapping is resolved by, and with.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) context: &'a Context<'a>,
    /// The mapping's.
    pub(super) namespace: &'a str,
    pub(super) fields: &'a Fields<'a>,
    pub(super) report: &'a Report,
    /// Whether TLS begins here.
    pub(super) tls: bool,
}

impl Asker<'_> {
    /// Where the service is; the report says what is wrong, and the mapping is then not served.
    pub(super) fn find(&self, spec: &Spec, upstream: &Upstream) -> Destination {
        match (self.resolver(spec), &upstream.host) {
            (Resolver::Consul { agent, datacenter }, _) => self.in_catalogue(upstream, agent, datacenter),
            // As in Ambassador, an address is nobody's to resolve.
            (Resolver::Endpoints, Host::Name(name)) => self.in_cluster(upstream, name),
            _ => Destination {
                service: self.service(upstream, &self.fields.path("service")),
                resolution: Resolution::Dns,
            },
        }
    }

    /// Several services in place of one, each with its weight. They are DNS's to find.
    pub(super) fn gather(
        &self,
        spec: &Spec,
        upstream: &Upstream,
        targets: &[(Upstream, u32)],
    ) -> Destination {
        let field = BalancingOverrides::TARGETS_FIELD;
        let is_asked = |resolver| matches!(resolver, Resolver::Endpoints | Resolver::Consul { .. });
        if spec.resolver.is_some() && is_asked(self.resolver(spec)) {
            let resolver = self.fields.path("resolver");
            self.report
                .discard(field, format!("are found by DNS, and {resolver} asks somebody else; remove one"));
        }
        let target =
            |(upstream, weight): &(_, u32)| Target { service: self.also(upstream, field), weight: *weight };
        let service = self.service(upstream, &self.fields.path("service"));
        Destination { service, resolution: Resolution::Targets(targets.iter().map(target).collect()) }
    }

    /// Host and port of what `field` names beside the mapping's own service.
    pub(super) fn also(&self, upstream: &Upstream, field: &str) -> Service {
        if upstream.tls && !self.tls {
            let message =
                "begins TLS where the mapping's own service does not; write both with https://, or neither";
            self.report.discard(field, message);
        }
        self.service(upstream, field)
    }

    fn resolver(&self, spec: &Spec) -> Resolver {
        let Context { module, resolvers, .. } = self.context;
        let name = spec.resolver.as_deref().or(module.resolver.as_deref()).unwrap_or(DEFAULT_RESOLVER);
        match resolvers.find(name.trim()) {
            Ok(resolver) => resolver.clone(),
            Err(why) => {
                let whose = if spec.resolver.is_some() { "" } else { "of Module ambassador: " };
                self.report.discard(self.fields.path("resolver"), format!("{whose}{why}"));
                Resolver::Dns
            }
        }
    }

    /// Host and port of what `field` names.
    pub(super) fn service(&self, upstream: &Upstream, field: &str) -> Service {
        let (own, use_own) =
            (&self.context.settings.ambassador.namespace, self.context.module.own_namespace_resolution);
        let host = qualify(upstream.host.clone(), self.namespace, own, use_own, field, self.report);
        Service { host, port: self.port(upstream.port, field) }
    }

    fn in_cluster(&self, upstream: &Upstream, name: &str) -> Destination {
        let service = self.service(upstream, &self.fields.path("service"));
        // `name.namespace.svc.cluster.local`, of which two labels count.
        let mut labels = name.split('.');
        let (name, namespace) = (labels.next().unwrap_or_default(), labels.next());
        let own = &self.context.settings.ambassador.namespace;
        let default = if self.context.module.own_namespace_resolution { own } else { self.namespace };
        let namespace = namespace.filter(|label| !label.is_empty()).unwrap_or(default);
        let field = self.fields.path("service");
        let endpoints = match self.context.cluster.backing(namespace, name, service.port) {
            Ok(backing) => {
                for fault in &backing.faults {
                    self.report.warn(&field, fault);
                }
                if backing.endpoints.is_empty() {
                    self.report.warn(
                        &field,
                        format!("no endpoint of Service {namespace}/{name} is ready; connections fail until one is"),
                    );
                }
                backing.endpoints
            }
            Err(why) => {
                self.report.discard(field, why);
                Vec::new()
            }
        };
        Destination { service, resolution: Resolution::Fixed(endpoints.into()) }
    }

    fn in_catalogue(&self, upstream: &Upstream, agent: Service, datacenter: String) -> Destination {
        let field = self.fields.path("service");
        let name = match &upstream.host {
            Host::Name(name) if !name.contains('.') => Arc::clone(name),
            host => {
                let service = Service { host: host.clone(), port: 0 }.to_string();
                let text = service.strip_suffix(":0").unwrap_or(&service);
                let message = format!(
                    "{text:?} is no name that Consul has; write the service's name alone, without dots"
                );
                self.report.discard(&field, message);
                text.into()
            }
        };
        if let Port::Given(port) = upstream.port {
            self.report.info(
                field,
                format!("names the port {port}, which does not count: Consul says the port of each instance"),
            );
        }
        let service = Service {
            host: Host::Name(Arc::clone(&name)),
            port: self.port(upstream.port, &self.fields.path("service")),
        };
        let catalogue = Catalogue { agent, datacenter: datacenter.into(), service: name };
        Destination { service, resolution: Resolution::Catalogue(Arc::new(catalogue)) }
    }

    fn port(&self, port: Port, field: &str) -> u16 {
        let default = if self.tls { DEFAULT_TLS_PORT } else { DEFAULT_PORT };
        match port {
            Port::Given(port) => port,
            Port::Default => default,
            Port::Void => {
                self.report.warn(
                    field,
                    format!("names no port behind the colon; {default} is taken, as Ambassador does"),
                );
                default
            }
        }
    }
}
