//! `TargetGroupConfiguration`: how the pods of a Service are reached.

use std::cell::Cell;

use super::attributes;
use super::check;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::gateway::id::{Head, Id};
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::model::Check;

/// One `TargetGroupConfiguration`.
pub(super) struct TargetGroup {
    pub(super) head: Head,
    /// The Service of this namespace that it is about; `None` where it is a default that others refer to.
    pub(super) service: Option<String>,
    default: Props,
    routes: Vec<(Identifier, Props)>,
    /// Whether anything goes by it.
    pub(super) is_asked: Cell<bool>,
    pub(super) report: Report,
}

/// Which routes are meant: those of a kind, of a namespace, or one alone.
struct Identifier {
    kind: String,
    namespace: Option<String>,
    name: Option<String>,
}

/// What is said of a target group; `None` leaves it to the next that has a say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::config::dialect::gateway) struct Props {
    pub(in crate::config::dialect::gateway) protocol: Option<Protocol>,
    pub(in crate::config::dialect::gateway) check: Option<Check>,
    /// `proxy_protocol_v2.enabled`.
    pub(in crate::config::dialect::gateway) proxy_protocol: Option<bool>,
    /// `stickiness.enabled`, by the client's address.
    pub(in crate::config::dialect::gateway) is_sticky: Option<bool>,
}

/// What targets are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config::dialect::gateway) enum Protocol {
    Tcp,
    Tls,
}

const WITHOUT_EFFECT: [&str; 7] = [
    "targetGroupName",
    "tags",
    "nodeSelector",
    "enableMultiCluster",
    "targetControlPort",
    "ipAddressType",
    "protocolVersion",
];

const PROXY_PROTOCOL: &str = "proxy_protocol_v2.enabled";
const STICKINESS: &str = "stickiness.enabled";
const STICKINESS_TYPE: &str = "stickiness.type";
const PRESERVE: &str = "preserve_client_ip.enabled";
const TERMINATE: &str = "deregistration_delay.connection_termination.enabled";

/// Every attribute of a network load balancer's target groups ("Target group attributes").
const ATTRIBUTES: [&str; 14] = [
    PROXY_PROTOCOL,
    STICKINESS,
    STICKINESS_TYPE,
    PRESERVE,
    TERMINATE,
    "deregistration_delay.timeout_seconds",
    "load_balancing.cross_zone.enabled",
    "target_health_state.unhealthy.connection_termination.enabled",
    "target_health_state.unhealthy.draining_interval_seconds",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_failover.on_unhealthy",
];

impl TargetGroup {
    pub(super) fn read(resource: &Resource<'_>, head: Head, report: Report) -> Self {
        let (service, default, routes) =
            resource.spec(&report).map(|spec| fields(&spec, &report)).unwrap_or_default();
        Self { head, service, default, routes, is_asked: Cell::new(false), report }
    }

    /// What holds for a route of this kind and name: what names it most narrowly.
    pub(super) fn of(&self, kind: &str, route: &Id) -> &Props {
        self.is_asked.set(true);
        let fit = |identifier: &Identifier| {
            let namespace = identifier.namespace.as_ref().map(|namespace| *namespace == route.namespace);
            let name = identifier.name.as_ref().map(|name| *name == route.name);
            let fits = identifier.kind == kind && namespace != Some(false) && name != Some(false);
            fits.then_some((name.is_some(), namespace.is_some()))
        };
        let narrowest = self.routes.iter().filter_map(|(identifier, props)| Some((fit(identifier)?, props)));
        narrowest.max_by_key(|(fit, _)| *fit).map_or(&self.default, |(_, props)| props)
    }
}

impl Props {
    /// With what another says where this one says nothing.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            protocol: self.protocol.or(other.protocol),
            check: self.check.or_else(|| other.check.clone()),
            proxy_protocol: self.proxy_protocol.or(other.proxy_protocol),
            is_sticky: self.is_sticky.or(other.is_sticky),
        }
    }

    fn read(fields: &Fields<'_>, report: &Report) -> Self {
        let kind = fields.choice("targetType", &[("ip", false), ("instance", true)]);
        if kind == Some(true) {
            let message = "is the same as ip here: sluice connects to pods, not to ports of their nodes";
            report.info(fields.path("targetType"), message);
        }
        let protocol = protocol(fields, report);
        let check = fields.child("healthCheckConfig").map(|fields| check::read(&fields, report));
        attributes::without_effect(fields, &WITHOUT_EFFECT, report);
        let mut props = Self { protocol, check, ..Self::default() };
        props.attributes(fields, report);
        fields.warn_unknown(&[("healthCheck", "write healthCheckConfig")]);
        props
    }

    fn attributes(&mut self, fields: &Fields<'_>, report: &Report) {
        let mut without_effect = Vec::new();
        for (key, value, field) in attributes::pairs(fields, "targetGroupAttributes", report) {
            let truth = || {
                let truth = match value.trim() {
                    "true" => Some(true),
                    "false" => Some(false),
                    _ => None,
                };
                if truth.is_none() {
                    report.discard(&field, format!("{value:?} is neither true nor false"));
                }
                truth
            };
            match key.as_str() {
                PROXY_PROTOCOL => self.proxy_protocol = truth(),
                STICKINESS => self.is_sticky = truth(),
                STICKINESS_TYPE if value != "source_ip" => {
                    let message = format!("{value:?} is for application load balancers; write source_ip");
                    report.discard(&field, message);
                }
                STICKINESS_TYPE => {}
                PRESERVE if truth() == Some(true) => {
                    let message = "cannot be had of a proxy: targets see sluice's address; \
                                   proxy_protocol_v2.enabled tells them the client's, if they read it";
                    report.warn(&field, message);
                }
                TERMINATE if truth() == Some(true) => {
                    let message = "is not done: connections to a target that is gone from the Service go on until they \
                                   end";
                    report.warn(&field, message);
                }
                PRESERVE | TERMINATE => {}
                known if ATTRIBUTES.contains(&known) => without_effect.push(key),
                _ => report.warn(field, attributes::unknown(&key, &ATTRIBUTES)),
            }
        }
        if !without_effect.is_empty() {
            let message = format!("{}: no effect on sluice", without_effect.join(", "));
            report.info(fields.path("targetGroupAttributes"), message);
        }
    }
}

type Read = (Option<String>, Props, Vec<(Identifier, Props)>);

fn fields(spec: &Fields<'_>, report: &Report) -> Read {
    let service = spec.child("targetReference").and_then(|target| {
        let (group, kind) = (target.text("group"), target.filled("kind"));
        let name = target.filled("name");
        if name.is_none() {
            target.missing("name", "name the Service");
        }
        target.warn_unknown(&[("namespace", "it is in this one's own")]);
        let is_service = group.as_deref().unwrap_or_default().is_empty()
            && kind.as_deref().is_none_or(|kind| kind == "Service");
        if !is_service {
            let message = format!("{:?} cannot be a backend here; a Service can", kind.unwrap_or_default());
            report.discard(target.path("kind"), message);
        }
        name
    });
    let default = spec.child("defaultConfiguration").map(|fields| Props::read(&fields, report));
    let mut routes = Vec::new();
    for fields in spec.children("routeConfigurations").unwrap_or_default() {
        let identifier = fields.child("routeIdentifier");
        if identifier.is_none() {
            fields.missing("routeIdentifier", "say which routes are meant: kind, namespace and name");
        }
        let props = fields.child("targetGroupProps").map(|fields| Props::read(&fields, report));
        fields.warn_unknown(&[]);
        let identifier = identifier.and_then(|fields| self::identifier(&fields, report));
        routes.extend(identifier.map(|identifier| (identifier, props.unwrap_or_default())));
    }
    spec.warn_unknown(&[
        ("targetType", "write it in defaultConfiguration"),
        ("protocol", "write it in defaultConfiguration"),
    ]);
    (service, default.unwrap_or_default(), routes)
}

fn identifier(fields: &Fields<'_>, report: &Report) -> Option<Identifier> {
    let (kind, namespace, name) = (fields.filled("kind"), fields.filled("namespace"), fields.filled("name"));
    if kind.is_none() {
        fields.missing("kind", "write TCPRoute or TLSRoute");
    }
    if name.is_some() && namespace.is_none() {
        let message = "needs a namespace beside it; without one a name is nobody's";
        report.discard(fields.path("name"), message);
    }
    fields.warn_unknown(&[]);
    Some(Identifier { kind: kind?, namespace, name })
}

fn protocol(fields: &Fields<'_>, report: &Report) -> Option<Protocol> {
    let (word, field) = (fields.filled("protocol")?, fields.path("protocol"));
    match word.as_str() {
        "TCP" => Some(Protocol::Tcp),
        "TLS" => Some(Protocol::Tls),
        "TCP_UDP" => {
            report.info(field, "is TCP here; sluice relays no UDP");
            Some(Protocol::Tcp)
        }
        _ => {
            report.discard(
                field,
                format!("{word:?} is no protocol that sluice speaks to targets; write TCP or TLS"),
            );
            None
        }
    }
}
