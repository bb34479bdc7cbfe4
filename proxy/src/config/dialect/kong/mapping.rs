//! Services to mappings: one for each way in which a service is reached.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::entity::Entity;
use super::index::{Broken, Index};
use super::protocol::{Group, Protocol};
use super::route::Route;
use super::service::Service;
use super::upstream_tls::{Around, Originations};
use crate::config::model::{
    self, Balancing, Ejection, Families, Limits, Mapping, MappingName, ProxyVersion, RelayChoice, Resolution,
    Timeouts, Weight,
};
use crate::config::settings::Settings;

/// What becomes of TLS on a service's way to its upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    /// As the service says.
    Own,
    /// The same, with the name that the client asked for.
    PreservingHost,
    /// The client's TLS goes on, and none is begun.
    Passthrough,
}

/// Mappings of services, each made once.
pub(super) struct Mappings<'a> {
    entities: &'a Index,
    services: &'a HashMap<usize, Service>,
    originations: &'a Originations<'a>,
    settings: &'a Settings,
    made: RefCell<HashMap<(usize, Way), Result<Mapping, Broken>>>,
}

impl<'a> Mappings<'a> {
    pub(super) fn new(
        entities: &'a Index,
        services: &'a HashMap<usize, Service>,
        originations: &'a Originations<'a>,
        settings: &'a Settings,
    ) -> Self {
        Self { entities, services, originations, settings, made: RefCell::default() }
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

    fn make(&self, service: &Service, route: &Route, way: Way) -> Result<Mapping, Broken> {
        let entity = &self.entities.all[service.index];
        let is_raw = route.has(Protocol::TlsPassthrough) || service.protocol == Protocol::Tcp;
        let around =
            Around { name: None, client_certificate: None, preserve_host: way == Way::PreservingHost };
        let originate = match is_raw {
            true => None,
            false => {
                begins_tls(service, entity);
                Some(self.originations.make(service, entity, self.entities, &around)?)
            }
        };
        if service.port == 0 {
            entity.report.discard(entity.at("port"), "0 is no port to connect to; give one");
            return Err(Broken);
        }
        let suffix = match way {
            Way::Own => "",
            Way::PreservingHost => " (preserve_host)",
            Way::Passthrough => " (tls_passthrough)",
        };
        let name: Arc<str> = format!("{}{suffix}", entity.label()).into();
        Ok(Mapping {
            stats_name: Arc::clone(&name),
            name: MappingName(name),
            weight: Weight(1),
            service: model::Service { host: service.host.clone(), port: service.port },
            resolution: Resolution::Dns,
            originate,
            proxy_protocol: self.settings.kong.proxy_protocol.then_some(ProxyVersion::V1),
            prelude: None,
            // Kong asks for A records alone, unless told otherwise.
            families: Families { ipv4: true, ipv6: false },
            balancing: Balancing {
                attempts: service.retries + 1,
                // Only upstreams' health checks leave endpoints out.
                ejection: Ejection { after: 0, ..Ejection::default() },
                ..Balancing::default()
            },
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
