//! Which routes attach to which listeners.

use std::collections::{BTreeMap, HashMap};

use super::backend::Backend;
use super::hostname::Hostname;
use super::id::Id;
use super::judged::Gateway;
use super::kind::{GROUP, Kind};
use super::route::{ParentRef, Route};
use super::spec::Protocol;
use super::status::{Fault, condition};
use crate::config::model::{PartStatus, ResourceStatus};

/// Routes of a listener, the oldest first, by the places of the Gateway and of the listener.
pub(super) type Attachments = HashMap<(usize, usize), Vec<Attachment>>;

/// A route on a listener.
#[derive(Debug)]
pub(super) struct Attachment {
    /// Its place among all.
    pub(super) route: usize,
    /// The names that both take, each with the route's own; none where neither asks for names, or the route does not
    /// say.
    pub(super) names: Vec<(Hostname, Hostname)>,
}

/// What is known of a Gateway by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Its place among those that are served here.
    Ours(usize),
    /// Another controller's.
    Foreign,
    /// In error.
    Broken,
}

/// What routes are attached to.
pub(super) struct Parents<'a> {
    /// By age.
    pub(super) gateways: &'a [Gateway],
    pub(super) known: &'a HashMap<Id, Known>,
    /// Of namespaces.
    pub(super) labels: &'a HashMap<String, Vec<(String, String)>>,
}

const NOT_ALLOWED: &str = "NotAllowedByListeners";

impl Parents<'_> {
    /// Attaches a route to every listener that it names and that takes it.
    pub(super) fn attach(
        &self,
        place: usize,
        route: &Route,
        backends: &[Backend],
        attachments: &mut Attachments,
    ) -> ResourceStatus {
        let unresolved = backends.iter().find_map(|backend| backend.found.as_ref().err());
        let (mut parts, mut refused, mut own) = (Vec::new(), Vec::new(), BTreeMap::new());
        for parent in &route.parents {
            let Some(gateway) = self.find(route, parent) else {
                continue;
            };
            let attached = self.to(gateway, route, parent);
            let fault = attached.as_ref().err();
            parts.push(PartStatus {
                part: format!("parent {}", parent.shown(&route.head.id.namespace)),
                attached: None,
                kinds: None,
                conditions: vec![
                    condition("Accepted", "Accepted", fault),
                    condition("ResolvedRefs", "ResolvedRefs", unresolved),
                ],
            });
            match attached {
                Err(fault) => refused.push((parent, fault)),
                // Two references may mean the same listener.
                Ok(attached) => {
                    own.extend(attached.into_iter().map(|(listener, names)| ((gateway, listener), names)))
                }
            }
        }
        self.tell(route, &refused, own.is_empty());
        for ((gateway, listener), names) in own {
            let judged = &self.gateways[gateway].listeners[listener];
            judged.attached.set(judged.attached.get() + 1);
            attachments.entry((gateway, listener)).or_default().push(Attachment { route: place, names });
        }
        let resource = route.report.resource().to_owned();
        ResourceStatus { resource, generation: route.head.generation, conditions: Vec::new(), parts }
    }

    fn tell(&self, route: &Route, refused: &[(&ParentRef, Fault)], nowhere: bool) {
        for (parent, fault) in refused {
            if nowhere {
                route.report.discard(&parent.field, &fault.message);
            } else {
                route.report.error(&parent.field, &fault.message);
            }
        }
        if nowhere && refused.is_empty() {
            let message = "name no Gateway that is served here, so the route takes no connection";
            route.report.warn("spec.parentRefs", message);
        }
    }

    /// The Gateway meant, if it is served here.
    fn find(&self, route: &Route, parent: &ParentRef) -> Option<usize> {
        let (report, field) = (&route.report, &parent.field);
        if !parent.object.is(GROUP, "Gateway") {
            let shown = parent.object.shown(&route.head.id.namespace);
            report.info(field, format!("{shown} is no Gateway; it is passed over"));
            return None;
        }
        let id = parent.object.id(&route.head.id.namespace);
        match self.known.get(&id) {
            Some(Known::Ours(place)) => return Some(*place),
            Some(Known::Foreign) => {
                report.info(field, format!("Gateway {id} is not served by sluice; it is passed over"))
            }
            Some(Known::Broken) => report.error(field, format!("Gateway {id} is in error")),
            None => {
                let mut others = self.known.keys().filter(|other| other.name == id.name);
                let others = others
                    .next()
                    .map(|other| format!("; there is one in the namespace {:?}", other.namespace));
                let message =
                    format!("there is no Gateway {id} in the configuration{}", others.unwrap_or_default());
                report.warn(field, message);
            }
        }
        None
    }

    /// The listeners of a Gateway that take the route, each with names.
    fn to(&self, gateway: usize, route: &Route, parent: &ParentRef) -> Result<Vec<Taken>, Fault> {
        let gateway = &self.gateways[gateway];
        let meant: Vec<_> = gateway
            .listeners()
            .enumerate()
            .filter(|(_, (spec, _))| parent.section.as_ref().is_none_or(|section| *section == spec.name))
            .filter(|(_, (spec, _))| parent.port.is_none_or(|port| port == spec.port))
            .collect();
        let shown = parent.shown(&route.head.id.namespace);
        if meant.is_empty() {
            let names: Vec<_> =
                gateway.spec.listeners.iter().map(|spec| format!("{} ({})", spec.name, spec.port)).collect();
            let message = format!("there is no {shown}; the Gateway has {}", names.join(", "));
            return Err(Fault::new("NoMatchingParent", message));
        }
        let (mut taken, mut is_let_in, mut why) = (Vec::new(), false, String::new());
        for (place, (spec, judged)) in meant {
            if !judged.kinds.contains(&route.kind()) {
                let kinds =
                    if judged.kinds.is_empty() { "no route".to_owned() } else { judged.kinds.join(" and ") };
                why = format!("its listener {:?} lets {kinds} attach, and no {}", spec.name, route.kind());
                continue;
            }
            if !spec.namespaces.include(&route.head.id.namespace, self.labels) {
                why = format!(
                    "its listener {:?} lets no routes of this namespace attach (allowedRoutes)",
                    spec.name
                );
                continue;
            }
            is_let_in = true;
            if route.kind == Kind::TcpRoute || spec.protocol == Protocol::Tcp || route.hostnames.is_empty() {
                taken.push((place, Vec::new()));
                continue;
            }
            let names: Vec<_> = route
                .hostnames
                .iter()
                .filter_map(|own| {
                    let both =
                        spec.hostname.as_ref().map_or(Some(own.clone()), |listener| listener.intersect(own));
                    both.map(|both| (both, own.clone()))
                })
                .collect();
            if !names.is_empty() {
                taken.push((place, names));
            }
        }
        match (taken.is_empty(), is_let_in) {
            (false, _) => Ok(taken),
            (true, true) => {
                let message = format!("no hostname of the route is among those of {shown}");
                Err(Fault::new("NoMatchingListenerHostname", message))
            }
            (true, false) => Err(Fault::new(NOT_ALLOWED, format!("{shown} does not take it: {why}"))),
        }
    }
}

type Taken = (usize, Vec<(Hostname, Hostname)>);
