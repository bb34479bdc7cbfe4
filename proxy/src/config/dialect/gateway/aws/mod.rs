//! What the AWS Load Balancer Controller adds to the Gateway API (`gateway.k8s.aws`), for Gateways of its class.
//!
//! Source: the controller's documentation of its Gateway API kinds, and the Network Load Balancer's user guide.

mod attributes;
mod certificates;
mod check;
mod load_balancer;
mod ssl_policy;
mod target_group;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use ipnet::IpNet;

use self::certificates::Certificates;
use self::load_balancer::{ListenerConfiguration, LoadBalancer};
use self::target_group::TargetGroup;
pub(super) use self::target_group::{Props, Protocol};
use super::id::{Head, Id};
use super::kind::AWS;
use super::reference::ObjectRef;
use super::spec::{self, ListenerSpec, Mode};
use super::status::Fault;
use super::store::Referrer;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::secret::Secrets;
use crate::config::material::Files;
use crate::config::model::{
    Authorities, Identity, NameSent, NamesChecked, Origination, Parameters, Verification,
};
use crate::config::settings::{Settings, UpstreamTlsVerify};

/// How long a connection without a byte lasts, which TLS listeners do not let anybody change.
const IDLE: Duration = Duration::from_secs(350);

/// The resources of one kind, in the order of the documents.
type Found<'r, 'a> = Vec<(&'r Resource<'a>, Head, Report)>;

/// Every resource of these kinds.
pub(super) struct Aws<'a> {
    balancers: Vec<LoadBalancer>,
    groups: Vec<TargetGroup>,
    certificates: Certificates<'a>,
    settings: &'a Settings,
    /// That targets are not verified is said once.
    is_unverified_said: Cell<bool>,
}

/// What a Gateway goes by, as places among all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Combined {
    /// Its class's configuration and its own, the preferred first.
    balancers: [Option<usize>; 2],
    /// Its own default for target groups and its class's.
    groups: [Option<usize>; 2],
}

/// What a listener shows, or why that is nothing.
pub(super) struct Shown {
    /// Where no name fits.
    pub(super) default: Option<Identity>,
    /// All, each shown for the names in it, those that are preferred first.
    pub(super) certificates: Vec<Identity>,
    pub(super) unresolved: Option<Fault>,
    pub(super) parameters: Parameters,
}

const INVALID_PARAMETERS: &str = "InvalidParameters";
const CERTIFICATE: &str = "InvalidCertificateRef";

impl<'a> Aws<'a> {
    /// Reads them all; certificates are looked up where a listener wants them.
    pub(super) fn read(
        balancers: Found<'_, '_>,
        groups: Found<'_, '_>,
        secrets: &'a Secrets,
        files: &'a RefCell<Files>,
        settings: &'a Settings,
    ) -> Self {
        let balancers =
            balancers.into_iter().map(|(resource, head, report)| LoadBalancer::read(resource, head, report));
        let groups =
            groups.into_iter().map(|(resource, head, report)| TargetGroup::read(resource, head, report));
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by(|a, b| a.head.age.cmp(&b.head.age));
        for (place, group) in groups.iter().enumerate() {
            let same = |other: &&TargetGroup| {
                group.service.is_some()
                    && other.service == group.service
                    && other.head.id.namespace == group.head.id.namespace
            };
            if let Some(before) = groups[..place].iter().find(same) {
                let message = format!(
                    "{} is about the same Service, and older; remove one of them",
                    before.report.whereabouts()
                );
                group.report.discard("spec.targetReference.name", message);
            }
        }
        Self {
            balancers: balancers.collect(),
            groups,
            certificates: Certificates::new(settings, secrets, files),
            settings,
            is_unverified_said: Cell::new(false),
        }
    }

    /// What a Gateway of `namespace` goes by, whose class and which itself refer to these.
    ///
    /// # Errors
    /// One of them cannot be had.
    pub(super) fn combined(
        &self,
        class: Option<&ObjectRef>,
        own: Option<&ObjectRef>,
        namespace: &str,
    ) -> Result<Combined, Fault> {
        let class = class.map(|object| self.balancer(object, namespace)).transpose()?;
        let own = own.map(|object| self.balancer(object, namespace)).transpose()?;
        let prefers_own = class.is_some_and(|class| self.balancers[class].prefers_gateway);
        let balancers = if prefers_own { [own, class] } else { [class, own] };
        Ok(Combined { balancers, groups: [self.default_group(own)?, self.default_group(class)?] })
    }

    fn balancer(&self, object: &ObjectRef, namespace: &str) -> Result<usize, Fault> {
        let fault = |message| Err(Fault::new(INVALID_PARAMETERS, message));
        if !object.is(AWS, "LoadBalancerConfiguration") {
            return fault(format!("{} is no LoadBalancerConfiguration.{AWS}", object.shown(namespace)));
        }
        let id = object.id(namespace);
        let Some(place) = self.balancers.iter().position(|balancer| balancer.head.id == id) else {
            return fault(format!(
                "there is no LoadBalancerConfiguration {id} in the configuration; add it, or leave parametersRef out"
            ));
        };
        self.balancers[place].is_asked.set(true);
        if self.balancers[place].report.failed() {
            return fault(format!("LoadBalancerConfiguration {id} is in error"));
        }
        Ok(place)
    }

    fn default_group(&self, balancer: Option<usize>) -> Result<Option<usize>, Fault> {
        let balancer = balancer.map(|place| &self.balancers[place]);
        let Some((balancer, name)) = balancer.and_then(|known| Some((known, known.target_group.as_ref()?)))
        else {
            return Ok(None);
        };
        let id = Id::new(&*balancer.head.id.namespace, name);
        let found = self.groups.iter().position(|group| group.head.id == id);
        if let Some(place) = found.filter(|place| !self.groups[*place].report.failed()) {
            return Ok(Some(place));
        }
        let why = if found.is_some() { "is in error" } else { "is not in the configuration" };
        let message = format!("TargetGroupConfiguration {id} {why}");
        balancer.report.error("spec.defaultTargetGroupConfiguration.name", &message);
        Err(Fault::new(INVALID_PARAMETERS, message))
    }

    /// The configuration of a listener's protocol and port, and where it stands.
    fn configured(
        &self,
        combined: Combined,
        listener: &ListenerSpec,
    ) -> Option<(&LoadBalancer, &ListenerConfiguration)> {
        // What is passed through is bytes to a load balancer, whatever they are.
        let is_tls = listener.protocol == spec::Protocol::Tls && listener.mode == Some(Mode::Terminate);
        let key = format!("{}:{}", if is_tls { "TLS" } else { "TCP" }, listener.port);
        let found = combined.balancers.into_iter().flatten().filter_map(|place| {
            let balancer = &self.balancers[place];
            Some((balancer, balancer.listener(&key)?))
        });
        // All are asked, so that none is told to be about nobody.
        found.collect::<Vec<_>>().first().copied()
    }

    /// Notes that a Gateway has this listener, whether it is served or not.
    pub(super) fn meet(&self, combined: Combined, listener: &ListenerSpec) {
        self.configured(combined, listener);
    }

    /// Clients that a Gateway's listeners let in; empty is everyone.
    pub(super) fn sources(&self, combined: Combined) -> Vec<IpNet> {
        let mut balancers = combined.balancers.into_iter().flatten();
        balancers.find_map(|place| self.balancers[place].sources.clone()).unwrap_or_default()
    }

    /// What a listener that ends TLS shows. `certificateRefs` count for nothing, as for AWS.
    pub(super) fn shown(&self, combined: Combined, listener: &ListenerSpec, by: Referrer<'_>) -> Shown {
        let configured = self.configured(combined, listener);
        let mut shown = Shown {
            default: None,
            certificates: Vec::new(),
            unresolved: None,
            parameters: listener.parameters.clone(),
        };
        if let Some((balancer, configuration)) = configured {
            if let Some(parameters) = &configuration.parameters {
                shown.parameters = parameters.clone();
            }
            for (arn, field) in &configuration.certificates {
                let own = balancer.head.id.namespace.as_str();
                match self.certificates.get(arn, own, field, &balancer.report) {
                    Ok(identity) => shown.certificates.push(identity),
                    Err(why) => {
                        balancer.report.error(field, &why);
                        shown.unresolved = shown.unresolved.or(Some(Fault::new(CERTIFICATE, why)));
                        // Another's certificate never stands in for the default.
                        if shown.certificates.is_empty() {
                            return shown;
                        }
                    }
                }
            }
            if !configuration.certificates.is_empty() {
                shown.default = shown.certificates.first().cloned();
                certificates::prefer(&mut shown.certificates);
                return shown;
            }
        }
        match &listener.hostname {
            Some(hostname) => {
                shown.certificates = self.certificates.discover(hostname, by.namespace);
                shown.default = shown.certificates.first().cloned();
                if shown.default.is_none() {
                    let message = format!(
                        "no certificate of the setting certificate-map has the name {hostname}, and no \
                         listenerConfigurations names one for TLS:{}",
                        listener.port
                    );
                    shown.unresolved = Some(Fault::new(CERTIFICATE, message));
                }
            }
            None => {
                let message = format!(
                    "no listenerConfigurations names a certificate for TLS:{0}, and without a hostname none is looked \
                     for; give defaultCertificate to a LoadBalancerConfiguration with protocolPort: TLS:{0}",
                    listener.port
                );
                shown.unresolved = Some(Fault::new(CERTIFICATE, message));
            }
        }
        if !listener.certificates.is_empty() && shown.unresolved.is_none() {
            let message =
                "count for nothing in this class: certificates are named by ARN, or looked for by hostname";
            by.report.info(format!("{}.tls.certificateRefs", listener.field), message);
        }
        shown
    }

    /// What holds for the targets of a Service that a route is connected to.
    ///
    /// # Errors
    /// A configuration of theirs is in error: nobody is to be connected to.
    pub(super) fn target_group(
        &self,
        service: &Id,
        (kind, route): (&str, &Id),
        combined: Combined,
    ) -> Result<Props, Fault> {
        let is_about = |group: &&TargetGroup| {
            group.head.id.namespace == service.namespace
                && group.service.as_deref() == Some(service.name.as_str())
        };
        let mut about = self.groups.iter().filter(is_about);
        let own = about.next();
        if let Some(broken) = own.filter(|group| group.report.failed()) {
            let message = format!("{} is in error", broken.report.resource());
            return Err(Fault::new(INVALID_PARAMETERS, message));
        }
        let defaults = combined.groups.into_iter().flatten().map(|place| &self.groups[place]);
        let all = own.into_iter().chain(defaults);
        Ok(all.fold(Props::default(), |props, group| props.or(group.of(kind, route))))
    }

    /// TLS to targets as AWS begins it: no name is sent, and no certificate looked at unless an operator wants that.
    pub(super) fn origination(&self, route: &Report) -> Origination {
        let verification = match self.settings.upstream_tls_verify {
            UpstreamTlsVerify::System => Verification::Chain {
                authorities: Authorities::System,
                names: NamesChecked::Sent,
                depth: None,
            },
            UpstreamTlsVerify::None => {
                if !self.is_unverified_said.replace(true) {
                    let message = "the targets' certificates are not verified, as AWS verifies none (said once for all \
                                   routes); set upstream-tls-verify: system, or take GatewayClass sluice.dev/gateway \
                                   with a BackendTLSPolicy";
                    route.warn("spec.rules[0].backendRefs", message);
                }
                Verification::None
            }
        };
        Origination {
            name: route.resource().into(),
            identity: None,
            server_name: NameSent::Nothing,
            verification,
            parameters: Parameters::default(),
        }
    }

    /// How long a listener's connections last without a byte.
    pub(super) fn idle(&self, combined: Combined, listener: &ListenerSpec) -> Duration {
        let configured =
            self.configured(combined, listener).and_then(|(_, configuration)| configuration.idle);
        configured.or(self.settings.timeouts.idle).unwrap_or(IDLE)
    }

    /// Gives out what was found, once everybody has asked.
    pub(super) fn finish(self) -> impl Iterator<Item = Report> {
        let groups = self.groups.into_iter().map(|group| {
            if !group.is_asked.get() && !group.report.failed() {
                let message = "no route through a Gateway of AWS' class goes by it";
                group.report.info("spec.targetReference", message);
            }
            group.report
        });
        self.balancers.into_iter().map(LoadBalancer::finish).chain(groups)
    }
}
