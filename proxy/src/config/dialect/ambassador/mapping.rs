//! One `TCPMapping` to one candidate of a route, or to the reasons why not.

use std::net::SocketAddr;
use std::sync::Arc;

use super::binds;
use super::group::Candidate;
use super::listener::Stacks;
use super::module::Module;
use super::overrides::{BalancingOverrides, Overrides, RouteOverrides};
use super::resolution::{Asker, Destination};
use super::resolvers::Resolvers;
use super::spec::Spec;
use super::tls::Tls;
use super::way::{Terms, Way};
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::cluster::Cluster;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::model::{Families, Host, Mapping, MappingName, Weight};
use crate::config::settings::Settings;

/// What mappings are read against.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) module: &'a Module,
    pub(super) stacks: &'a Stacks,
    pub(super) tls: &'a Tls<'a>,
    pub(super) resolvers: &'a Resolvers,
    pub(super) cluster: &'a Cluster<'a>,
}

/// Reads a mapping completely, so that all that is wrong with it is said at once.
pub(super) fn lower(
    resource: &Resource<'_>,
    report: Report,
    context: &Context<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Candidate> {
    let lowered = read(resource, &report, context);
    if report.failed() {
        found.extend(report.into_diagnostics());
        return None;
    }
    let Lowered { binds, way, route, weight, mapping } = lowered?;
    let Way { matcher, downstream, proxy_protocol, prelude } = way;
    Some(Candidate { binds, matcher, downstream, proxy_protocol, prelude, route, weight, mapping, report })
}

/// What a mapping comes to.
struct Lowered {
    binds: Vec<SocketAddr>,
    way: Way,
    route: RouteOverrides,
    weight: Option<u16>,
    mapping: Mapping,
}

fn read(resource: &Resource<'_>, report: &Report, context: &Context<'_>) -> Option<Lowered> {
    let own_namespace = &context.settings.ambassador.namespace;
    if resource.name().is_none() {
        let field = if resource.is_flat() { "name" } else { "metadata.name" };
        report.discard(field, "is missing; give the mapping a name");
    }
    let fields = resource.spec(report)?;
    let spec = Spec::read(&fields, report);
    let mut defaults = context.module.defaults(context.settings);
    if let Some(breaker) = spec.circuit_breakers {
        breaker.apply(&mut defaults.limits);
    }
    if fields.raw("idle_timeout_ms").is_some() {
        // The default is for mappings that say nothing; 0 says "none".
        defaults.timeouts.idle = spec.idle_timeout;
    }
    let overrides = Overrides::read(resource, defaults, report);
    let terms = Terms { spec: &spec, overrides: &overrides.tls, fields: &fields, context, report };
    terms.check();
    let binds = binds::of(&spec, &fields, context.settings, report)?;
    // Listeners are the same at each of several.
    let way = terms.way(binds[0]);
    let upstream = spec.service.as_ref()?;
    let namespace = resource.namespace().unwrap_or_else(|| own_namespace.clone());
    let asker = Asker { context, namespace: &namespace, fields: &fields, report, tls: terms.originates() };
    let targets = &overrides.balancing.targets;
    let Destination { service, resolution } = match &targets[..] {
        [] => asker.find(&spec, upstream),
        targets => asker.gather(&spec, upstream, targets),
    };
    let originate = terms.originate(targets.is_empty().then_some(&service.host));
    let backup = overrides
        .balancing
        .backup
        .as_ref()
        .map(|upstream| asker.also(upstream, BalancingOverrides::BACKUP_FIELD));
    let name: Arc<str> = report.resource().into();
    let mapping = Mapping {
        stats_name: spec
            .stats_name
            .as_deref()
            .or(spec.cluster_tag.as_deref())
            .map_or_else(|| Arc::clone(&name), Into::into),
        name: MappingName(name),
        weight: Weight(0),
        families: families(
            spec.enable_ipv4,
            spec.enable_ipv6,
            context.module,
            &service.host,
            &fields,
            report,
        ),
        service,
        resolution,
        originate,
        proxy_protocol: overrides.proxy_protocol,
        prelude: terms.upstream_prelude(),
        balancing: overrides.balancing.lower(context.module.load_balancer, backup),
        relay: overrides.relay,
        timeouts: overrides.bounds.timeouts,
        limits: overrides.bounds.limits,
    };
    Some(Lowered { binds, way: way?, route: overrides.route, weight: spec.weight, mapping })
}

fn families(
    ipv4: Option<bool>,
    ipv6: Option<bool>,
    module: &Module,
    host: &Host,
    fields: &Fields<'_>,
    report: &Report,
) -> Families {
    let families = Families {
        ipv4: ipv4.or(module.enable_ipv4).unwrap_or(true),
        ipv6: ipv6.or(module.enable_ipv6).unwrap_or(true),
    };
    if families.ipv4 || families.ipv6 {
        return families;
    }
    if matches!(host, Host::Name(_)) {
        let message = "is off, as is enable_ipv6, which leaves no address; IPv4 is used, as Ambassador does";
        report.warn(fields.path("enable_ipv4"), message);
    }
    Families { ipv4: true, ipv6: false }
}
