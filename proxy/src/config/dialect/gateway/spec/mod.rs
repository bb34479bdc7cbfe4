//! What a `Gateway` asks for, read and not yet judged.

mod allowed;
mod frontend;
mod listener;
mod options;

use std::net::IpAddr;

use super::id::Head;
use super::reference::ObjectRef;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;

pub(super) use allowed::Namespaces;
pub(super) use frontend::{ClientMode, Frontend};
pub(super) use listener::{ListenerSpec, Mode, Protocol};

/// A Gateway's fields.
#[derive(Debug)]
pub(super) struct GatewaySpec {
    pub(super) class: String,
    /// At least one.
    pub(super) listeners: Vec<ListenerSpec>,
    /// Where it listens; `None` is where everybody does.
    pub(super) addresses: Option<Vec<IpAddr>>,
    /// Addresses that sluice cannot listen at, with their paths.
    pub(super) unsupported_addresses: Vec<(String, String)>,
    /// What it shows upstreams that ask for a certificate.
    pub(super) client_certificate: Option<ObjectRef>,
    /// What it asks clients for.
    pub(super) frontend: Frontend,
    /// Its controller's own settings (`infrastructure.parametersRef`).
    pub(super) parameters: Option<ObjectRef>,
}

const LISTENERS: usize = 64;

impl GatewaySpec {
    /// `None` where the report says why not.
    pub(super) fn read(resource: &Resource<'_>, head: &Head, report: &Report) -> Option<Self> {
        let spec = resource.spec(report)?;
        let class = spec.filled("gatewayClassName");
        if class.is_none() {
            spec.missing("gatewayClassName", "name the GatewayClass whose controller serves it");
        }
        let children = spec.children("listeners").unwrap_or_default();
        if !(1..=LISTENERS).contains(&children.len()) {
            let message = format!("has {} entries; a Gateway has 1 to {LISTENERS} listeners", children.len());
            report.discard(spec.path("listeners"), message);
        }
        let listeners: Vec<_> = children
            .iter()
            .filter_map(|fields| ListenerSpec::read(fields, &head.id.namespace, report))
            .collect();
        for (index, listener) in listeners.iter().enumerate() {
            if listeners[..index].iter().any(|before| before.name == listener.name) {
                let message =
                    format!("{:?} is another listener's name too; give each its own", listener.name);
                report.discard(format!("{}.name", listener.field), message);
            }
        }
        let (addresses, unsupported_addresses) = addresses(&spec, report);
        let tls = spec.child("tls");
        let (mut client_certificate, mut frontend) = (None, Frontend::default());
        if let Some(tls) = &tls {
            if let Some(backend) = tls.child("backend") {
                client_certificate = backend.child("clientCertificateRef").and_then(|fields| secret(&fields));
                backend.warn_unknown(&[]);
            }
            if let Some(fields) = tls.child("frontend") {
                frontend = Frontend::read(&fields, report);
            }
            tls.warn_unknown(&[]);
        }
        let parameters = spec.child("infrastructure").and_then(|infrastructure| {
            let fields = infrastructure.child("parametersRef");
            infrastructure.ignore(&["labels", "annotations"]);
            infrastructure.warn_unknown(&[]);
            let fields = fields?;
            let read = ObjectRef::read(&fields, "", "");
            fields.warn_unknown(&[]);
            read
        });
        if spec.raw("allowedListeners").is_some() {
            report.warn(
                spec.path("allowedListeners"),
                "is about ListenerSets, which sluice does not serve; it is ignored",
            );
        }
        spec.ignore(&["defaultScope"]);
        spec.warn_unknown(&[]);
        if report.failed() {
            return None;
        }
        let class = class?;
        Some(Self {
            class,
            listeners,
            addresses,
            unsupported_addresses,
            client_certificate,
            frontend,
            parameters,
        })
    }
}

/// A reference to a Secret.
fn secret(fields: &Fields<'_>) -> Option<ObjectRef> {
    let read = ObjectRef::read(fields, "", "Secret");
    fields.warn_unknown(&[]);
    read
}

fn addresses(spec: &Fields<'_>, report: &Report) -> (Option<Vec<IpAddr>>, Vec<(String, String)>) {
    let (mut addresses, mut others) = (Vec::new(), Vec::new());
    for fields in spec.children("addresses").unwrap_or_default() {
        let (kind, value) = (fields.filled("type"), fields.filled("value"));
        fields.warn_unknown(&[]);
        let kind = kind.as_deref().unwrap_or("IPAddress");
        // Without a value any address will do.
        let Some(value) = value else {
            continue;
        };
        match value.trim().parse() {
            Ok(address) if kind == "IPAddress" => addresses.push(address),
            Err(_) if kind == "IPAddress" => {
                let message =
                    format!("{value:?} is no IP address, which an address of type IPAddress has to be");
                report.discard(fields.path("value"), message);
            }
            _ => {
                let message =
                    format!("{value:?} is of type {kind}; sluice listens at addresses of type IPAddress");
                others.push((fields.path("type"), message));
            }
        }
    }
    addresses.sort();
    addresses.dedup();
    (Some(addresses).filter(|addresses| !addresses.is_empty()), others)
}
