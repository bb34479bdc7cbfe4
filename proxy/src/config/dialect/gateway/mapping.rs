//! A route's backends as mappings.

use std::collections::HashMap;
use std::sync::Arc;

use super::backend::{Backend, Found};
use super::class::Class;
use super::judged::Gateway;
use super::kind::Kind;
use super::policy::Policies;
use super::route::Route;
use super::spec::{ListenerSpec, Mode};
use super::status::Fault;
use crate::config::model::{
    Balancing, Families, Limits, Mapping, MappingName, Origination, RelayChoice, Weight,
};
use crate::config::settings::Settings;

/// Makes mappings, and sees to their names.
pub(super) struct Mappings<'a> {
    settings: &'a Settings,
    policies: &'a Policies,
    /// What each name stands for, whatever its weight.
    known: HashMap<Arc<str>, Mapping>,
}

impl<'a> Mappings<'a> {
    pub(super) fn new(settings: &'a Settings, policies: &'a Policies) -> Self {
        Self { settings, policies, known: HashMap::new() }
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
                let originate = self.origination(route, found, gateway, listener)?;
                let again = backends[..place].iter().filter(|before| before.shown == backend.shown).count();
                let name = format!("{} backend {}", route.report.resource(), backend.shown);
                let name = if again == 0 { name } else { format!("{name} #{}", again + 1) };
                Ok(self.mapping(name, found, originate, gateway, listener))
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

    /// TLS towards a backend, which nothing but a policy asks for, and only where TLS has ended before.
    fn origination(
        &self,
        route: &Route,
        found: &Found,
        gateway: &Gateway,
        listener: &ListenerSpec,
    ) -> Result<Option<Origination>, Fault> {
        if gateway.class != Class::Strict
            || route.kind != Kind::TlsRoute
            || listener.mode != Some(Mode::Terminate)
        {
            return Ok(None);
        }
        let identity = gateway.client.as_ref().map(Option::as_ref);
        let shown = identity.as_ref().ok().copied().flatten();
        let wanted =
            self.policies.origination(&found.id, found.port_name.as_deref(), &gateway.head.id, shown);
        let wanted = wanted.inspect_err(|fault| {
            let message = format!("{}; connections to Service {} are refused", fault.message, found.id);
            route.report.error("spec.rules[0].backendRefs", message);
        })?;
        match (wanted, identity) {
            (Some(_), Err(fault)) => Err(fault.clone()),
            (wanted, _) => Ok(wanted),
        }
    }

    /// One name has one meaning: where a backend is reached in several ways, each has its own.
    fn mapping(
        &mut self,
        name: String,
        found: &Found,
        originate: Option<Origination>,
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
                originate: originate.clone().map(Arc::new),
                proxy_protocol: None,
                prelude: None,
                families: Families { ipv4: true, ipv6: true },
                balancing: Balancing::default(),
                relay: RelayChoice::Auto,
                timeouts: self.settings.timeouts,
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
