//! `BackendTLSPolicy`: TLS towards the endpoints of a Service.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::backend::PortName;
use super::id::{Head, Id};
use super::reference::ObjectRef;
use super::status::{Fault, condition};
use super::store::{Referrer, Store, Words};
use crate::config::dialect::cluster::Cluster;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::names;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::model::{
    Authorities, Condition, Identity, NameSent, NamesChecked, Origination, Parameters, PartStatus,
    ResourceStatus, SanPattern, ServerName, Verification,
};

/// Every policy of a configuration, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Policies(Vec<Policy>);

/// One policy.
#[derive(Debug)]
struct Policy {
    head: Head,
    targets: Vec<Target>,
    /// What it asks of upstreams; or why whoever is under it is not connected to.
    terms: Result<Terms, Fault>,
    /// What is wrong with an authority, even if others are good.
    unresolved: Option<Fault>,
    /// The Gateways whose connections go to its targets, and whether it has a say there.
    ancestors: RefCell<BTreeSet<Id>>,
    decides: Cell<bool>,
    /// Who has a say in its stead, and where that stands.
    older: RefCell<Option<String>>,
    report: Report,
}

/// A Service, or one of its ports by name.
#[derive(Debug)]
struct Target {
    service: String,
    section: Option<String>,
    /// The path of the whole.
    field: String,
}

/// What is sent and asked of upstreams.
#[derive(Debug)]
struct Terms {
    name: ServerName,
    verification: Verification,
}

const WORDS: Words = Words { broken: "InvalidCACertificateRef", kind: "InvalidKind" };

impl Policies {
    /// Reads and proves them all.
    pub(super) fn read(
        resources: Vec<(&Resource<'_>, Head, Report)>,
        store: &Store<'_>,
        cluster: &Cluster<'_>,
    ) -> Self {
        let read = |(resource, head, report)| policy(resource, head, report, store);
        let mut policies: Vec<_> = resources.into_iter().map(read).collect();
        policies.iter().for_each(|policy| policy.look_for_targets(cluster));
        policies.sort_by(|a, b| a.head.age.cmp(&b.head.age));
        Self(policies)
    }

    /// What is asked of a Service's port towards a Gateway's connections; `None` is no TLS.
    ///
    /// # Errors
    /// A policy asks for what cannot be had, so nobody is to be connected to.
    pub(super) fn origination(
        &self,
        service: &Id,
        port: &PortName,
        gateway: &Id,
        identity: Option<&Identity>,
    ) -> Result<Option<Origination>, Fault> {
        let own = match port {
            PortName::Named(name) => self.decide(service, |section| section == Some(name.as_str()), gateway),
            PortName::Unnamed => None,
            // It may be this one.
            PortName::Unknown => {
                if let Some(policy) = self.decide(service, |section| section.is_some(), gateway) {
                    let message = format!(
                        "{} is about a port of Service {service} by its name (sectionName), which the configuration does \
                         not have: add the Service, or leave sectionName out",
                        policy.report.resource()
                    );
                    return Err(Fault::new("TargetNotFound", message));
                }
                None
            }
        };
        // Of the whole Service, which decides for its other ports all the same.
        let whole = self.decide(service, |section| section.is_none(), gateway);
        let Some(policy) = own.or(whole) else {
            return Ok(None);
        };
        let label = policy.report.resource();
        let terms = policy
            .terms
            .as_ref()
            .map_err(|fault| Fault::new(fault.reason, format!("{label}: {}", fault.message)))?;
        Ok(Some(Origination {
            name: label.into(),
            identity: identity.cloned(),
            server_name: NameSent::Fixed(Arc::clone(&terms.name)),
            verification: terms.verification.clone(),
            parameters: Parameters::default(),
        }))
    }

    /// The oldest policy of a Service, or of one of its ports.
    fn decide(&self, service: &Id, is_meant: impl Fn(Option<&str>) -> bool, gateway: &Id) -> Option<&Policy> {
        let is_target =
            |target: &Target| target.service == service.name && is_meant(target.section.as_deref());
        let neighbours = self.0.iter().filter(|policy| policy.head.id.namespace == service.namespace);
        let mut deciding: Option<&Policy> = None;
        for policy in neighbours.filter(|policy| policy.targets.iter().any(is_target)) {
            policy.ancestors.borrow_mut().insert(gateway.clone());
            match deciding {
                Some(older) => *policy.older.borrow_mut() = Some(older.report.whereabouts()),
                None => deciding = Some(policy),
            }
        }
        deciding.inspect(|policy| policy.decides.set(true))
    }

    /// What becomes of each, once everybody has asked.
    pub(super) fn finish(self) -> impl Iterator<Item = (ResourceStatus, Report)> {
        self.0.into_iter().map(Policy::finish)
    }
}

impl Policy {
    /// Says which of its targets there are not.
    fn look_for_targets(&self, cluster: &Cluster<'_>) {
        // Files without a single Service are no picture of a cluster.
        if cluster.is_empty() {
            return;
        }
        let namespace = &self.head.id.namespace;
        for Target { service, section, field } in &self.targets {
            let Some(known) = cluster.service(namespace, service) else {
                let elsewhere = cluster.elsewhere(namespace, service);
                let message =
                    format!("there is no Service {namespace}/{service} in the configuration{elsewhere}");
                self.report.error(format!("{field}.name"), message);
                continue;
            };
            if let Some(Err(ports)) = section.as_ref().map(|section| known.has_port_named(section)) {
                let message = format!(
                    "Service {namespace}/{service} has no port of that name, so nobody is asked for what the policy says; \
                     it has {ports}"
                );
                self.report.error(format!("{field}.sectionName"), message);
            }
        }
    }

    fn finish(self) -> (ResourceStatus, Report) {
        let Self { head, terms, unresolved, ancestors, decides, older, report, .. } = self;
        let ancestors = ancestors.into_inner();
        if ancestors.is_empty() && !report.failed() {
            let message =
                "is on no way of a TLSRoute through a listener that terminates, where alone a policy counts";
            report.info("spec.targetRefs", message);
        }
        let older = older.into_inner().unwrap_or_default();
        let conflict = Fault::new("Conflicted", format!("{older} has the same target, and is older"));
        let fault = match &terms {
            Err(fault) => Some(fault),
            Ok(_) if !decides.get() && !ancestors.is_empty() => {
                let message =
                    format!("{older} has the same target, is older, and counts; remove one of them");
                report.error("spec.targetRefs", message);
                Some(&conflict)
            }
            Ok(_) => None,
        };
        let conditions = || -> Vec<Condition> {
            vec![
                condition("Accepted", "Accepted", fault),
                condition("ResolvedRefs", "ResolvedRefs", unresolved.as_ref()),
            ]
        };
        let part = |gateway: &Id| PartStatus {
            part: format!("ancestor Gateway {gateway}"),
            attached: None,
            kinds: None,
            conditions: conditions(),
        };
        let parts = ancestors.iter().map(part).collect();
        let resource = report.resource().to_owned();
        (ResourceStatus { resource, generation: head.generation, conditions: Vec::new(), parts }, report)
    }
}

fn policy(resource: &Resource<'_>, head: Head, report: Report, store: &Store<'_>) -> Policy {
    let spec = resource.spec(&report);
    let form = if resource.api_version.ends_with("/v1alpha2") { &FIRST } else { &TODAY };
    let own = head.id.namespace.as_str();
    let targets = spec.as_ref().map(|spec| targets(spec, form, own, &report)).unwrap_or_default();
    let validation = spec.as_ref().and_then(|spec| {
        let validation = spec.child(form.validation);
        if validation.is_none() {
            spec.missing(form.validation, "say who vouches for the upstream, and under which name");
        }
        if let Some(options) = spec.child("options") {
            options.warn_unknown(&[]);
        }
        spec.warn_unknown(&[]);
        validation
    });
    let by = Referrer { kind: "BackendTLSPolicy", namespace: &head.id.namespace, report: &report };
    let (terms, unresolved) = match validation {
        Some(validation) => terms(&validation, form, by, store),
        None => (Err(Fault::new("Invalid", "the policy cannot be read")), None),
    };
    // Who wrote a policy wants TLS: without a good one nobody is connected to.
    let terms = if report.failed() { Err(Fault::new("Invalid", "the policy is in error")) } else { terms };
    let (ancestors, decides, older) = (RefCell::default(), Cell::new(false), RefCell::default());
    Policy { head, targets, terms, unresolved, ancestors, decides, older, report }
}

/// What the fields are called.
struct Form {
    /// Whether there is one target and no list of them.
    is_single: bool,
    validation: &'static str,
    authorities: &'static str,
    well_known: &'static str,
}

const TODAY: Form = Form {
    is_single: false,
    validation: "validation",
    authorities: "caCertificateRefs",
    well_known: "wellKnownCACertificates",
};

/// As v1alpha2 had it (Gateway API 1.0).
const FIRST: Form =
    Form { is_single: true, validation: "tls", authorities: "caCertRefs", well_known: "wellKnownCACerts" };

fn targets(spec: &Fields<'_>, form: &Form, own: &str, report: &Report) -> Vec<Target> {
    const MOST: usize = 16;
    let (single, mut children) = (spec.child("targetRef"), spec.children("targetRefs").unwrap_or_default());
    match (form.is_single, &single) {
        (true, None) => spec.missing("targetRef", "name the Service that the policy is about"),
        // A list beside it is read too: whoever it names is to be protected.
        (true, Some(_)) if !children.is_empty() => report
            .discard(spec.path("targetRefs"), "is of later versions; write apiVersion: v1 with validation"),
        (false, Some(_)) => report
            .discard(spec.path("targetRef"), "is of version v1alpha2; write targetRefs, which is a list"),
        (false, None) if !(1..=MOST).contains(&children.len()) => {
            let message = format!("has {} entries; a policy has 1 to {MOST} targets", children.len());
            report.discard(spec.path("targetRefs"), message);
        }
        _ => {}
    }
    children.extend(single);
    let target = |fields: &Fields<'_>| {
        let object = ObjectRef::read(fields, "", "");
        let section = fields.filled("sectionName");
        fields.warn_unknown(&[]);
        let object = object?;
        if object.namespace.as_deref().is_some_and(|namespace| namespace != own) {
            let message = format!(
                "{} is in another namespace, and a policy is about Services of its own; put it there",
                object.shown(own)
            );
            report.error(fields.path("namespace"), message);
            return None;
        }
        if !object.is("", "Service") {
            let message =
                format!("{} is no Service of Kubernetes, which alone a policy is about", object.shown(""));
            report.error(&object.field, message);
            return None;
        }
        Some(Target { service: object.name, section, field: fields.here().to_owned() })
    };
    children.iter().filter_map(target).collect()
}

type Proven = (Result<Terms, Fault>, Option<Fault>);

fn terms(validation: &Fields<'_>, form: &Form, by: Referrer<'_>, store: &Store<'_>) -> Proven {
    const AUTHORITIES: usize = 8;
    const NAMES: usize = 5;
    let report = by.report;
    let hostname = validation.filled("hostname");
    if hostname.is_none() {
        validation.missing("hostname", "it is sent (SNI), and looked for in the upstream's certificate");
    }
    let name = hostname.and_then(|text| {
        let name = names::server_name(&text).filter(|_| text.parse::<std::net::IpAddr>().is_err());
        if name.is_none() {
            report.discard(validation.path("hostname"), format!("{text:?} is no DNS name"));
        }
        name
    });
    let references = validation.children(form.authorities).unwrap_or_default();
    let well_known = validation.filled(form.well_known);
    match (references.is_empty(), &well_known) {
        (true, None) => validation.missing(
            form.authorities,
            &format!("name a ConfigMap with ca.crt, or {}: System", form.well_known),
        ),
        (false, Some(_)) => report.discard(
            validation.path(form.well_known),
            format!("excludes {}; write one of them", form.authorities),
        ),
        _ => {}
    }
    if references.len() > AUTHORITIES {
        report.discard(validation.path(form.authorities), format!("has more than {AUTHORITIES} entries"));
    }
    let objects: Vec<_> = references
        .iter()
        .filter_map(|fields| {
            let read = ObjectRef::read(fields, "", "ConfigMap");
            fields.warn_unknown(&[]);
            let is_elsewhere = |object: &&ObjectRef| {
                object.namespace.as_deref().is_some_and(|namespace| namespace != by.namespace)
            };
            if read.as_ref().filter(is_elsewhere).is_some() {
                let message = "is ignored: a policy's authorities are in its own namespace";
                report.warn(fields.path("namespace"), message);
            }
            read.map(|object| ObjectRef { namespace: None, ..object })
        })
        .collect();
    let sans = validation.children("subjectAltNames").unwrap_or_default();
    if sans.len() > NAMES {
        report.discard(validation.path("subjectAltNames"), format!("has more than {NAMES} entries"));
    }
    let sans: Vec<_> = sans.iter().filter_map(|fields| san(fields, report)).collect();
    validation.warn_unknown(&[]);
    let Some(name) = name else {
        return (Err(Fault::new("Invalid", "the policy has no hostname")), None);
    };
    let names = if sans.is_empty() { vec![SanPattern::Dns(Arc::clone(&name))] } else { sans };
    let names = NamesChecked::OneOf(names);
    let (authorities, unresolved) = match well_known {
        None => {
            let (trust, unresolved) = store.trust(&objects, by, WORDS);
            let why = unresolved.as_ref().map_or("", |fault| fault.message.as_str());
            let none = Fault::new("NoValidCACertificate", why);
            (trust.map(Authorities::Given).ok_or(none), unresolved)
        }
        Some(name) if name == "System" => (Ok(Authorities::System), None),
        Some(other) => {
            let message = format!("{other:?} is no set of authorities that sluice has; write System");
            report.error(validation.path(form.well_known), &message);
            (Err(Fault::new("Invalid", message)), None)
        }
    };
    let verification = |authorities| Verification::Chain { authorities, names, depth: None };
    (authorities.map(|authorities| Terms { name, verification: verification(authorities) }), unresolved)
}

fn san(fields: &Fields<'_>, report: &Report) -> Option<SanPattern> {
    #[derive(Clone, Copy, PartialEq)]
    enum Type {
        Hostname,
        Uri,
    }
    let kind = fields.choice("type", &[("Hostname", Type::Hostname), ("URI", Type::Uri)]);
    let (hostname, uri) = (fields.filled("hostname"), fields.filled("uri"));
    fields.warn_unknown(&[]);
    match (kind?, hostname, uri) {
        (Type::Hostname, Some(hostname), None) => {
            if names::server_name(&hostname).is_none() {
                report.discard(fields.path("hostname"), format!("{hostname:?} is no whole DNS name"));
            }
            Some(SanPattern::Dns(hostname.to_ascii_lowercase().into()))
        }
        (Type::Uri, None, Some(uri)) => Some(SanPattern::Uri(uri.into())),
        _ => {
            report.discard(
                fields.here(),
                "has to state hostname with type Hostname, or uri with type URI, alone",
            );
            None
        }
    }
}
