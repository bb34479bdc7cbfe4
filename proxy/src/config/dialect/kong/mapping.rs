//! Services to mappings: one for each way in which a service is reached.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::entity::Entity;
use super::health;
use super::index::{Broken, Index};
use super::protocol::{Group, Protocol};
use super::route::Route;
use super::service::Service;
use super::upstream::{Upstream, Upstreams};
use super::upstream_tls::{Around, Originations};
use crate::config::model::{
    self, Balancing, Families, Limits, Mapping, MappingName, ProxyVersion, RelayChoice, Resolution, Timeouts,
    Weight,
};
use crate::config::settings::Settings;

/// What becomes of TLS on a service's way to its upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    /// As the service says.
    Own,
    /// The same, with the name that the client asked for.
    PreservingHost,
    /// The client's TLS goes on, and none is begun, though the service's protocol begins it.
    Passthrough,
    /// The client's TLS has ended, and is begun anew, though the service's protocol hands it on.
    Anew,
}

/// Mappings of services, each made once.
pub(super) struct Mappings<'a> {
    entities: &'a Index,
    services: &'a HashMap<usize, Service>,
    upstreams: &'a Upstreams,
    originations: &'a Originations<'a>,
    settings: &'a Settings,
    made: RefCell<HashMap<(usize, Way), Result<Mapping, Broken>>>,
}

impl<'a> Mappings<'a> {
    pub(super) fn new(
        entities: &'a Index,
        services: &'a HashMap<usize, Service>,
        upstreams: &'a Upstreams,
        originations: &'a Originations<'a>,
        settings: &'a Settings,
    ) -> Self {
        Self { entities, services, upstreams, originations, settings, made: RefCell::default() }
    }

    /// How a route's connections reach its service; none where it has no service.
    pub(super) fn of(&self, route: &Route) -> Result<Option<Mapping>, Broken> {
        let Some(index) = route.service else {
            return Ok(None);
        };
        let service = self.services.get(&index).ok_or(Broken)?;
        let way = match (route.has(Protocol::TlsPassthrough), service.protocol) {
            (_, Protocol::Tcp) => Way::Own,
            (true, Protocol::TlsPassthrough) => Way::Own,
            (true, _) => Way::Passthrough,
            (false, _) if route.preserve_host => Way::PreservingHost,
            (false, Protocol::TlsPassthrough) => Way::Anew,
            (false, _) => Way::Own,
        };
        let known = self.made.borrow().get(&(index, way)).cloned();
        let made = known.unwrap_or_else(|| {
            let made = self.make(service, route, way);
            self.made.borrow_mut().insert((index, way), made.clone());
            made
        });
        made.map(Some)
    }

    /// The upstream that a service's host names, if it names one.
    fn upstream(&self, service: &Service, entity: &Entity) -> Result<Option<&'a Upstream>, Broken> {
        match self.upstreams.of(&service.host) {
            None => Ok(None),
            Some((index, None)) => {
                let message = format!("{} is in error", self.entities.all[index].label());
                entity.report.discard(entity.at("host"), message);
                Err(Broken)
            }
            Some((index, Some(upstream))) => {
                if upstream.targets.iter().all(|target| target.weight == 0) {
                    let owner = self.entities.all[index].label();
                    let message =
                        format!("{owner} has no target with a weight, so connections are refused; add one");
                    entity.report.warn(entity.at("host"), message);
                }
                Ok(Some(upstream))
            }
        }
    }

    fn make(&self, service: &Service, route: &Route, way: Way) -> Result<Mapping, Broken> {
        let entity = &self.entities.all[service.index];
        let is_raw = route.has(Protocol::TlsPassthrough) || service.protocol == Protocol::Tcp;
        let upstream = self.upstream(service, entity)?;
        let around = Around {
            name: upstream.and_then(|upstream| upstream.host_header.clone()),
            client_certificate: upstream.and_then(|upstream| upstream.client_certificate),
            preserve_host: way == Way::PreservingHost,
        };
        let originate = match is_raw {
            true => None,
            false => {
                begins_tls(service, entity);
                Some(self.originations.make(service, entity, self.entities, &around)?)
            }
        };
        if service.port == 0 && upstream.is_none() {
            entity.report.discard(entity.at("port"), "0 is no port to connect to; give one");
            return Err(Broken);
        }
        let suffix = match way {
            Way::Own => "",
            Way::PreservingHost => " (preserve_host)",
            Way::Passthrough => " (tls_passthrough)",
            Way::Anew => " (tls)",
        };
        let name: Arc<str> = format!("{}{suffix}", entity.label()).into();
        Ok(Mapping {
            stats_name: Arc::clone(&name),
            name: MappingName(name),
            weight: Weight(1),
            // Where an upstream has targets the port names no place, and 0 is no port.
            service: model::Service { host: service.host.clone(), port: service.port.max(1) },
            resolution: upstream
                .map_or(Resolution::Dns, |upstream| Resolution::Targets(upstream.targets.as_slice().into())),
            originate,
            proxy_protocol: self.settings.kong.proxy_protocol.then_some(ProxyVersion::V1),
            prelude: None,
            // Kong asks for A records alone, unless told otherwise.
            families: Families { ipv4: true, ipv6: false },
            balancing: balancing(service, upstream),
            relay: RelayChoice::default(),
            timeouts: Timeouts {
                connect: service.connect,
                idle: Some(service.idle),
                ..self.settings.timeouts
            },
            limits: Limits::default(),
        })
    }
}

/// Only upstreams have health checks, which leave targets out.
fn balancing(service: &Service, upstream: Option<&Upstream>) -> Balancing {
    let attempts = service.retries + 1;
    let Some(Upstream { policy, health, .. }) = upstream else {
        return Balancing { attempts, ejection: health::never(), ..Balancing::default() };
    };
    Balancing {
        policy: *policy,
        attempts,
        ejection: health.ejection,
        check: health.check.clone(),
        quorum: Some(health.quorum),
        ..Balancing::default()
    }
}

/// Kong begins TLS whatever a service's protocol is, unless it is `tcp`; few who forgot to write that mean it.
fn begins_tls(service: &Service, entity: &Entity) {
    let protocol = service.protocol;
    if protocol == Protocol::Tls {
        return;
    }
    let why = match (service.protocol_is_said, protocol.group()) {
        (false, _) => "is not set, which is http, and then Kong begins TLS towards the upstream".to_owned(),
        (true, Group::Http) => {
            format!("is {protocol}: as in Kong, only tcp does not begin TLS towards the upstream")
        }
        (true, _) => {
            format!("is {protocol}: as in Kong, TLS is begun towards the upstream wherever it was ended")
        }
    };
    entity.report.warn(entity.at("protocol"), format!("{why}; write tcp to have none, or tls to mean it"));
}
