//! What a Gateway asks clients' certificates (`tls.frontend`).
//!
//! The specification speaks of HTTPS listeners alone. sluice has none, and takes it for its listeners of protocol TLS
//! that terminate: nothing else could be meant. A field that is none is not put up with here: clients would be served
//! without the certificates that its author wanted to see.

use crate::config::dialect::fields::Fields;
use crate::config::dialect::gateway::reference::ObjectRef;
use crate::config::dialect::report::Report;

/// By port, and for all the others.
#[derive(Debug, Default)]
pub(in crate::config::dialect::gateway) struct Frontend {
    default: Option<Validation>,
    per_port: Vec<(u16, Option<Validation>)>,
}

/// Who may have signed a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config::dialect::gateway) struct Validation {
    /// At least one.
    pub(in crate::config::dialect::gateway) authorities: Vec<ObjectRef>,
    pub(in crate::config::dialect::gateway) mode: ClientMode,
    /// The path of the authorities.
    pub(in crate::config::dialect::gateway) field: String,
}

/// What becomes of clients without a good certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config::dialect::gateway) enum ClientMode {
    /// They are refused.
    ValidOnly,
    /// They are served like the others.
    Insecure,
}

const MODES: [(&str, ClientMode); 2] =
    [("AllowValidOnly", ClientMode::ValidOnly), ("AllowInsecureFallback", ClientMode::Insecure)];

const IN_VALIDATION: &str = "write it in validation";
const IN_TLS: &str = "write it in tls";

impl Frontend {
    pub(super) fn read(fields: &Fields<'_>, report: &Report) -> Self {
        let default = fields.child("default");
        if default.is_none() {
            fields.missing("default", "say what is asked at ports that perPort does not name; {} is nothing");
        }
        let default = default.and_then(|fields| validation(&fields, report));
        let mut per_port: Vec<(u16, Option<Validation>)> = Vec::new();
        for entry in fields.children("perPort").unwrap_or_default() {
            let port = entry.integer("port", 1..=65535).and_then(|port| u16::try_from(port).ok());
            let tls = entry.child("tls");
            for (name, missing) in [("port", entry.raw("port").is_none()), ("tls", tls.is_none())] {
                if missing {
                    entry.missing(name, "an entry says which port, and what is asked there");
                }
            }
            entry.refuse_unknown(&[("validation", IN_TLS)]);
            let validation = tls.and_then(|fields| validation(&fields, report));
            let Some(port) = port else {
                continue;
            };
            if per_port.iter().any(|(before, _)| *before == port) {
                report.discard(entry.path("port"), format!("{port} stands twice; write it once"));
            }
            per_port.push((port, validation));
        }
        fields.refuse_unknown(&[]);
        Self { default, per_port }
    }

    /// What is asked at a port.
    pub(in crate::config::dialect::gateway) fn at(&self, port: u16) -> Option<&Validation> {
        let own = self.per_port.iter().find(|(known, _)| *known == port);
        own.map_or(self.default.as_ref(), |(_, validation)| validation.as_ref())
    }

    /// Whether clients without a good certificate are served anywhere.
    pub(in crate::config::dialect::gateway) fn is_insecure(&self) -> bool {
        let per_port = self.per_port.iter().filter_map(|(_, validation)| validation.as_ref());
        self.default.iter().chain(per_port).any(|validation| validation.mode == ClientMode::Insecure)
    }
}

fn validation(fields: &Fields<'_>, report: &Report) -> Option<Validation> {
    let validation = fields.child("validation");
    fields.refuse_unknown(&[("caCertificateRefs", IN_VALIDATION), ("mode", IN_VALIDATION)]);
    Validation::read(&validation?, report)
}

impl Validation {
    pub(super) fn read(fields: &Fields<'_>, report: &Report) -> Option<Self> {
        const MOST: usize = 16;
        let references = fields.children("caCertificateRefs").unwrap_or_default();
        if !(1..=MOST).contains(&references.len()) {
            let message =
                format!("has {} entries; it has 1 to {MOST}, each a ConfigMap with ca.crt", references.len());
            report.discard(fields.path("caCertificateRefs"), message);
        }
        let authorities = references.iter().filter_map(|fields| {
            let read = ObjectRef::read(fields, "", "ConfigMap");
            fields.warn_unknown(&[]);
            read
        });
        let authorities: Vec<_> = authorities.collect();
        let mode = fields.choice("mode", &MODES).unwrap_or(ClientMode::ValidOnly);
        fields.refuse_unknown(&[]);
        let field = fields.path("caCertificateRefs");
        (!authorities.is_empty()).then_some(Self { authorities, mode, field })
    }
}
