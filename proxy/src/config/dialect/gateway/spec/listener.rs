//! A Gateway's `listeners[]`.

use super::allowed::Allowed;
use super::frontend::Validation;
use super::{Namespaces, options, secret};
use crate::config::dialect::fields::Fields;
use crate::config::dialect::gateway::hostname::Hostname;
use crate::config::dialect::gateway::reference::ObjectRef;
use crate::config::dialect::report::Report;
use crate::config::model::Parameters;

/// One listener, as it is declared.
#[derive(Debug)]
pub(in crate::config::dialect::gateway) struct ListenerSpec {
    pub(in crate::config::dialect::gateway) name: String,
    pub(in crate::config::dialect::gateway) port: u16,
    pub(in crate::config::dialect::gateway) protocol: Protocol,
    pub(in crate::config::dialect::gateway) hostname: Option<Hostname>,
    /// What becomes of TLS, where the protocol is TLS.
    pub(in crate::config::dialect::gateway) mode: Option<Mode>,
    pub(in crate::config::dialect::gateway) certificates: Vec<ObjectRef>,
    /// `tls.options`, as far as they are sluice's.
    pub(in crate::config::dialect::gateway) parameters: Parameters,
    /// `tls.frontendValidation`, which was there before the Gateway had a place for it.
    pub(in crate::config::dialect::gateway) validation: Option<Validation>,
    pub(in crate::config::dialect::gateway) namespaces: Namespaces,
    /// Kinds of routes that may attach, by group and kind; `None` is all that the protocol allows.
    pub(in crate::config::dialect::gateway) kinds: Option<Vec<(String, String)>>,
    /// The path of the whole.
    pub(in crate::config::dialect::gateway) field: String,
}

/// `protocol`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config::dialect::gateway) enum Protocol {
    Tcp,
    Tls,
    /// HTTP, which sluice does not serve.
    Http,
    /// HTTP over TLS, which shares its port with TLS.
    Https,
    Udp,
    /// An implementation's own.
    Other(String),
}

/// `tls.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config::dialect::gateway) enum Mode {
    Terminate,
    Passthrough,
}

const NAME: usize = 253;
const REFERENCES: usize = 64;

impl ListenerSpec {
    /// `None` where the report says why not.
    pub(super) fn read(fields: &Fields<'_>, namespace: &str, report: &Report) -> Option<Self> {
        let name = fields.filled("name").filter(|name| name.len() <= NAME);
        if name.is_none() {
            fields.missing("name", "give the listener a name, of 253 bytes at most");
        }
        let port = fields.integer("port", 1..=65535).and_then(|port| u16::try_from(port).ok());
        if port.is_none() && fields.raw("port").is_none() {
            fields.missing("port", "say where it listens, from 1 to 65535");
        }
        let protocol = fields.filled("protocol").map(|protocol| match protocol.as_str() {
            "TCP" => Protocol::Tcp,
            "TLS" => Protocol::Tls,
            "HTTP" => Protocol::Http,
            "HTTPS" => Protocol::Https,
            "UDP" => Protocol::Udp,
            _ => Protocol::Other(protocol),
        });
        if protocol.is_none() {
            fields.missing("protocol", "sluice serves TCP and TLS");
        }
        let hostname = fields.filled("hostname");
        let hostname_is_stated = hostname.is_some();
        let hostname = hostname.and_then(|text| {
            Hostname::parse(&text).map_err(|why| report.discard(fields.path("hostname"), why)).ok()
        });
        let Allowed { namespaces, kinds } =
            Allowed::read(fields.child("allowedRoutes").as_ref(), namespace, report);
        let tls = fields.child("tls");
        if matches!(protocol, Some(Protocol::Tcp | Protocol::Udp)) {
            let is = "names nothing that TCP or UDP knows; write protocol: TLS, or leave it out";
            // An empty one is as good as none, as the API has it.
            if hostname_is_stated {
                report.discard(fields.path("hostname"), is);
            }
        }
        if matches!(protocol, Some(Protocol::Tcp | Protocol::Udp | Protocol::Http)) && tls.is_some() {
            report.discard(
                fields.path("tls"),
                "is for protocols with TLS; write protocol: TLS, or leave it out",
            );
        }
        let secured =
            tls.as_ref().map(|tls| Secured::read(tls, protocol.as_ref(), report)).unwrap_or_default();
        if protocol == Some(Protocol::Tls) && tls.is_none() {
            fields.missing(
                "tls",
                "say what becomes of TLS: tls.mode Terminate with certificateRefs, or Passthrough",
            );
        }
        fields.warn_unknown(&[("tlsMode", "write tls.mode")]);
        let Secured { mode, certificates, parameters, validation } = secured;
        Some(Self {
            name: name?,
            port: port?,
            protocol: protocol?,
            hostname,
            mode,
            certificates,
            parameters,
            validation,
            namespaces,
            kinds,
            field: fields.here().to_owned(),
        })
    }
}

/// What `tls` says.
#[derive(Default)]
struct Secured {
    mode: Option<Mode>,
    certificates: Vec<ObjectRef>,
    parameters: Parameters,
    validation: Option<Validation>,
}

impl Secured {
    fn read(tls: &Fields<'_>, protocol: Option<&Protocol>, report: &Report) -> Self {
        let mode = tls.choice("mode", &[("Terminate", Mode::Terminate), ("Passthrough", Mode::Passthrough)]);
        let is_tls = protocol == Some(&Protocol::Tls);
        if is_tls && tls.raw("mode").is_none() {
            tls.missing("mode", "a listener of protocol TLS says Terminate or Passthrough");
        }
        if protocol == Some(&Protocol::Https) && mode == Some(Mode::Passthrough) {
            report.discard(tls.path("mode"), "has to be Terminate with protocol HTTPS; write protocol: TLS");
        }
        let references = tls.children("certificateRefs").unwrap_or_default();
        let stated = !references.is_empty();
        if references.len() > REFERENCES {
            report.discard(tls.path("certificateRefs"), format!("has more than {REFERENCES} entries"));
        }
        let certificates = references.iter().filter_map(secret).collect();
        let options = tls.child("options");
        if mode == Some(Mode::Terminate) && !stated && options.is_none() {
            tls.missing("certificateRefs", "name a Secret whose certificate ends TLS");
        }
        let validation = tls.child("frontendValidation").and_then(|fields| Validation::read(&fields, report));
        let parameters = options.map(|options| options::read(&options, report)).unwrap_or_default();
        tls.warn_unknown(&[]);
        Self { mode: mode.filter(|_| is_tls), certificates, parameters, validation }
    }
}
