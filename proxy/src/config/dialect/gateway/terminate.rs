//! How a listener ends TLS.

use std::sync::Arc;

use super::aws::{Aws, Combined, Shown};
use super::id::Head;
use super::spec::{ClientMode, GatewaySpec, ListenerSpec};
use super::status::Fault;
use super::store::{Referrer, Store, Words};
use crate::config::material;
use crate::config::model::{CertificateName, Certificates, ClientCertificates, Identity, Termination};

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Terminated {
    pub(super) termination: Option<Arc<Termination>>,
    /// The listener cannot be taken up.
    pub(super) refused: Option<Fault>,
    /// It refers to something in vain.
    pub(super) unresolved: Option<Fault>,
}

const CERTIFICATE: Words = Words { broken: "InvalidCertificateRef", kind: "InvalidCertificateRef" };
const AUTHORITY: Words = Words { broken: "InvalidCACertificateRef", kind: "InvalidCACertificateKind" };

/// Clients are asked for certificates, and nobody can vouch for any.
pub(super) const NO_AUTHORITY: &str = "NoValidCACertificate";

/// Finds the certificates that a listener shows and asks for.
pub(super) fn terminate(
    aws: Option<(&Aws<'_>, Combined)>,
    head: &Head,
    gateway: &GatewaySpec,
    listener: &ListenerSpec,
    by: Referrer<'_>,
    store: &Store<'_>,
) -> Terminated {
    let (default, certificates, mut unresolved, parameters) = match aws {
        None => {
            let (certificates, unresolved) = shown(listener, by, store);
            (certificates.first().cloned(), certificates, unresolved, listener.parameters.clone())
        }
        Some((aws, combined)) => {
            let Shown { default, certificates, unresolved, parameters } = aws.shown(combined, listener, by);
            (default, certificates, unresolved, parameters)
        }
    };
    let mut refused = None;
    let validation = listener.validation.as_ref().or_else(|| gateway.frontend.at(listener.port));
    let clients = match validation {
        None => ClientCertificates::Ignored,
        Some(validation) => {
            let (trust, fault) = store.trust(&validation.authorities, by, AUTHORITY);
            unresolved = unresolved.or(fault);
            match (trust, validation.mode) {
                (None, _) => {
                    let message = format!("none of {} is good, so no client can be", validation.field);
                    refused = Some(Fault::new(NO_AUTHORITY, message));
                    ClientCertificates::Ignored
                }
                // Any certificate will do then, and none.
                (Some(_), ClientMode::Insecure) => ClientCertificates::Ignored,
                (Some(trust), ClientMode::ValidOnly) => ClientCertificates::Required(trust),
            }
        }
    };
    let Some(default) = default else {
        return Terminated { termination: None, refused, unresolved };
    };
    let termination = Termination {
        name: format!("Gateway {} listener {}", head.id, listener.name).into(),
        certificates: vec![default],
        named: named(&certificates),
        clients,
        parameters,
    };
    Terminated { termination: Some(Arc::new(termination)), refused, unresolved }
}

/// The certificates that are good, and what is wrong with the first of the others.
fn shown(listener: &ListenerSpec, by: Referrer<'_>, store: &Store<'_>) -> (Certificates, Option<Fault>) {
    let (mut certificates, mut fault) = (Vec::new(), None);
    for object in &listener.certificates {
        match store.identity(object, by, CERTIFICATE) {
            Ok(identity) => certificates.push(identity),
            Err(wrong) if fault.is_none() => fault = Some(wrong),
            // The first is told with the listener.
            Err(wrong) => by.report.error(&object.field, wrong.message),
        }
    }
    if certificates.is_empty() && fault.is_none() {
        let message = "has options and no certificateRefs; sluice needs a certificate to end TLS";
        fault = Some(Fault::new("InvalidCertificateRef", message));
    }
    (certificates, fault)
}

/// By the names in each, where there are several: for a client's name the longest that fits is looked for.
fn named(certificates: &[Identity]) -> Vec<(CertificateName, Certificates)> {
    let mut named: Vec<(CertificateName, Certificates)> = Vec::new();
    if certificates.len() < 2 {
        return named;
    }
    for identity in certificates {
        for name in material::names(identity) {
            let name = match name.strip_prefix('*') {
                Some(suffix) => CertificateName::Before(suffix.into()),
                None => CertificateName::Exact(name.into()),
            };
            match named.iter_mut().find(|(known, _)| *known == name) {
                Some((_, shared)) => shared.push(identity.clone()),
                None => named.push((name, vec![identity.clone()])),
            }
        }
    }
    named
}
