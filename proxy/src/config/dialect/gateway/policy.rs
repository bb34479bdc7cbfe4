//! `BackendTLSPolicy`: TLS towards the endpoints of a Service.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::id::{Head, Id};
use super::reference::ObjectRef;
use super::status::{Fault, condition};
use super::store::{Referrer, Store, Words};
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
    report: Report,
}

/// A Service, or one of its ports by name.
#[derive(Debug)]
struct Target {
    service: String,
    section: Option<String>,
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
    pub(super) fn read(resources: Vec<(&Resource<'_>, Head, Report)>, store: &Store<'_>) -> Self {
        let read = |(resource, head, report)| policy(resource, head, report, store);
        let mut policies: Vec<_> = resources.into_iter().map(read).collect();
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
        port: Option<&str>,
        gateway: &Id,
        identity: Option<&Identity>,
    ) -> Result<Option<Origination>, Fault> {
        let own = port.and_then(|port| self.decide(service, Some(port), gateway));
        // Of the whole Service, which decides for its other ports all the same.
        let whole = self.decide(service, None, gateway);
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
    fn decide(&self, service: &Id, section: Option<&str>, gateway: &Id) -> Option<&Policy> {
        let is_target =
            |target: &Target| target.service == service.name && target.section.as_deref() == section;
        let neighbours = self.0.iter().filter(|policy| policy.head.id.namespace == service.namespace);
        let mut deciding = None;
        for policy in neighbours.filter(|policy| policy.targets.iter().any(is_target)) {
            policy.ancestors.borrow_mut().insert(gateway.clone());
            deciding = deciding.or(Some(policy));
        }
        deciding.inspect(|policy| policy.decides.set(true))
    }

    /// What becomes of each, once everybody has asked.
    pub(super) fn finish(self) -> impl Iterator<Item = (ResourceStatus, Report)> {
        self.0.into_iter().map(Policy::finish)
    }
}

impl Policy {
    fn finish(self) -> (ResourceStatus, Report) {
        let Self { head, terms, unresolved, ancestors, decides, report, .. } = self;
        let ancestors = ancestors.into_inner();
        if ancestors.is_empty() && !report.failed() {
            let message =
                "is on no way of a TLSRoute through a listener that terminates, where alone a policy counts";
            report.info("spec.targetRefs", message);
        }
        let conflict = Fault::new("Conflicted", "an older policy has the same target");
        let fault = match &terms {
            Err(fault) => Some(fault),
            Ok(_) if !decides.get() && !ancestors.is_empty() => {
                report.error(
                    "spec.targetRefs",
                    "an older policy has the same target, and counts; remove one of them",
                );
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
    let targets = spec.as_ref().map(|spec| targets(spec, &report)).unwrap_or_default();
    let validation = spec.as_ref().and_then(|spec| {
        let validation = spec.child("validation");
        if validation.is_none() {
            spec.missing("validation", "say who vouches for the upstream, and under which name");
        }
        if let Some(options) = spec.child("options") {
            options.warn_unknown(&[]);
        }
        spec.warn_unknown(&[]);
        validation
    });
    let by = Referrer { kind: "BackendTLSPolicy", namespace: &head.id.namespace, report: &report };
    let (terms, unresolved) = match validation {
        Some(validation) => terms(&validation, by, store),
        None => (Err(Fault::new("Invalid", "the policy cannot be read")), None),
    };
    // Who wrote a policy wants TLS: without a good one nobody is connected to.
    let terms = if report.failed() { Err(Fault::new("Invalid", "the policy is in error")) } else { terms };
    let (ancestors, decides) = (RefCell::default(), Cell::new(false));
    Policy { head, targets, terms, unresolved, ancestors, decides, report }
}

fn targets(spec: &Fields<'_>, report: &Report) -> Vec<Target> {
    const MOST: usize = 16;
    let children = spec.children("targetRefs").unwrap_or_default();
    if !(1..=MOST).contains(&children.len()) {
        let message = format!("has {} entries; a policy has 1 to {MOST} targets", children.len());
        report.discard(spec.path("targetRefs"), message);
    }
    let target = |fields: &Fields<'_>| {
        let object = ObjectRef::read(fields, "", "");
        let section = fields.filled("sectionName");
        fields.warn_unknown(&[("namespace", "a policy is about Services of its own namespace")]);
        let object = object?;
        if !object.is("", "Service") {
            let message =
                format!("{} is no Service of Kubernetes, which alone a policy is about", object.shown(""));
            report.error(&object.field, message);
            return None;
        }
        Some(Target { service: object.name, section })
    };
    children.iter().filter_map(target).collect()
}

type Proven = (Result<Terms, Fault>, Option<Fault>);

fn terms(validation: &Fields<'_>, by: Referrer<'_>, store: &Store<'_>) -> Proven {
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
    let references = validation.children("caCertificateRefs").unwrap_or_default();
    let well_known = validation.filled("wellKnownCACertificates");
    match (references.is_empty(), &well_known) {
        (true, None) => validation
            .missing("caCertificateRefs", "name a ConfigMap with ca.crt, or wellKnownCACertificates: System"),
        (false, Some(_)) => report.discard(
            validation.path("wellKnownCACertificates"),
            "excludes caCertificateRefs; write one of them",
        ),
        _ => {}
    }
    if references.len() > AUTHORITIES {
        report.discard(validation.path("caCertificateRefs"), format!("has more than {AUTHORITIES} entries"));
    }
    let objects: Vec<_> = references
        .iter()
        .filter_map(|fields| {
            let read = ObjectRef::read(fields, "", "ConfigMap");
            fields.warn_unknown(&[("namespace", "a policy's authorities are in its own namespace")]);
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
            report.error(validation.path("wellKnownCACertificates"), &message);
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
