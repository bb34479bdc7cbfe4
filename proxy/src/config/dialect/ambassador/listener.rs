//! `Listener`: whether a port expects something in front of a mapping's bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::settings::Settings;

/// What must be peeled off before a mapping's bytes, which this version of sluice does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrapping {
    Nothing,
    Tls,
    Proxy,
    /// The Listener is in error; serving cleartext would be a guess.
    Unreadable,
}

/// The Listeners that stand in the way of mappings, by the address they share.
#[derive(Debug, Default)]
pub(super) struct Stacks(BTreeMap<SocketAddr, (Wrapping, String)>);

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
            if let Some(port) = port.and_then(|port| u16::try_from(port).ok())
                && wrapping != Wrapping::Nothing
            {
                let bind = SocketAddr::new(settings.ambassador.bind_address, port);
                stacks.entry(bind).or_insert((wrapping, report.resource().to_owned()));
            }
            found.extend(report.into_diagnostics());
        }
        Self(stacks)
    }

    /// Why a mapping cannot be served on an address, if so.
    pub(super) fn obstacle(&self, bind: SocketAddr) -> Option<String> {
        let (wrapping, listener) = self.0.get(&bind)?;
        match wrapping {
            Wrapping::Nothing => None,
            Wrapping::Tls => {
                Some(format!("{listener} terminates TLS, which is not served by this version of sluice"))
            }
            Wrapping::Proxy => Some(format!(
                "{listener} expects the PROXY protocol, which is not served by this version of sluice"
            )),
            Wrapping::Unreadable => Some(format!("{listener} is in error, so what it expects is unknown")),
        }
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
            "HTTPPROXY" | "PROXY" => outcome = Wrapping::Proxy,
            "HTTPS" | "HTTPSPROXY" | "TLS" if outcome == Wrapping::Nothing => outcome = Wrapping::Tls,
            "HTTPS" | "HTTPSPROXY" | "TLS" => {}
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
