//! `Listener`: whether a port expects TLS, or something else in front of a mapping's bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::host_binding::HostBinding;
use super::proxy_protocol;
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::model::ProxySources;
use crate::config::settings::Settings;

/// What stands before a mapping's bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wrapping {
    /// A PROXY header, always the first.
    proxy: Option<ProxySources>,
    tls: bool,
}

/// What a mapping makes of the TLS of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Downstream {
    /// It has no host.
    Untouched,
    /// It has one, and TLS ends here.
    Terminated,
    /// It has one, and TLS is looked at and goes on: any Listener will do.
    PassedThrough,
}

/// What the Listeners expect, by the address that mappings share with them.
#[derive(Debug, Default)]
pub(super) struct Stacks(BTreeMap<SocketAddr, Entry>);

#[derive(Debug)]
struct Entry {
    label: String,
    /// `None` where the Listener is in error; serving anything would be a guess.
    wrapping: Option<Wrapping>,
    binding: HostBinding,
}

impl Stacks {
    pub(super) fn read(
        listeners: Vec<(&Resource<'_>, Report)>,
        settings: &Settings,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut stacks = BTreeMap::new();
        for (resource, report) in listeners {
            let fields = resource.spec(&report);
            let port = fields.as_ref().and_then(|fields| fields.integer("port", 1..=65535));
            let wrapping = fields.as_ref().map(|fields| wrapping(resource, fields, &report));
            let wrapping = wrapping.unwrap_or(Some(Wrapping::default()));
            if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
                let bind = SocketAddr::new(settings.ambassador.bind_address, port);
                let own = resource.namespace();
                let own = own.as_deref().unwrap_or(&settings.ambassador.namespace);
                let binding = fields.as_ref().map(|fields| HostBinding::read(fields, own, &report));
                let (label, binding) = (report.resource().to_owned(), binding.unwrap_or_default());
                stacks.entry(bind).or_insert(Entry { label, wrapping, binding });
            }
            found.extend(report.into_diagnostics());
        }
        Self(stacks)
    }

    /// Why a mapping cannot be served on an address, if so.
    pub(super) fn obstacle(&self, bind: SocketAddr, mapping: Downstream) -> Option<String> {
        let Entry { wrapping, label: listener, .. } = self.0.get(&bind)?;
        let Some(wrapping) = wrapping else {
            return Some(format!("{listener} is in error, so what it expects is unknown"));
        };
        match (wrapping.tls, mapping) {
            (false, Downstream::Untouched | Downstream::PassedThrough)
            | (true, Downstream::Terminated | Downstream::PassedThrough) => None,
            (false, Downstream::Terminated) => Some(format!(
                "{listener} does not terminate TLS, and a mapping with host does; give the Listener protocol: TLS, \
                 or leave host out"
            )),
            (true, Downstream::Untouched) => Some(format!(
                "{listener} terminates TLS, and a mapping without host does not; give the mapping a host, or the \
                 Listener protocol: TCP"
            )),
        }
    }

    /// Whose connections to an address begin with a PROXY header.
    pub(super) fn proxy_protocol(&self, bind: SocketAddr) -> Option<&ProxySources> {
        self.0.get(&bind)?.wrapping.as_ref()?.proxy.as_ref()
    }

    /// Which Hosts the Listener of an address takes certificates from; all where there is none.
    pub(super) fn binding(&self, bind: SocketAddr) -> Option<&HostBinding> {
        self.0.get(&bind).map(|entry| &entry.binding)
    }
}

/// `None` where the report says why not.
fn wrapping(resource: &Resource<'_>, fields: &Fields<'_>, report: &Report) -> Option<Wrapping> {
    let (field, stack) = match (fields.texts("protocolStack"), fields.filled("protocol")) {
        (Some(stack), protocol) => {
            if protocol.is_some() {
                report.error(
                    fields.path("protocol"),
                    "stands beside protocolStack, which wins; keep one of them",
                );
            }
            ("protocolStack", stack)
        }
        (None, Some(protocol)) => ("protocol", vec![protocol]),
        (None, None) => {
            fields.missing("protocol", "give it TCP, or give a protocolStack");
            return None;
        }
    };
    let (mut proxy, mut tls) = (false, false);
    for layer in &stack {
        match layer.as_str() {
            "HTTP" | "TCP" => {}
            "HTTPS" | "TLS" => tls = true,
            "HTTPPROXY" => proxy = true,
            "HTTPSPROXY" => (proxy, tls) = (true, true),
            "PROXY" => {
                if tls {
                    let message =
                        "has PROXY behind TLS; it is read before TLS, as if they stood the other way round";
                    report.info(fields.path(field), message);
                }
                proxy = true;
            }
            other => {
                let known = "HTTP, HTTPS, HTTPPROXY, HTTPSPROXY, PROXY, TCP, TLS";
                report.discard(fields.path(field), format!("{other:?} is none of {known}"));
                return None;
            }
        }
    }
    let sources = proxy_protocol::sources(resource, proxy, report);
    // A list with a mistake in it would shut somebody out, or let everybody in.
    (!report.failed()).then(|| Wrapping { proxy: proxy.then_some(sources), tls })
}
