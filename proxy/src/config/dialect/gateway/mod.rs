//! The Kubernetes Gateway API: `Gateway`, `TCPRoute`, `TLSRoute`, and what they refer to.

mod assemble;
mod attach;
mod aws;
mod backend;
mod class;
mod conditions;
mod conflict;
mod grant;
mod hostname;
mod id;
mod judged;
mod kind;
mod mapping;
mod policy;
mod reference;
mod route;
mod sites;
mod spec;
mod status;
mod store;
mod terminate;
mod write;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;

use self::assemble::Attached;
use self::attach::{Known, Parents};
use self::aws::Aws;
use self::backend::Backends;
use self::class::Classes;
use self::grant::Grants;
use self::id::{Head, Id};
use self::judged::{Gateway, Judge};
use self::kind::Kind;
use self::mapping::Mappings;
use self::policy::Policies;
use self::route::Route;
use self::spec::GatewaySpec;
use self::store::Store;
use super::cluster::Cluster;
use super::config_map::ConfigMaps;
use super::merge::{Claim, Holders};
use super::report::Report;
use super::resource::Resource;
use super::secret::Secrets;
use super::strangers::Strangers;
use crate::config::diagnostic::Diagnostic;
use crate::config::material::Files;
use crate::config::model::ResourceStatus;
use crate::config::settings::Settings;

pub(super) use kind::knows;
pub(super) use write::write;

/// What resources are read against.
pub(super) struct Sources<'a> {
    pub(super) secrets: &'a Secrets,
    pub(super) config_maps: &'a ConfigMaps,
    pub(super) cluster: &'a Cluster<'a>,
    /// Labels of namespaces.
    pub(super) namespaces: &'a HashMap<String, Vec<(String, String)>>,
    pub(super) files: &'a RefCell<Files>,
    /// Addresses that other dialects have.
    pub(super) holders: &'a Holders<'a>,
    pub(super) settings: &'a Settings,
}

/// What they come to.
pub(super) struct Lowered {
    pub(super) claims: Vec<Claim>,
    pub(super) statuses: Vec<ResourceStatus>,
}

/// The resources of one kind, in the order of the documents.
type Found<'r, 'a> = Vec<(&'r Resource<'a>, Head, Report)>;

/// Lowers the resources that are served here.
pub(super) fn lower(
    resources: &[Resource<'_>],
    sources: Sources<'_>,
    strangers: &mut Strangers,
    found: &mut Vec<Diagnostic>,
) -> Lowered {
    let Sources { secrets, config_maps, cluster, namespaces, files, holders, settings } = sources;
    let mut by_kind = sorted(resources, settings, strangers, found);
    let mut take = |kind| by_kind.remove(&kind).unwrap_or_default();
    let mut statuses = Vec::new();
    let classes = Classes::read(take(Kind::GatewayClass), settings, &mut statuses, found);
    let mut grants = Grants::default();
    for (resource, head, report) in take(Kind::ReferenceGrant) {
        grants.add(resource, &head, &report);
        found.extend(report.into_diagnostics());
    }
    let force = settings.ambassador.force_secret_validation;
    let store = Store { secrets, config_maps, grants: &grants, force };
    let policies = Policies::read(take(Kind::BackendTlsPolicy), &store, cluster);
    let balancers = take(Kind::LoadBalancerConfiguration);
    let aws = Aws::read(balancers, take(Kind::TargetGroupConfiguration), secrets, files, settings);
    let from = Judge { classes: &classes, store: &store, aws: &aws, settings };
    let (mut gateways, known) = gateways(take(Kind::Gateway), &from, found);
    let sites = sites::sites(&mut gateways, holders, settings.admin);

    let mut routes = routes(take(Kind::TcpRoute), Kind::TcpRoute, found);
    routes.extend(self::routes(take(Kind::TlsRoute), Kind::TlsRoute, found));
    routes.sort_by(|a, b| a.head.age.cmp(&b.head.age));
    let backends = Backends { cluster, grants: &grants, namespace: &settings.ambassador.namespace };
    let parents = Parents { gateways: &gateways, known: &known, labels: namespaces };
    let (mut attached, mut attachments, mut of_routes) = (Vec::new(), HashMap::new(), Vec::new());
    for (place, route) in routes.into_iter().enumerate() {
        let backends = backends.of(&route);
        of_routes.push(parents.attach(place, &route, &backends, &mut attachments));
        attached.push((route, backends));
    }
    let everything = Attached { gateways: &gateways, routes: &attached, attachments: &attachments };
    let claims = everything.assemble(&sites, &mut Mappings::new(settings, &policies, &aws));

    statuses.extend(gateways.iter().map(conditions::gateway));
    statuses.extend(of_routes);
    for (status, report) in policies.finish() {
        statuses.push(status);
        found.extend(report.into_diagnostics());
    }
    found.extend(aws.finish().flat_map(Report::into_diagnostics));
    found.extend(gateways.into_iter().flat_map(|gateway| gateway.report.into_diagnostics()));
    found.extend(attached.into_iter().flat_map(|(route, _)| route.report.into_diagnostics()));
    Lowered { claims, statuses }
}

/// By kind; of the same kind, namespace and name the last one stays.
fn sorted<'r, 'a>(
    resources: &'r [Resource<'a>],
    settings: &Settings,
    strangers: &mut Strangers,
    found: &mut Vec<Diagnostic>,
) -> HashMap<Kind, Found<'r, 'a>> {
    let (mut read, mut last) = (Vec::with_capacity(resources.len()), HashMap::new());
    for (place, resource) in resources.iter().enumerate() {
        let Some((kind, version)) = kind::of(resource, settings, strangers, found) else {
            continue;
        };
        let label = resource.label(&settings.ambassador.namespace);
        let report = Report::new(resource.place.clone(), label, kind.noun());
        if let Err(message) = version {
            report.discard("apiVersion", message);
            if !kind.protects() {
                found.extend(report.into_diagnostics());
                continue;
            }
        }
        let Some(head) = Head::read(resource, place, settings, &report) else {
            found.extend(report.into_diagnostics());
            continue;
        };
        let mut id = head.id.clone();
        if kind == Kind::GatewayClass {
            // Classes are in no namespace.
            id.namespace.clear();
        }
        last.insert((kind, id.clone()), (read.len(), report.place().clone()));
        read.push((kind, id, resource, head, report));
    }
    let mut by_kind: HashMap<Kind, Found<'r, 'a>> = HashMap::new();
    for (place, (kind, id, resource, head, report)) in read.into_iter().enumerate() {
        match last.get(&(kind, id)) {
            Some((stays, other)) if *stays != place => {
                report.replaced_by(other);
                found.extend(report.into_diagnostics());
            }
            _ => by_kind.entry(kind).or_default().push((resource, head, report)),
        }
    }
    by_kind
}

/// Those that are served here, by age, and what is known of the others.
fn gateways(
    resources: Found<'_, '_>,
    from: &Judge<'_>,
    found: &mut Vec<Diagnostic>,
) -> (Vec<Gateway>, HashMap<Id, Known>) {
    let (mut gateways, mut known) = (Vec::new(), HashMap::new());
    for (resource, head, report) in resources {
        let id = head.id.clone();
        let Some(spec) = GatewaySpec::read(resource, &head, &report) else {
            known.insert(id, Known::Broken);
            found.extend(report.into_diagnostics());
            continue;
        };
        let class = match from.classes.get(&spec.class) {
            Ok(Some(class)) => class,
            Ok(None) => {
                let message = format!(
                    "GatewayClass {} is not served by sluice; the Gateway is passed over",
                    spec.class
                );
                report.info("spec.gatewayClassName", message);
                known.insert(id, Known::Foreign);
                found.extend(report.into_diagnostics());
                continue;
            }
            Err(why) => {
                report.discard("spec.gatewayClassName", why);
                known.insert(id, Known::Broken);
                found.extend(report.into_diagnostics());
                continue;
            }
        };
        gateways.push(Gateway::judge(head, class, spec, report, from));
    }
    gateways.sort_by(|a, b| a.head.age.cmp(&b.head.age));
    known.extend(
        gateways.iter().enumerate().map(|(place, gateway)| (gateway.head.id.clone(), Known::Ours(place))),
    );
    (gateways, known)
}

fn routes(resources: Found<'_, '_>, kind: Kind, found: &mut Vec<Diagnostic>) -> Vec<Route> {
    let mut routes = Vec::with_capacity(resources.len());
    for (resource, head, report) in resources {
        match Route::read(kind, resource, head, report) {
            Ok(route) => routes.push(route),
            Err(report) => found.extend(report.into_diagnostics()),
        }
    }
    routes
}
