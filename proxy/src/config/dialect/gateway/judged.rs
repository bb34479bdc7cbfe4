//! A Gateway and its listeners, judged: what can be served, and what a controller would say of the rest.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use super::aws::{Aws, Combined};
use super::class::{Class, Classes, GatewayClass};
use super::conflict;
use super::id::Head;
use super::kind::GROUP;
use super::spec::{GatewaySpec, ListenerSpec, Mode, Protocol};
use super::status::Fault;
use super::store::{Referrer, Store, Words};
use super::terminate::terminate;
use crate::config::dialect::report::Report;
use crate::config::model::{Identity, Termination};
use crate::config::settings::Settings;

/// What a Gateway is judged by.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) classes: &'a Classes,
    pub(super) store: &'a Store<'a>,
    pub(super) aws: &'a Aws<'a>,
    pub(super) settings: &'a Settings,
}

/// A Gateway that is served here.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) head: Head,
    pub(super) class: Class,
    /// What it goes by besides, where its class is Amazon's.
    pub(super) aws: Combined,
    pub(super) spec: GatewaySpec,
    /// Why it is not taken up at all.
    pub(super) refused: Option<Fault>,
    /// One for each of the spec's, in its order.
    pub(super) listeners: Vec<Listener>,
    /// What it shows upstreams; or why it can show nothing.
    pub(super) client: Result<Option<Identity>, Fault>,
    pub(super) report: Report,
}

/// What became of a listener.
#[derive(Debug)]
pub(super) struct Listener {
    /// Why it is not taken up at all.
    pub(super) refused: Option<Fault>,
    pub(super) conflicted: Option<Fault>,
    /// What it refers to in vain.
    pub(super) unresolved: Option<Fault>,
    /// Which kinds of routes may attach.
    pub(super) kinds: Vec<&'static str>,
    /// How TLS ends, where it does and can.
    pub(super) termination: Option<Arc<Termination>>,
    /// Where it listens.
    pub(super) binds: Vec<SocketAddr>,
    /// How many routes have attached.
    pub(super) attached: Cell<usize>,
}

impl Listener {
    /// Whether connections can be served.
    pub(super) fn is_programmed(&self, spec: &ListenerSpec) -> bool {
        let lacks_certificate = spec.mode == Some(Mode::Terminate) && self.termination.is_none();
        self.refused.is_none() && !lacks_certificate
    }
}

impl Gateway {
    /// Judges a Gateway of a class.
    pub(super) fn judge(
        head: Head,
        class: &GatewayClass,
        spec: GatewaySpec,
        report: Report,
        from: &Judge<'_>,
    ) -> Self {
        let Judge { store, aws, settings, .. } = *from;
        let by = Referrer { kind: "Gateway", namespace: &head.id.namespace, report: &report };
        let words = Words { broken: "InvalidClientCertificateRef", kind: "InvalidClientCertificateRef" };
        let client =
            spec.client_certificate.as_ref().map(|object| store.identity(object, by, words)).transpose();
        if let Err(fault) = &client {
            let message = format!("{}; connections on which TLS begins here are refused", fault.message);
            report.error("spec.tls.backend.clientCertificateRef", message);
        }
        let conflicts = conflict::among(&spec.listeners);
        let (of_aws, unknown) = match class.class {
            Class::Strict => (None, None),
            Class::AwsNlb => {
                match aws.combined(class.parameters.as_ref(), spec.parameters.as_ref(), &head.id.namespace) {
                    Ok(combined) => (Some(combined), None),
                    Err(fault) => (None, Some(fault)),
                }
            }
        };
        if let Some(fault) = &unknown {
            report.discard("spec.infrastructure.parametersRef", &fault.message);
        }
        let refused = refused(class.class, &spec, &report).or(unknown);
        let pending = refused
            .as_ref()
            .map(|fault| Fault::new(PENDING, format!("the Gateway is not accepted: {}", fault.message)));
        let addresses = spec.addresses.as_deref().unwrap_or(&settings.ambassador.bind_address);
        let listeners = spec.listeners.iter().zip(conflicts).map(|(listener, conflicted)| {
            let (kinds, wrong_kinds) = kinds(class.class, listener);
            if let Some(combined) = of_aws {
                aws.meet(combined, listener);
            }
            let terminated = match listener.mode {
                // Without its parameters it is not served, whatever it would show.
                Some(Mode::Terminate) if refused.is_none() => {
                    let of_aws = of_aws.map(|combined| (aws, combined));
                    terminate(of_aws, &head, &spec, listener, by, store)
                }
                _ => Default::default(),
            };
            let refused = conflicted
                .clone()
                .or_else(|| unsupported(&listener.protocol))
                .or_else(|| pending.clone())
                .or(terminated.refused);
            let unresolved = terminated.unresolved.or(wrong_kinds);
            let judged = Listener {
                refused,
                conflicted,
                unresolved,
                kinds,
                termination: terminated.termination,
                binds: addresses.iter().map(|address| SocketAddr::new(*address, listener.port)).collect(),
                attached: Cell::new(0),
            };
            tell(listener, &judged, &report);
            judged
        });
        let listeners = listeners.collect();
        let aws = of_aws.unwrap_or_default();
        Self { head, class: class.class, aws, spec, refused, listeners, client, report }
    }

    /// Each listener, as declared and as judged.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (&ListenerSpec, &Listener)> {
        self.spec.listeners.iter().zip(&self.listeners)
    }
}

/// What is wrong with the whole.
fn refused(class: Class, spec: &GatewaySpec, report: &Report) -> Option<Fault> {
    for (field, message) in &spec.unsupported_addresses {
        report.discard(field, message);
    }
    let address = spec.unsupported_addresses.first();
    let address = address.map(|(_, message)| Fault::new("UnsupportedAddress", message));
    let parameters = spec.parameters.as_ref().filter(|_| class == Class::Strict).map(|parameters| {
        let message =
            format!("{} is no kind that sluice takes parameters from; leave it out", parameters.kind);
        report.discard("spec.infrastructure.parametersRef", &message);
        Fault::new("InvalidParameters", message)
    });
    address.or(parameters)
}

fn tell(spec: &ListenerSpec, judged: &Listener, report: &Report) {
    let field = spec.field.as_str();
    match &judged.refused {
        Some(fault) if fault.reason == UNSUPPORTED => match &spec.protocol {
            Protocol::Other(other) if is_misspelt(other) => {
                report.error(format!("{field}.protocol"), &fault.message)
            }
            _ => report.info(field, &fault.message),
        },
        // Said of the Gateway.
        Some(fault) if fault.reason == PENDING => {}
        Some(fault) => {
            report.error(field, format!("{}; the listener {:?} is not served", fault.message, spec.name))
        }
        None => {}
    }
    if let Some(fault) = &judged.unresolved {
        let fate = if judged.is_programmed(spec) { "the rest counts" } else { "the listener is not served" };
        report.error(field, format!("{}; {fate}", fault.message));
    }
}

const PENDING: &str = "Pending";
const UNSUPPORTED: &str = "UnsupportedProtocol";

fn unsupported(protocol: &Protocol) -> Option<Fault> {
    let shown = match protocol {
        Protocol::Tcp | Protocol::Tls => return None,
        Protocol::Http => "HTTP",
        Protocol::Https => "HTTPS",
        Protocol::Udp => "UDP",
        Protocol::Other(other) => other,
    };
    let hint = if is_misspelt(shown) {
        format!("did you mean {}?", shown.to_ascii_uppercase())
    } else {
        "it serves TCP and TLS".to_owned()
    };
    Some(Fault::new(UNSUPPORTED, format!("{shown} is no protocol that sluice serves; {hint}")))
}

/// In other letters it would be one that is served.
fn is_misspelt(protocol: &str) -> bool {
    !["TCP", "TLS"].contains(&protocol) && ["TCP", "TLS"].contains(&&*protocol.to_ascii_uppercase())
}

/// The kinds that may attach, and what is wrong with those that are asked for and may not.
fn kinds(class: Class, listener: &ListenerSpec) -> (Vec<&'static str>, Option<Fault>) {
    let possible: &[&'static str] = match (&listener.protocol, class) {
        (Protocol::Tcp, _) => &["TCPRoute"],
        (Protocol::Tls, Class::Strict) => &["TLSRoute"],
        (Protocol::Tls, Class::AwsNlb) => &["TCPRoute", "TLSRoute"],
        // Nobody asks what may attach to what is not served.
        _ => return (Vec::new(), None),
    };
    let Some(wanted) = &listener.kinds else {
        return (possible.to_vec(), None);
    };
    let is = |kind: &str| wanted.iter().any(|(group, wanted)| group == GROUP && wanted == kind);
    let kinds = possible.iter().copied().filter(|kind| is(kind)).collect();
    let wrong = wanted.iter().find(|(group, kind)| group != GROUP || !possible.contains(&kind.as_str()));
    let fault = wrong.map(|(group, kind)| {
        let possible = possible.join(" or ");
        let message =
            format!("{kind:?} ({group}) cannot attach to the listener {:?}; {possible} can", listener.name);
        Fault::new("InvalidRouteKinds", message)
    });
    (kinds, fault)
}
