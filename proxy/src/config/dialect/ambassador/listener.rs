//! `Listener`: whether a port expects TLS, or something else in front of a mapping's bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::host_binding::HostBinding;
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::settings::Settings;

/// What stands before a mapping's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrapping {
    Nothing,
    Tls,
    /// Which this version of sluice does not peel off.
    Proxy,
    /// The Listener is in error; serving cleartext would be a guess.
    Unreadable,
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
    wrapping: Wrapping,
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
            let wrapping = fields.as_ref().map_or(Wrapping::Nothing, |fields| wrapping(fields, &report));
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
        match (wrapping, mapping) {
            (Wrapping::Nothing, Downstream::Untouched | Downstream::PassedThrough)
            | (Wrapping::Tls, Downstream::Terminated | Downstream::PassedThrough) => None,
            (Wrapping::Nothing, Downstream::Terminated) => Some(format!(
                "{listener} does not terminate TLS, and a mapping with host does; give the Listener protocol: TLS, \
                 or leave host out"
            )),
            (Wrapping::Tls, Downstream::Untouched) => Some(format!(
                "{listener} terminates TLS, and a mapping without host does not; give the mapping a host, or the \
                 Listener protocol: TCP"
            )),
            (Wrapping::Proxy, _) => Some(format!(
                "{listener} expects the PROXY protocol, which is not served by this version of sluice"
            )),
            (Wrapping::Unreadable, _) => {
                Some(format!("{listener} is in error, so what it expects is unknown"))
            }
        }
    }

    /// Which Hosts the Listener of an address takes certificates from; all where there is none.
    pub(super) fn binding(&self, bind: SocketAddr) -> Option<&HostBinding> {
        self.0.get(&bind).map(|entry| &entry.binding)
    }
}

fn wrapping(fields: &Fields<'_>, report: &Report) -> Wrapping {
    let stack = match (fields.texts("protocolStack"), fields.filled("protocol")) {
        (Some(stack), protocol) => {
            if protocol.is_some() {
                report.error(
                    fields.path("protocol"),
                    "stands beside protocolStack, which wins; keep one of them",
                );
            }
            stack
        }
        (None, Some(protocol)) => vec![protocol],
        (None, None) => {
            fields.missing("protocol", "give it TCP, or give a protocolStack");
            return Wrapping::Unreadable;
        }
    };
    let mut outcome = Wrapping::Nothing;
    for layer in &stack {
        match layer.as_str() {
            "HTTP" | "TCP" => {}
            "HTTPPROXY" | "HTTPSPROXY" | "PROXY" => outcome = Wrapping::Proxy,
            "HTTPS" | "TLS" if outcome == Wrapping::Nothing => outcome = Wrapping::Tls,
            "HTTPS" | "TLS" => {}
            other => {
                let path = fields.path("protocol");
                let known = "HTTP, HTTPS, HTTPPROXY, HTTPSPROXY, PROXY, TCP, TLS";
                report.discard(path, format!("{other:?} is none of {known}"));
                return Wrapping::Unreadable;
            }
        }
    }
    outcome
}
