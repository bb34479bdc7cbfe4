//! `TCPRoute` and `TLSRoute`, read and not yet judged.

use super::hostname::Hostname;
use super::id::Head;
use super::kind::{GROUP, Kind};
use super::reference::ObjectRef;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;

/// A route's fields.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) head: Head,
    pub(super) kind: Kind,
    /// Of a `TLSRoute`. Only the versions before v1 may leave them out: then it takes what its listener takes.
    pub(super) hostnames: Vec<Hostname>,
    pub(super) parents: Vec<ParentRef>,
    pub(super) backends: Vec<BackendRef>,
    pub(super) report: Report,
}

/// What a route wants to attach to.
#[derive(Debug)]
pub(super) struct ParentRef {
    pub(super) object: ObjectRef,
    pub(super) section: Option<String>,
    pub(super) port: Option<u16>,
    /// The path of the whole.
    pub(super) field: String,
}

/// Where connections go.
#[derive(Debug)]
pub(super) struct BackendRef {
    pub(super) object: ObjectRef,
    /// A Service needs one.
    pub(super) port: Option<u16>,
    pub(super) weight: u32,
    /// The path of the whole.
    pub(super) field: String,
}

const PARENTS: usize = 32;
const BACKENDS: usize = 16;
const HOSTNAMES: usize = 1024;
const WEIGHTS: u64 = 1_000_000;

impl Route {
    /// The route's kind, as users write it.
    pub(super) fn kind(&self) -> &'static str {
        match self.kind {
            Kind::TcpRoute => "TCPRoute",
            _ => "TLSRoute",
        }
    }

    /// The report comes back where the route cannot be read.
    pub(super) fn read(
        kind: Kind,
        resource: &Resource<'_>,
        head: Head,
        report: Report,
    ) -> Result<Self, Report> {
        let read = fields(kind, resource, &report);
        match read {
            Some((hostnames, parents, backends)) if !report.failed() => {
                Ok(Self { head, kind, hostnames, parents, backends, report })
            }
            _ => Err(report),
        }
    }
}

type Read = (Vec<Hostname>, Vec<ParentRef>, Vec<BackendRef>);

fn fields(kind: Kind, resource: &Resource<'_>, report: &Report) -> Option<Read> {
    let is_old = resource.api_version.contains("alpha");
    let spec = resource.spec(report)?;
    let parents = spec.children("parentRefs").unwrap_or_default();
    if parents.len() > PARENTS {
        report.discard(spec.path("parentRefs"), format!("has more than {PARENTS} entries"));
    }
    let parents = parents.iter().filter_map(ParentRef::read).collect();
    let hostnames = if kind == Kind::TlsRoute { hostnames(&spec, is_old, report) } else { Vec::new() };
    let rules = spec.children("rules").unwrap_or_default();
    match rules.len() {
        1 => {}
        0 => spec.missing("rules", "a route has one rule with its backendRefs"),
        count if is_old => {
            let message =
                format!("has {count} entries, of which nothing but the first can ever take a connection");
            report.warn(spec.path("rules"), message);
        }
        count => {
            report.discard(spec.path("rules"), format!("has {count} entries; a route has exactly one rule"))
        }
    }
    spec.ignore(&["useDefaultGateways"]);
    spec.warn_unknown(&[]);
    let backends = rules.first().map(|rule| backends(rule, report)).unwrap_or_default();
    Some((hostnames, parents, backends))
}

fn hostnames(spec: &Fields<'_>, is_old: bool, report: &Report) -> Vec<Hostname> {
    let field = spec.path("hostnames");
    let texts = spec.texts("hostnames").unwrap_or_default();
    if texts.is_empty() && !is_old {
        spec.missing("hostnames", "a TLSRoute says which server names (SNI) it takes");
    }
    if texts.len() > HOSTNAMES {
        report.discard(&field, format!("has more than {HOSTNAMES} entries"));
    }
    let parsed = texts.iter().enumerate().filter_map(|(index, text)| {
        Hostname::parse(text).map_err(|why| report.discard(format!("{field}[{index}]"), why)).ok()
    });
    parsed.collect()
}

fn backends(rule: &Fields<'_>, report: &Report) -> Vec<BackendRef> {
    let children = rule.children("backendRefs").unwrap_or_default();
    if !(1..=BACKENDS).contains(&children.len()) {
        let message = format!("has {} entries; a rule has 1 to {BACKENDS} backends", children.len());
        report.discard(rule.path("backendRefs"), message);
    }
    let read = children.iter().filter_map(BackendRef::read).collect();
    rule.ignore(&["name"]);
    let filters = "routes of TCP and TLS have no filters";
    rule.warn_unknown(&[
        ("filters", filters),
        ("matches", "routes of TCP have no matches; see TLSRoute.hostnames"),
    ]);
    read
}

impl ParentRef {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let object = ObjectRef::read(fields, GROUP, "Gateway");
        let section = fields.filled("sectionName");
        // It would be at every listener where one was meant.
        if section.is_none() && fields.raw("sectionName").is_some() {
            fields.missing("sectionName", "name a listener, or leave the field out for all of them");
        }
        let port = fields.integer("port", 1..=65535).and_then(|port| u16::try_from(port).ok());
        fields.warn_unknown(&[]);
        Some(Self { object: object?, section, port, field: fields.here().to_owned() })
    }

    /// The part of a Gateway that is meant: `Gateway default/edge section tls port 443`.
    pub(super) fn shown(&self, own: &str) -> String {
        let mut shown = format!("{} {}", self.object.kind, self.object.id(own));
        if let Some(section) = &self.section {
            shown += &format!(" section {section}");
        }
        if let Some(port) = self.port {
            shown += &format!(" port {port}");
        }
        shown
    }
}

impl BackendRef {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let object = ObjectRef::read(fields, "", "Service");
        let port = fields.integer("port", 1..=65535).and_then(|port| u16::try_from(port).ok());
        if object.as_ref().is_some_and(|object| object.is("", "Service")) && fields.raw("port").is_none() {
            fields.missing("port", "say which port of the Service");
        }
        let weight = fields.integer("weight", 0..=WEIGHTS).and_then(|weight| u32::try_from(weight).ok());
        let filters = "backends of TCP and TLS have no filters";
        fields.warn_unknown(&[("filters", filters)]);
        let weight = if fields.raw("weight").is_some() { weight? } else { 1 };
        Some(Self { object: object?, port, weight, field: fields.here().to_owned() })
    }
}
