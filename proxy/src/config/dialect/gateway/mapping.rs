//! A route's backends as mappings.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::aws::{Aws, Props, Protocol};
use super::backend::{Backend, Found};
use super::class::Class;
use super::judged::Gateway;
use super::kind::Kind;
use super::policy::Policies;
use super::route::Route;
use super::spec::{ListenerSpec, Mode};
use super::status::Fault;
use crate::config::model::{
    Balancing, Families, Limits, Mapping, MappingName, Origination, Policy, ProxyVersion, RelayChoice,
    Timeouts, Weight,
};
use crate::config::settings::Settings;

/// How a backend is reached.
struct Terms {
    originate: Option<Origination>,
    proxy_protocol: Option<ProxyVersion>,
    balancing: Balancing,
    timeouts: Timeouts,
}

/// Makes mappings, and sees to their names.
pub(super) struct Mappings<'a> {
    settings: &'a Settings,
    policies: &'a Policies,
    aws: &'a Aws<'a>,
    /// What each name stands for, whatever its weight.
    known: HashMap<Arc<str>, Mapping>,
}

impl<'a> Mappings<'a> {
    pub(super) fn new(settings: &'a Settings, policies: &'a Policies, aws: &'a Aws<'a>) -> Self {
        Self { settings, policies, aws, known: HashMap::new() }
    }

    /// A route's backends as they are reached from a listener, and the share that is refused.
    pub(super) fn of(
        &mut self,
        route: &Route,
        backends: &[Backend],
        gateway: &Gateway,
        listener: &ListenerSpec,
    ) -> (Vec<Mapping>, Weight) {
        let (mut mappings, mut refused) = (Vec::new(), 0);
        for (place, backend) in backends.iter().enumerate() {
            let mapping = backend.found.as_ref().map_err(Clone::clone).and_then(|found| {
                let terms = match gateway.class {
                    Class::Strict => self.terms(route, found, gateway, listener)?,
                    Class::AwsNlb => self.terms_of_aws(route, found, gateway, listener)?,
                };
                let again = backends[..place].iter().filter(|before| before.shown == backend.shown).count();
                let name = format!("{} backend {}", route.report.resource(), backend.shown);
                let name = if again == 0 { name } else { format!("{name} #{}", again + 1) };
                Ok(self.mapping(name, found, terms, gateway, listener))
            });
            match mapping {
                Ok(mapping) => mappings.push(Mapping { weight: Weight(backend.weight), ..mapping }),
                Err(_) => refused += backend.weight,
            }
        }
        // Where nobody has a share all are refused.
        if mappings.iter().all(|mapping| mapping.weight.0 == 0) {
            mappings.clear();
        }
        (mappings, Weight(refused))
    }

    /// How a backend is reached by the specification, which says nothing but about TLS.
    fn terms(
        &self,
        route: &Route,
        found: &Found,
        gateway: &Gateway,
        listener: &ListenerSpec,
    ) -> Result<Terms, Fault> {
        let originate = self.origination(route, found, gateway, listener)?;
        let (balancing, timeouts) = (Balancing::default(), self.settings.timeouts);
        Ok(Terms { originate, proxy_protocol: None, balancing, timeouts })
    }

    /// How it is reached as AWS' target groups are.
    fn terms_of_aws(
        &self,
        route: &Route,
        found: &Found,
        gateway: &Gateway,
        listener: &ListenerSpec,
    ) -> Result<Terms, Fault> {
        let (aws, combined, id) = (self.aws, gateway.aws, (route.kind(), &route.head.id));
        let Props { protocol, check, proxy_protocol, is_sticky } =
            aws.target_group(&found.id, id, combined).inspect_err(|fault| {
                let message = format!("{}; connections to Service {} are refused", fault.message, found.id);
                route.report.error("spec.rules[0].backendRefs", message);
            })?;
        let by_default = if route.kind == Kind::TlsRoute { Protocol::Tls } else { Protocol::Tcp };
        let begins_tls = match (protocol.unwrap_or(by_default), listener.mode) {
            (Protocol::Tcp, _) => false,
            (Protocol::Tls, Some(Mode::Terminate)) => true,
            // Its bytes are TLS already, and the kind of the route says nothing about them.
            (Protocol::Tls, Some(Mode::Passthrough)) => {
                if protocol.is_some() {
                    let message = format!(
                        "TLS to the targets of Service {} is the client's own, which the listener {:?} passes through; \
                         none is begun here",
                        found.id, listener.name
                    );
                    route.report.info("spec.rules[0].backendRefs", message);
                }
                false
            }
            (Protocol::Tls, None) => {
                let message = format!(
                    "a TCP listener does not go with the protocol TLS of Service {}'s target group, as AWS says too; \
                     make the listener {:?} one of TLS, or the target group's protocol TCP",
                    found.id, listener.name
                );
                route.report.error("spec.rules[0].backendRefs", format!("{message}: its share is refused"));
                return Err(Fault::new("UnsupportedProtocol", message));
            }
        };
        let ends_tls = listener.mode == Some(Mode::Terminate);
        let mut balancing = Balancing { check, ..Balancing::default() };
        match (is_sticky, ends_tls) {
            (Some(true), true) => {
                let message = "a TLS listener has no stickiness (stickiness.enabled), as with AWS";
                route.report.warn("spec.rules[0].backendRefs", message);
            }
            (Some(true), false) => balancing.policy = Policy::SourceHash,
            _ => {}
        }
        let idle = Some(aws.idle(combined, listener));
        Ok(Terms {
            originate: begins_tls.then(|| aws.origination(&route.report)),
            proxy_protocol: (proxy_protocol == Some(true)).then_some(ProxyVersion::V2 { checksum: false }),
            balancing,
            timeouts: Timeouts { idle, ..self.settings.timeouts },
        })
    }

    /// TLS towards a backend, which nothing but a policy asks for, and only where TLS has ended before.
    fn origination(
        &self,
        route: &Route,
        found: &Found,
        gateway: &Gateway,
        listener: &ListenerSpec,
    ) -> Result<Option<Origination>, Fault> {
        if route.kind != Kind::TlsRoute || listener.mode != Some(Mode::Terminate) {
            return Ok(None);
        }
        let identity = gateway.client.as_ref().map(Option::as_ref);
        let shown = identity.as_ref().ok().copied().flatten();
        let wanted = self.policies.origination(&found.id, &found.port_name, &gateway.head.id, shown);
        let wanted = wanted.inspect_err(|fault| {
            let message = format!("{}; connections to Service {} are refused", fault.message, found.id);
            route.report.error("spec.rules[0].backendRefs", message);
        })?;
        match (wanted, identity) {
            (Some(_), Err(fault)) => Err(fault.clone()),
            (wanted, _) => Ok(wanted),
        }
    }

    /// Clients that a Gateway's listeners let in; empty is everyone.
    pub(super) fn sources(&self, gateway: &Gateway) -> Vec<IpNet> {
        self.aws.sources(gateway.aws)
    }

    /// One name has one meaning: where a backend is reached in several ways, each has its own.
    fn mapping(
        &mut self,
        name: String,
        found: &Found,
        terms: Terms,
        gateway: &Gateway,
        listener: &ListenerSpec,
    ) -> Mapping {
        let mapping = |name: &str| {
            let name: Arc<str> = name.into();
            Mapping {
                stats_name: Arc::clone(&name),
                name: MappingName(name),
                weight: Weight(0),
                service: found.service.clone(),
                resolution: found.resolution.clone(),
                originate: terms.originate.clone().map(Arc::new),
                proxy_protocol: terms.proxy_protocol,
                prelude: None,
                families: Families { ipv4: true, ipv6: true },
                balancing: terms.balancing.clone(),
                relay: RelayChoice::Auto,
                timeouts: terms.timeouts,
                limits: Limits::default(),
            }
        };
        let via = format!("{name} via {}", gateway.report.resource());
        let behind = format!("{via} listener {}", listener.name);
        for name in [&name, &via] {
            let made = mapping(name);
            match self.known.get(name.as_str()) {
                Some(known) if *known != made => {}
                Some(known) => return known.clone(),
                None => {
                    self.known.insert(Arc::clone(&made.name.0), made.clone());
                    return made;
                }
            }
        }
        mapping(&behind)
    }
}
